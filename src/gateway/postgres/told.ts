import { ROLLED_BACK } from '../../domain/grant/grant.ts'
import type { PrincipalId } from '../../domain/ids.ts'
import { rowsTouched } from '../../domain/request/divergence.ts'
import type { Touched } from '../../domain/request/divergence.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { requirementWords } from '../../domain/request/requirement-words.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { Estimate } from '../../domain/action.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { HoldNews, HoldOpened } from '../../app/ports/gateway.ts'

/** Every sentence a client of the gateway reads. */

type Opened = Extract<HoldOpened, { kind: 'held' }>

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ')

function why(decision: Decision, because: string | undefined): string {
  switch (decision.cause) {
    case 'unknown_action':
      return because === undefined ? 'it could not be classified' : `it could not be classified: ${oneLine(because)}`
    case 'expression_failed':
      return `a rule failed: ${decision.failures.map((failure) => `${failure.rule}: ${oneLine(failure.message)}`).join('; ')}`
    case 'incomplete_profile':
      return 'the profile has no owner or no classification'
    case 'default':
      return 'no rule allows it'
    case 'rule':
      return `${decision.rules.length === 1 ? 'rule' : 'rules'} ${decision.rules.join(', ')}`
    default:
      return decision.cause satisfies never
  }
}

const nameIn =
  ({ people }: Snapshot) =>
  (id: string): string =>
    people.get(id as PrincipalId)?.displayName ?? id

const names = (ids: readonly PrincipalId[], snapshot: Snapshot): string => {
  const shown = [...new Set(ids)].map(nameIn(snapshot))
  const last = shown.pop()
  return last === undefined ? 'Nobody' : shown.length === 0 ? last : `${shown.join(', ')} and ${last}`
}

/** Hours and minutes where the session is; UTC when its time zone is not a name that is known here. */
function clock(at: number, timeZone: string): string {
  const format = (zone: string) =>
    new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone }).format(at)
  try {
    return format(timeZone)
  } catch {
    return `${format('UTC')} UTC`
  }
}

/** J2: id, what is needed, why and where stand in the first line, because `VERBOSITY=terse` shows no other. */
export function heldNotice(
  opened: Opened,
  decision: Decision,
  of: {
    readonly because: string | undefined
    readonly estimate: Estimate | undefined
    readonly run?: readonly NamedVerb[] | undefined
    /** A run is declared, and this is asked about alone. */
    readonly besidesRun?: boolean
    /** The hold is short, because a transaction keeps its locks meanwhile. */
    readonly inTransaction?: boolean
    /** Why it is asked for was said already. */
    readonly hasReason: boolean
    readonly timeZone: string
    readonly snapshot: Snapshot
    readonly expiresAt: number
    /** A connect has no statement that could set a reason before it. */
    readonly kind: 'statement' | 'connect'
  },
): Told {
  const people = opened.needs.flatMap((need) => need.people)
  const guess = of.estimate === undefined ? undefined : Math.round(of.estimate.rows)
  const rows = guess === undefined ? '' : `about ${guess.toLocaleString('en-US')} ${guess === 1 ? 'row' : 'rows'}. `
  const told =
    people.length === 0 ? '' : ` ${names(people, of.snapshot)} ${new Set(people).size > 1 ? 'were' : 'was'} told.`
  const needed = opened.needs.map((need) => oneLine(requirementWords(need, nameIn(of.snapshot)))).join(' and ')
  const unanswerable = opened.unanswerable === undefined ? '' : `; ${oneLine(opened.unanswerable)}`
  return {
    severity: 'NOTICE',
    code: '00000',
    message: `held ${opened.request}: needs ${needed} (${why(decision, of.because)})${unanswerable} ${opened.url}`,
    detail: `${rows}${forTheRun(of)}Expires ${clock(of.expiresAt, of.timeZone)}${of.inTransaction === true ? ', soon, because the transaction keeps its locks' : ''}.${told}`,
    hint:
      of.kind === 'statement'
        ? `Ctrl-C withdraws.${of.hasReason ? '' : " SET holdpoint.reason = '...' before the statement tells them why."}`
        : 'Closing the client withdraws.',
  }
}

const forTheRun = (of: { readonly run?: readonly NamedVerb[] | undefined; readonly besidesRun?: boolean }): string =>
  of.run !== undefined
    ? `For the run: ${of.run.join(', ')}, until the session ends. `
    : of.besidesRun === true
      ? 'For this statement alone: the run does not cover it. '
      : ''

/** J20: while it waits, others are asked. */
export const newsNotice = (request: string, { kind, to }: HoldNews, snapshot: Snapshot): Told =>
  notice(`${request} ${kind === 'escalated' ? 'escalated' : 'handed on'} to ${names(to, snapshot)}`)

export const notice = (message: string): Told => ({ severity: 'NOTICE', code: '00000', message })

/** `4 h`, `41 s`: the largest unit that leaves a number of at least two. */
export function roughly(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

export const refusedByPolicy = (decision: Extract<Decision, { outcome: 'deny' }>): Told => ({
  severity: 'ERROR',
  code: '42501',
  message:
    decision.rules.length === 0
      ? `refused: ${oneLine(decision.message)}`
      : `refused by rule ${decision.rules.join(', ')}: ${oneLine(decision.message)}`,
  detail: 'Nothing reached the database.',
})

export const deniedBy = (request: string, by: string, words: string): Told => ({
  severity: 'ERROR',
  code: '42501',
  message: `${request} denied by ${by}: ${oneLine(words)}`,
  detail: 'Nothing reached the database.',
})

export const withdrawn = (request: string): Told => ({
  severity: 'ERROR',
  code: '57014',
  message: 'withdrawn; nothing reached the database',
  detail: `${request} was withdrawn.`,
})

export const timedOut = (request: string, capped: boolean): Told => ({
  severity: 'ERROR',
  code: '57014',
  message: `${request} expired: nobody decided in time; nothing reached the database`,
  hint: capped
    ? 'Inside a transaction a hold is short, because locks are kept. Run the statement by itself, or ask for a window: hp request.'
    : `Ask again with: hp retry ${request}`,
})

/** I7: says that it was a failure, and refuses. */
export const failure = (what: string): Told => ({
  severity: 'ERROR',
  code: '58000',
  message: `${what} (failure); nothing reached the database`,
})

/** SQLSTATE 54000: a limit was passed (PostgreSQL's program_limit_exceeded). No driver tries that again by itself. */
export const overCap = (request: string, touched: readonly Touched[], agreed: number): Told => ({
  severity: 'ERROR',
  code: '54000',
  message: `${request} would have touched ${count(rowsTouched(touched))}, ${agreed.toLocaleString('en-US')} ${agreed === 1 ? 'was' : 'were'} agreed; rolled back`,
  detail: touched
    .map(({ object, inserted, updated, deleted }) => {
      const parts = Object.entries({ inserted, updated, deleted }).filter(([, rows]) => rows > 0)
      return `${oneLine(object)}: ${parts.map(([what, rows]) => `${rows.toLocaleString('en-US')} ${what}`).join(', ')}`
    })
    .join('; '),
  hint: 'Change fewer rows, or ask again: whoever reviews it may agree to more where policy lets them.',
})
const count = (rows: number): string => `${rows.toLocaleString('en-US')} ${rows === 1 ? 'row' : 'rows'}`

/** I7: a number was agreed, and nobody can say whether it holds. */
export const countInDoubt: Told = {
  severity: 'ERROR',
  code: '58000',
  message: 'the rows it touches could not be counted (failure); nothing of it was kept',
}
export const cancelledWhileCounting: Told = {
  severity: 'ERROR',
  code: '57014',
  message: 'canceled while its rows were being counted; rolled back',
}

/** What was delivered stays delivered; what more there is would be an export. */
export const tooManyRows = (most: number, resource: string, decision: Decision): Told => ({
  severity: 'ERROR',
  code: '42501',
  message: `more than ${count(most)} are an export, which ${decision.outcome === 'deny' ? `is refused${decision.rules.length === 0 ? '' : ` by rule ${decision.rules.join(', ')}`}: ${oneLine(decision.message)}` : `needs a review${decision.rules.length === 0 ? '' : ` (rule ${decision.rules.join(', ')})`}`}; stopped there`,
  detail: `${count(most)} were delivered. The statement was cancelled.`,
  ...(decision.outcome === 'deny'
    ? {}
    : { hint: `Read fewer, or ask first: hp request ${resource} --verb export --for 30m` }),
})

/** The approval that something in the transaction ran under is over. */
export const endedBeforeCommit = (request: string, why: string): Told => ({
  severity: 'ERROR',
  code: ROLLED_BACK,
  message: `${request} ended (${why}); the transaction was rolled back`,
})

/** I7, where something has run: nobody may commit what nobody can confirm. */
export const commitInDoubt: Told = {
  severity: 'ERROR',
  code: '58000',
  message: 'whether what this transaction did is still approved could not be asked (failure); it was rolled back',
}

export const notUnderstood = (what: string): Told => ({ severity: 'ERROR', code: '0A000', message: what })
export const fatal = (code: string, message: string): Told => ({ severity: 'FATAL', code, message })

/** What PostgreSQL says when it is shut down, and to a backend that is terminated. Code 57P01. */
export const SHUT_DOWN = 'terminating connection due to administrator command'
