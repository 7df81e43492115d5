import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { printGrantEnd } from '../grant-ended.ts'

export async function run(cli: Cli, { id }: { readonly id: string }): Promise<void> {
  const client = await cli.api()
  printGrantEnd(
    cli,
    await onceDespiteLoss((idempotencyKey) => client.call('releaseGrant', { params: { id } }, { idempotencyKey })),
  )
}
