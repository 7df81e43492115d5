import { ApiProblem, Unreachable } from '../contract/client.ts'
import type { ProblemBody } from '../contract/problem.ts'
import { EXIT, Stop } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { renderFinding } from './findings.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'

/** What an exception means to the person: a line, a hint, an exit code. */
export interface Told {
  readonly error: string
  readonly hint?: string | undefined
  readonly exit: number
  /** Lines before the error: findings and wrong fields. */
  readonly before?: readonly string[]
}

/** By the server's code; what stands in neither list failed, with 1. */
const EXIT_OF_CODE: Readonly<Record<string, number>> = {
  not_signed_in: EXIT.notSignedIn,
  wrong_credentials: EXIT.notSignedIn,
  wrong_code: EXIT.notSignedIn,
  not_found: EXIT.notFound,
  invalid_input: EXIT.usage,
  words_required: EXIT.usage,
  reason_required: EXIT.usage,
  not_shorter: EXIT.usage,
  weak_password: EXIT.usage,
  not_permitted: EXIT.denied,
  scope_too_narrow: EXIT.denied,
  read_only_field: EXIT.denied,
  self_review: EXIT.denied,
  not_eligible: EXIT.denied,
  denied_by_policy: EXIT.denied,
  scope_not_allowed: EXIT.denied,
  too_many_attempts: EXIT.pending,
  target_unreachable: EXIT.pending,
  policy_unavailable: EXIT.pending,
  store_unavailable: EXIT.pending,
  restoring: EXIT.pending,
}

export function tell(error: unknown): Told {
  if (error instanceof Stop) return { error: error.message, hint: error.hint, exit: error.exit }
  if (error instanceof ApiProblem) return tellProblem(error.problem)
  if (error instanceof Unreachable) {
    const asked = error.message.includes('does not answer')
    return {
      error: oneLine(error.message),
      hint: asked ? 'Is it running? Start it with: hp start. Another address: --server or HP_URL.' : undefined,
      exit: EXIT.failed,
    }
  }
  if (isAbort(error)) return { error: 'gave up waiting', exit: EXIT.pending }
  return {
    error: `hp itself failed: ${oneLine(error instanceof Error ? error.message : String(error))}`,
    exit: EXIT.failed,
  }
}

const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')

function tellProblem(problem: ProblemBody): Told {
  const title = oneLine(problem.title)
  const detail = problem.detail === undefined ? undefined : oneLine(problem.detail)
  return {
    error: problemSentence(title, detail),
    hint: problem.hint === undefined ? undefined : oneLine(problem.hint),
    exit: EXIT_OF_CODE[problem.code] ?? (problem.status === 404 ? EXIT.notFound : EXIT.failed),
    before: [
      ...(problem.findings ?? []).map(renderFinding),
      ...(problem.errors ?? []).map((one) => oneLine(`${fieldOf(one.path) ?? one.in}: ${one.message}`)),
    ],
  }
}

/** A problem's title, and what is true of this case. */
export const problemSentence = (title: string, detail: string | undefined): string =>
  detail === undefined ? title : `${title.replace(/\.$/, '')}: ${detail}`

/** A JSON pointer (RFC 6901) as people write a field: `items.3.name`. Undefined for the whole. */
const fieldOf = (pointer: string): string | undefined =>
  pointer === ''
    ? undefined
    : pointer
        .slice(1)
        .split('/')
        .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
        .join('.')

/** Two lines on standard error; `--json` makes it one object there. Returns the exit code. */
export function reportError(terminal: Terminal, error: unknown): number {
  const told = tell(error)
  for (const line of told.before ?? []) terminal.err(`${line}\n`)
  terminal.err(`${paint(terminal, 'red', 'error:')} ${told.error}\n`)
  if (told.hint !== undefined) terminal.err(`${paint(terminal, 'dim', 'hint:')} ${told.hint}\n`)
  if (terminal.env['HP_DEBUG'] && error instanceof Error) terminal.err(`${oneStack(error)}\n`)
  return told.exit
}

const oneStack = (error: Error): string => (error.stack ?? error.message).split('\n').map(oneLine).join('\n')
