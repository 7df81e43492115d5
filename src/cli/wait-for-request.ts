import { ApiProblem, Unreachable } from '../contract/client.ts'
import type { AccessRequest, Cli } from './cli.ts'
import { EXIT } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { stateWords } from './request-words.ts'

/** Between two looks when no event says that something changed. Milliseconds. */
const LOOK_EVERY = 1_000

/** The exit code of a request as it stands. */
export function exitOf(request: AccessRequest): number {
  switch (request.state) {
    case 'approved':
      return EXIT.ok
    case 'denied':
      return EXIT.denied
    case 'withdrawn':
      return EXIT.withdrawn
    case 'pending':
    case 'expired':
    case 'voided':
      return EXIT.pending
  }
}

/** Prints how a request stands: one line, or the request as JSON. Returns its exit code. */
export function printOutcome(cli: Cli, request: AccessRequest): number {
  if (cli.wantsJson) cli.json({ request })
  else cli.print(`${oneLine(request.id)} ${stateWords(request)}`)
  if (request.state === 'expired' || request.state === 'voided' || request.state === 'denied')
    cli.note(`Ask again with: hp retry ${oneLine(request.id)}`)
  return exitOf(request)
}

/**
 * Looks at the request until it is decided, `within` has passed or `signal` aborts; then answers with it as it
 * was last seen. A server that restarts meanwhile is waited for.
 */
export async function waitForRequest(
  cli: Cli,
  id: string,
  within: number | undefined,
  signal: AbortSignal,
): Promise<AccessRequest> {
  const client = await cli.api()
  const until = within === undefined ? Number.POSITIVE_INFINITY : cli.now() + within
  let seen = await client.call('getRequest', { params: { id } })
  const told = new Set<string>()
  tellNews(cli, seen, told)
  const progress = showProgress(cli, () => `${oneLine(id)} waits`)
  try {
    while (seen.state === 'pending' && cli.now() < until && !signal.aborted) {
      await pause(Math.min(LOOK_EVERY, Math.max(0, until - cli.now())), signal)
      if (signal.aborted) break
      try {
        seen = await client.call('getRequest', { params: { id } })
        tellNews(cli, seen, told)
      } catch (error) {
        if (!(error instanceof Unreachable || (error instanceof ApiProblem && error.problem.status >= 500))) throw error
      }
    }
    return seen
  } finally {
    progress()
  }
}

/** Whom else it asks by now, each once. */
function tellNews(cli: Cli, request: AccessRequest, told: Set<string>): void {
  if (request.state !== 'pending') return
  const escalated = (request.escalations ?? []).filter((one) => one.done !== undefined)
  const news = [
    ...escalated.map((one) => `escalated to ${one.eligible.map(oneLine).join(', ')}`),
    ...(request.standIns ?? []).map((one) => `handed on to ${oneLine(one.person)}`),
  ]
  for (const words of news.filter((one) => !told.has(one))) {
    told.add(words)
    cli.note(`${oneLine(request.id)} ${words}`)
  }
}

/** One line on a terminal that says how long it has been; nothing elsewhere. Returns the way to clear it. */
export function showProgress(cli: Cli, words: () => string): () => void {
  const { terminal } = cli
  if (cli.quiet || cli.wantsJson || !terminal.errIsTerminal) return () => undefined
  const start = cli.now()
  let shown = false
  const timer = setInterval(() => {
    shown = true
    terminal.err(`\r${words()} … ${Math.round((cli.now() - start) / 1000)} s\u001b[K`)
  }, 1_000)
  timer.unref()
  return () => {
    clearInterval(timer)
    if (shown) terminal.err('\r\u001b[K')
  }
}

export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    signal.addEventListener('abort', finish)
    if (signal.aborted) finish()
  })

/** A signal that Ctrl-C aborts, for as long as `work` runs. */
export async function interruptible<T>(cli: Cli, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = cli.terminal.onInterrupt(() => controller.abort())
  try {
    return await work(controller.signal)
  } finally {
    stop()
  }
}
