import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { oneLine } from '../exposed-text.ts'

interface Input {
  readonly resource: string
  readonly role: string
  readonly for: string
  readonly message: string
}

export async function run(cli: Cli, { resource, role, message, for: length }: Input): Promise<void> {
  durationOf(length, '--for')
  const client = await cli.api()
  const given = { params: { name: resource, role }, body: { reason: message, for: length } }
  await onceDespiteLoss((idempotencyKey) => client.call('adoptLeftover', given, { idempotencyKey }))
  if (cli.wantsJson) return cli.json({ resource, role, done: 'adopt', for: length })
  cli.print(`${oneLine(role)} on ${oneLine(resource)}: removed in ${length}`)
}
