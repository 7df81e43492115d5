import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { printOutcome } from '../wait-for-request.ts'

export async function run(cli: Cli, { id }: { readonly id: string }): Promise<void> {
  const client = await cli.api()
  printOutcome(
    cli,
    await onceDespiteLoss((idempotencyKey) => client.call('withdrawRequest', { params: { id } }, { idempotencyKey })),
  )
}
