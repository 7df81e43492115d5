import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { interruptible, printOutcome, waitForRequest } from '../wait-for-request.ts'

/** Ctrl-C stops the waiting only: the request may be somebody else's, or wanted all the same. */
export async function run(cli: Cli, input: { readonly id: string; readonly timeout?: string }): Promise<number> {
  const within = input.timeout === undefined ? undefined : durationOf(input.timeout, '--timeout')
  return interruptible(cli, async (signal) => printOutcome(cli, await waitForRequest(cli, input.id, within, signal)))
}
