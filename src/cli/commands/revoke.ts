import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { printGrantEnd } from '../grant-ended.ts'
import { optional } from '../optional.ts'

export async function run(
  cli: Cli,
  { id, message }: { readonly id: string; readonly message?: string },
): Promise<void> {
  const client = await cli.api()
  const body = optional({ words: message })
  printGrantEnd(
    cli,
    await onceDespiteLoss((idempotencyKey) => client.call('revokeGrant', { params: { id }, body }, { idempotencyKey })),
  )
}
