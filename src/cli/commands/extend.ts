import { afterAsking } from '../after-asking.ts'
import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { optional } from '../optional.ts'

export async function run(
  cli: Cli,
  input: { readonly id: string; readonly time: string; readonly reason?: string },
): Promise<number> {
  durationOf(input.time, 'the time')
  const client = await cli.api()
  const body = { for: input.time, ...optional({ reason: input.reason ?? cli.settings.reason }) }
  const request = await onceDespiteLoss((idempotencyKey) =>
    client.call('extendGrant', { params: { id: input.id }, body }, { idempotencyKey }),
  )
  return afterAsking(cli, request, undefined)
}
