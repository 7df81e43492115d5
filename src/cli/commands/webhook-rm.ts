import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

export async function run(cli: Cli, { name }: { readonly name: string }): Promise<void> {
  const client = await cli.api()
  await onceDespiteLoss((idempotencyKey) => client.call('deleteWebhook', { params: { name } }, { idempotencyKey }))
  if (cli.wantsJson) return cli.json({ removed: name })
  cli.print(`${oneLine(name)} is told nothing more.`)
}
