import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, SessionId } from '../ids.ts'
import type { Scope } from '../policy/decision.ts'
import type { Instant } from '../time.ts'
import type { Verb } from '../verb.ts'

export const END_REASONS = ['completed', 'released', 'expired', 'revoked', 'voided'] as const
export type EndReason = (typeof END_REASONS)[number]

export interface GrantCommon {
  readonly id: GrantId
  readonly request: RequestId
  readonly principal: PrincipalId
  readonly resource: ResourceName
  readonly verbs: readonly Verb[]
  readonly scope: Scope
  /** `once` and `session` grants live in one session and die with it. */
  readonly session?: SessionId
  readonly digest: Digest
  /** Keys and counts of the requirements its reviews met: a window counts for exactly these. */
  readonly met: readonly {
    readonly key: string
    readonly count: number
    /** Who gave them. */ readonly by?: readonly PrincipalId[]
  }[]
  /** Rows that each statement under it may touch, where its reviewers said a number. */
  readonly rowsAtMost?: number
  /** Made on the target for it alone; used through the standing account when left out. */
  readonly role?: string
  readonly revision: Revision
  readonly startsAt: Instant
  readonly expiresAt: Instant
}

export type Grant = GrantCommon &
  (
    | { readonly state: 'provisioning' }
    | { readonly state: 'active' }
    /** Until the target confirms. `since` is what overdue is counted from. */
    | { readonly state: 'ending'; readonly why: EndReason; readonly since: Instant }
    | { readonly state: 'ended'; readonly why: EndReason; readonly at: Instant }
  )
export type GrantState = Grant['state']

/** The SQLSTATE (transaction_rollback) that an execution `failed` with when it was done, and its transaction undid it. */
export const ROLLED_BACK = '40000'

/** The one run of a `once` grant. `unknown` (the gateway died while it ran) is never re-run by the program. */
export type ExecutionState = 'ready' | 'started' | 'succeeded' | 'failed' | 'unknown'
