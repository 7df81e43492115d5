import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

/** Sends an event that says nothing. */
export async function run(cli: Cli, { name }: { readonly name: string }): Promise<void> {
  const client = await cli.api()
  const { event } = await onceDespiteLoss((idempotencyKey) =>
    client.call('testWebhook', { params: { name } }, { idempotencyKey }),
  )
  if (cli.wantsJson) return cli.json({ event })
  cli.print(`sent ${oneLine(event)}`)
  cli.note(`How it went: hp jobs --webhook ${oneLine(name)}`)
}
