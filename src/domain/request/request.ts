import type { Action } from '../action.ts'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, RuleName, SessionId } from '../ids.ts'
import type { Cause, Escalation, Failure, Recording, Requirement, Scope } from '../policy/decision.ts'
import { fewest } from '../policy/row-cap.ts'
import type { RowCap } from '../policy/row-cap.ts'
import type { Instant, Millis } from '../time.ts'
import type { NamedVerb, Verb } from '../verb.ts'

/** A bound parameter as shown to reviewers. `masked` ones enter the digest with their real bytes all the same. */
export type ShownParameter =
  | { readonly kind: 'null' }
  | { readonly kind: 'text'; readonly text: string }
  /** `reads`: what the bytes say, where the type is one that everybody knows. */
  | { readonly kind: 'binary'; readonly hex: string; readonly reads?: { readonly type: string; readonly text: string } }
  | { readonly kind: 'masked'; readonly bytes: number }

/** What the gateway knows of the target session; part of the digest, since it gives the text its meaning. */
export interface SessionState {
  readonly database: string
  readonly role: string
  readonly searchPath: string
  readonly encoding: string
  readonly timeZone: string
  readonly standardConformingStrings: boolean
  readonly inTransaction: boolean
  /** Names of temporary objects made in this session. */
  readonly temporaryObjects: readonly string[]
  /** Those of `MEANINGFUL_SETTINGS`, by name. Absent in what was asked before they were looked at. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Locks that the waiting transaction holds, and who waits behind them; read when the hold began. */
export interface LockReport {
  readonly held: readonly { readonly object: string; readonly mode: string }[]
  /** All of them. */
  readonly waiters: number
  /** The longest waiting first, at most 20. Absent in what was asked before they were named. */
  readonly waiting?: readonly LockWaiter[]
}

/** Somebody on the target who waits behind a lock. What Holdpoint's account may not see is absent. */
export interface LockWaiter {
  readonly pid: number
  readonly user?: string
  readonly application?: string
  readonly database?: string
  readonly forMs?: number
  /** Without its literals, and cut off. */
  readonly statement?: string
}

/** What was asked. The text is whole; literals that are secrets are masked in it (the sealed original is elsewhere). */
export type Subject =
  | {
      readonly kind: 'statement'
      readonly text: string
      readonly parameters: readonly ShownParameter[]
      /** One a statement and verb; never empty. */
      readonly actions: readonly Action[]
      readonly state: SessionState
      readonly locks?: LockReport
      /** The declared run that an approval lets go on by itself, with these verbs, until the session ends. */
      readonly run?: readonly NamedVerb[]
      /** What no digest can cover, told to the approver: `the rows that COPY FROM STDIN will send`. */
      readonly notCovered: readonly string[]
      /** Why no number of rows can be enforced on it, in words. */
      readonly uncapped?: string
    }
  | { readonly kind: 'connect'; readonly database: string; readonly client: string; readonly sourceAddress: string }
  | {
      readonly kind: 'window'
      readonly verbs: readonly NamedVerb[]
      readonly length: Millis
      /** The requester is given a credential for the role of the grant, and goes past the gateway with it. */
      readonly credential?: true
    }
  | {
      readonly kind: 'extension'
      readonly grant: GrantId
      readonly of: RequestId
      readonly verbs: readonly NamedVerb[]
      readonly length: Millis
    }
  /**
   * A proposed change of documents. `base` is the revision it was written against; `summary` is all of it, whole: what
   * an added document says, and what a removed one said, stands indented below its name.
   */
  | { readonly kind: 'change'; readonly base: Revision; readonly summary: readonly string[] }

export interface Review {
  readonly by: PrincipalId
  /** In whose place, when somebody had handed theirs on. */
  readonly for?: PrincipalId
  readonly verdict: 'approve' | 'deny'
  /** The digest that the reviewer was shown. */
  readonly digest: Digest
  readonly at: Instant
  readonly words?: string
  /** A shorter time than policy would give. */
  readonly atMost?: Millis
  /** Fewer rows than policy would let it touch. */
  readonly rowsAtMost?: number
}

/** Whose place a review fills. */
export const placeGiven = (review: Review): PrincipalId => review.for ?? review.by
/** Whose places approvals fill: what a quorum counts. */
export const approvers = (reviews: readonly Review[]): readonly PrincipalId[] =>
  reviews.filter((one) => one.verdict === 'approve').map(placeGiven)

/** A requirement as it stood when the request was opened: later edits of teams never add anyone (I3). */
export interface OpenRequirement extends Requirement {
  readonly eligible: readonly PrincipalId[]
}

/**
 * Who else may answer a requirement, by the rules and the teams as they stood when the request was opened: an edit
 * made later adds nobody (I3). They may from the moment that it was `done`.
 */
export interface OpenEscalation extends Pick<Escalation, 'key' | 'pool'> {
  readonly at: Instant
  readonly eligible: readonly PrincipalId[]
  readonly done?: Instant
}

/** Somebody who may answer in the place of one who was asked, and never besides them. */
export interface StandIn {
  readonly person: PrincipalId
  readonly for: PrincipalId
  readonly until: Instant
}

export interface RequestCommon {
  readonly id: RequestId
  readonly requester: PrincipalId
  readonly sponsor?: PrincipalId
  /** `holdpoint` for a change of documents. */
  readonly resource: ResourceName
  readonly verbs: readonly Verb[]
  readonly subject: Subject
  readonly digest: Digest
  readonly cause: Cause
  readonly rules: readonly RuleName[]
  readonly failures: readonly Failure[]
  readonly requirements: readonly OpenRequirement[]
  /** When those who were asked are reminded, and were. */
  readonly nudge?: { readonly at: Instant; readonly done?: Instant }
  /** Soonest first. */
  readonly escalations?: readonly OpenEscalation[]
  readonly standIns?: readonly StandIn[]
  readonly recording: Recording
  /** The scope and the longest time of the grant that an approval would make. */
  readonly scope: Scope
  readonly grantAtMost: Millis
  /** How many rows the statement may touch, or each one under a window. */
  readonly rowCap?: RowCap
  readonly revision: Revision
  readonly reason?: string
  /** The client that waits; it withdraws the request when it goes away. */
  readonly session?: SessionId
  readonly openedAt: Instant
  readonly expiresAt: Instant
  readonly reviews: readonly Review[]
}

export type AccessRequest = RequestCommon &
  (
    | { readonly state: 'pending' }
    | { readonly state: 'approved'; readonly grant: GrantId; readonly at: Instant }
    | { readonly state: 'denied'; readonly by: PrincipalId; readonly words: string; readonly at: Instant }
    | { readonly state: 'withdrawn'; readonly why: string; readonly at: Instant }
    | { readonly state: 'expired'; readonly at: Instant }
    | { readonly state: 'voided'; readonly why: string; readonly at: Instant }
  )
export type RequestState = AccessRequest['state']

/** The longest time that an approval could give: what policy allows, and never more than was asked for. */
export function longestGrant({ subject, grantAtMost }: Pick<RequestCommon, 'subject' | 'grantAtMost'>): Millis {
  const asked = subject.kind === 'window' || subject.kind === 'extension' ? subject.length : grantAtMost
  return asked < grantAtMost ? asked : grantAtMost
}

/** Rows that every approval so far agrees to: of the rules and the reviewers, the fewest. Undefined: nobody set a number. */
export const agreedRows = (request: Pick<RequestCommon, 'rowCap' | 'reviews'>): number | undefined =>
  fewest([request.rowCap?.rows, reviewedRows(request)])

/** The fewest that reviewers set. */
export const reviewedRows = ({ reviews }: Pick<RequestCommon, 'reviews'>): number | undefined =>
  fewest(reviews.filter((one) => one.verdict === 'approve').map((one) => one.rowsAtMost))

/** Why no reviewer can set a number of rows; undefined where they can. */
export function whyUncapped(subject: Subject): string | undefined {
  switch (subject.kind) {
    case 'statement':
      return subject.uncapped
    case 'window':
      return undefined
    case 'connect':
    case 'extension':
    case 'change':
      return 'it runs no statement by itself'
    default:
      return subject satisfies never
  }
}

/** The database that a statement runs in, or a session was asked for; undefined for the profile's own. */
export function databaseOf(subject: Subject): string | undefined {
  switch (subject.kind) {
    case 'statement':
      return subject.state.database
    case 'connect':
      return subject.database
    case 'window':
    case 'extension':
    case 'change':
      return undefined
    default:
      return subject satisfies never
  }
}
