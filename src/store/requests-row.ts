import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, SessionId } from '../domain/ids.ts'
import { requestId } from '../domain/ids.ts'
import type { Basis } from '../domain/request/basis.ts'
import type { AccessRequest, RequestCommon, RequestState, Review } from '../domain/request/request.ts'
import type { Instant, Millis } from '../domain/time.ts'
import type { Verb } from '../domain/verb.ts'

/** A bigint as the driver gives it: text, or a number where a parser is set. All of ours are under 2^53. */
export type Big = string | number

export const grantId = (number: Big): GrantId => `G-${number}` as GrantId
export const sessionId = (number: Big): SessionId => `S-${number}` as SessionId
export const at = (value: Big): Instant => Number(value) as Instant

/** The number behind `HP-142`, `G-7`, `S-9`; undefined for a text that is no such id, which no row then has. */
export function keyOf(id: string, prefix: 'HP' | 'G' | 'S'): number | undefined {
  const found = /^([A-Z]+)-([1-9][0-9]{0,14})$/.exec(id)
  return found?.[1] === prefix ? Number(found[2]) : undefined
}

/** What never changes and is never searched by. */
export type Opening = Pick<
  RequestCommon,
  | 'subject'
  | 'cause'
  | 'rules'
  | 'failures'
  | 'requirements'
  | 'nudge'
  | 'escalations'
  | 'recording'
  | 'scope'
  | 'grantAtMost'
  | 'rowCap'
  | 'reason'
> & { readonly basis: Basis }

/** What the present state adds. */
type Ending = {
  readonly grant?: GrantId
  readonly by?: PrincipalId
  readonly words?: string
  readonly why?: string
  readonly at: number
}

export interface RequestRow {
  readonly number: Big
  readonly requester: PrincipalId
  readonly sponsor: PrincipalId | null
  readonly resource: ResourceName
  readonly verbs: readonly Verb[]
  readonly digest: Digest
  readonly revision: Big
  readonly session: SessionId | null
  readonly opened_at: Big
  readonly expires_at: Big
  readonly opening: Opening
  readonly state: RequestState
  readonly ending: Ending | null
  /** Oldest first. */
  readonly reviews: readonly ReviewRow[]
  /** Those that were taken. */
  readonly steps: readonly { readonly number: number; readonly done_at: number }[]
  readonly stand_ins: readonly { readonly person: PrincipalId; readonly for: PrincipalId; readonly until: number }[]
}
export interface ReviewRow {
  readonly reviewer: PrincipalId
  readonly verdict: Review['verdict']
  readonly digest: Digest
  readonly at: number
  readonly words: string | null
  readonly stands_for: PrincipalId | null
  readonly at_most: number | null
  readonly rows_at_most: number | null
}

const readReview = (row: ReviewRow): Review => ({
  by: row.reviewer,
  ...(row.stands_for === null ? {} : { for: row.stands_for }),
  verdict: row.verdict,
  digest: row.digest,
  at: at(row.at),
  ...(row.words === null ? {} : { words: row.words }),
  ...(row.at_most === null ? {} : { atMost: row.at_most as Millis }),
  ...(row.rows_at_most === null ? {} : { rowsAtMost: row.rows_at_most }),
})

/** @throws when a row's state and its data do not fit: somebody wrote around the program. */
export function readRequest(row: RequestRow): AccessRequest {
  const { basis: _, ...opening } = row.opening
  const common: RequestCommon = {
    id: requestId(row.number),
    requester: row.requester,
    ...(row.sponsor === null ? {} : { sponsor: row.sponsor }),
    resource: row.resource,
    verbs: row.verbs,
    digest: row.digest,
    revision: Number(row.revision) as Revision,
    ...(row.session === null ? {} : { session: row.session }),
    openedAt: at(row.opened_at),
    expiresAt: at(row.expires_at),
    ...opening,
    ...readWaiting(opening, row),
    ...(row.stand_ins.length === 0 ? {} : { standIns: row.stand_ins.map((one) => ({ ...one, until: at(one.until) })) }),
    reviews: row.reviews.map(readReview),
  }
  if (row.state === 'pending') return { ...common, state: 'pending' }
  const ending = row.ending
  if (ending === null) throw new Error(`${common.id} is ${row.state} and does not say why`)
  const when = at(ending.at)
  switch (row.state) {
    case 'approved':
      return { ...common, state: 'approved', grant: present(ending.grant, common.id), at: when }
    case 'denied':
      return {
        ...common,
        state: 'denied',
        by: present(ending.by, common.id),
        words: present(ending.words, common.id),
        at: when,
      }
    case 'withdrawn':
    case 'voided':
      return { ...common, state: row.state, why: present(ending.why, common.id), at: when }
    case 'expired':
      return { ...common, state: 'expired', at: when }
    default:
      return row.state satisfies never
  }
}

/** What was planned when it was opened, and what of it was done. */
function readWaiting(
  { nudge, escalations }: Omit<Opening, 'basis'>,
  { steps }: RequestRow,
): Pick<RequestCommon, 'nudge' | 'escalations'> {
  const doneOf = (number: number): { readonly done?: Instant } => {
    const taken = steps.find((step) => step.number === number)
    return taken === undefined ? {} : { done: at(taken.done_at) }
  }
  return {
    ...(nudge === undefined ? {} : { nudge: { ...nudge, ...doneOf(0) } }),
    ...(escalations === undefined ? {} : { escalations: escalations.map((one, i) => ({ ...one, ...doneOf(i + 1) })) }),
  }
}

function present<T>(value: T | undefined, id: RequestId): T {
  if (value === undefined) throw new Error(`what is recorded of ${id} is incomplete`)
  return value
}

export function openingOf(request: AccessRequest, basis: Basis): Opening {
  const { subject, cause, rules, failures, requirements, nudge, escalations, recording } = request
  const { scope, grantAtMost, rowCap, reason } = request
  return {
    subject,
    cause,
    rules,
    failures,
    requirements,
    ...(nudge === undefined ? {} : { nudge }),
    ...(escalations === undefined ? {} : { escalations }),
    recording,
    scope,
    grantAtMost,
    ...(rowCap === undefined ? {} : { rowCap }),
    ...(reason === undefined ? {} : { reason }),
    basis,
  }
}

/** Null for a pending request. */
export function endingOf(request: AccessRequest): Ending | null {
  switch (request.state) {
    case 'pending':
      return null
    case 'approved':
      return { grant: request.grant, at: request.at }
    case 'denied':
      return { by: request.by, words: request.words, at: request.at }
    case 'withdrawn':
    case 'voided':
      return { why: request.why, at: request.at }
    case 'expired':
      return { at: request.at }
    default:
      return request satisfies never
  }
}
