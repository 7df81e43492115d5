import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

interface Input {
  readonly resource: string
  readonly role: string
  readonly message: string
}

export async function run(cli: Cli, { resource, role, message }: Input): Promise<void> {
  const client = await cli.api()
  const given = { params: { name: resource, role }, body: { reason: message } }
  await onceDespiteLoss((idempotencyKey) => client.call('revokeLeftover', given, { idempotencyKey }))
  if (cli.wantsJson) return cli.json({ resource, role, done: 'revoke' })
  cli.print(`${oneLine(role)} on ${oneLine(resource)}: gone`)
}
