import type { AccessRequest, Cli } from './cli.ts'
import { durationOf } from './durations.ts'
import { EXIT } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { needsWords } from './request-words.ts'
import { left } from './times.ts'
import { exitOf, interruptible, printOutcome, waitForRequest } from './wait-for-request.ts'

/**
 * What `request`, `extend`, `retry` and `apply` do with what they opened: say what it waits for and end with 75, or
 * wait. Ctrl-C while waiting withdraws it.
 */
export async function afterAsking(cli: Cli, request: AccessRequest, wait: string | true | undefined): Promise<number> {
  const within = typeof wait === 'string' ? durationOf(wait, '--wait') : undefined
  if (request.state !== 'pending') return printOutcome(cli, request)
  announce(cli, request)
  if (wait === undefined) {
    if (cli.wantsJson) cli.json({ request })
    else cli.print(oneLine(request.id))
    return EXIT.pending
  }
  return interruptible(cli, async (signal) => {
    const seen = await waitForRequest(cli, request.id, within, signal)
    if (!signal.aborted || seen.state !== 'pending') return printOutcome(cli, seen)
    const withdrawn = await (await cli.api()).call('withdrawRequest', { params: { id: request.id } })
    printOutcome(cli, withdrawn)
    return exitOf(withdrawn)
  })
}

function announce(cli: Cli, request: AccessRequest): void {
  const rules = request.rules.length === 0 ? '' : ` (rule ${request.rules.map(oneLine).join(', ')})`
  cli.note(`held ${oneLine(request.id)}: needs ${needsWords(request)}${rules} ${oneLine(request.url)}`)
  const people = [...new Set(request.requirements.flatMap((one) => one.eligible))].map(oneLine)
  const { unanswerable } = request
  if (unanswerable !== undefined) cli.note(`${oneLine(unanswerable)}; then ask again`)
  const asked = people.length === 0 ? '' : `Asked: ${people.join(', ')}. `
  cli.note(`${asked}${left(request.expiresAt, cli.now())}. Follow it with: hp wait ${oneLine(request.id)}`)
}
