import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

/** One more attempt at a dead letter. */
export async function run(cli: Cli, { id }: { readonly id: string }): Promise<void> {
  const client = await cli.api()
  const job = await onceDespiteLoss((idempotencyKey) => client.call('retryJob', { params: { id } }, { idempotencyKey }))
  if (cli.wantsJson) return cli.json({ job })
  cli.print(`${oneLine(job.id)} is tried once more: ${oneLine(job.about)}`)
}
