import type { PrincipalId, RuleName, TeamName } from '../ids.ts'
import type { Role } from '../principal.ts'
import type { Millis } from '../time.ts'
import type { RowCap } from './row-cap.ts'

/** How far one approval reaches, narrowest first. */
export const SCOPES = ['once', 'session', 'window'] as const
export type Scope = (typeof SCOPES)[number]

export type Recording = 'standard' | 'full'

/** Who may fill a requirement, resolved from `owners`, `owners:LAYER`, `team:NAME`, `user:NAME`, `sponsor`. */
export type ReviewerPool =
  | { readonly kind: 'team'; readonly team: TeamName; readonly layer?: string }
  | { readonly kind: 'user'; readonly user: PrincipalId }
  | { readonly kind: 'sponsor'; readonly user: PrincipalId }
  /** Holders of a role, for changes of documents only. */
  | { readonly kind: 'role'; readonly role: Role }
  /** Nobody could be found, not even in the security team. It can never be met, and says so. */
  | { readonly kind: 'nobody'; readonly wanted: string; readonly security: TeamName }

/** `count` different people out of `pool`. Requirements with an equal `key` merge, the larger count wins. */
export interface Requirement {
  /** `team:payments`, `user:mia`, `sponsor:ana`, `nobody:owners`: what windows and reviews are matched by. */
  readonly key: string
  readonly pool: ReviewerPool
  readonly count: number
  /** False lets one person fill a place here and one elsewhere. */
  readonly distinct: boolean
  /** The rules that asked; empty for the default, an incomplete profile or a failure. */
  readonly rules: readonly RuleName[]
  /** Set when nobody stood in the named pool and the requirement climbed: says from where. */
  readonly climbedFrom?: string
}

/** People who may answer a requirement besides its own pool, once nobody has answered for so long. */
export interface Escalation {
  /** Of the requirement. */
  readonly key: string
  readonly after: Millis
  readonly pool: ReviewerPool
}

/** Conditions on a hold: the strictest over all matching rules. */
export interface HoldTerms {
  readonly timeout: Millis
  /** When those who may answer are reminded. */
  readonly nudge?: Millis
  /** What every rule that asks for a requirement agrees to, soonest first. Absent when there is nothing. */
  readonly escalations?: readonly Escalation[]
  readonly grantAtMost: Millis
  /** The widest scope that policy lets an approval have. */
  readonly scope: Scope
  readonly reasonRequired: boolean
  /** How many rows a statement may touch: the fewest over all matching rules. */
  readonly rowCap?: RowCap
}

export type Cause =
  /** Rules matched. */
  | 'rule'
  /** Nothing matched: the configured default. */
  | 'default'
  /** The action could not be classified. */
  | 'unknown_action'
  /** An expression of a hold or deny failed, or needed an attribute that is missing. */
  | 'expression_failed'
  /** The profile has no owner or no classification. */
  | 'incomplete_profile'

export interface Failure {
  readonly rule: RuleName
  /** One line, no payload: `action.estimate.rows: not known`. */
  readonly message: string
}

interface Common {
  readonly cause: Cause
  /** The rules that made the outcome: all matching denies, or all effective holds, or all matching allows. Sorted. */
  readonly rules: readonly RuleName[]
  readonly failures: readonly Failure[]
  readonly recording: Recording
}

export type Decision =
  | (Common & {
      readonly outcome: 'allow'
      /** Holds that an allow named in `waives`: an exception, recorded as one. */
      readonly waived: readonly RuleName[]
      /** The shortest `sessionAtMost` of the matching allows; bounds the session a `connect` opens. */
      readonly sessionAtMost?: Millis
      /** The fewest `rowsAtMost` of the matching allows: a run that returns more becomes an `export`. */
      readonly rowsAtMost?: number
      /** Set when something was waived: when the review after the fact is due. */
      readonly reviewAfter?: Millis
    })
  | (Common & { readonly outcome: 'hold'; readonly requirements: readonly Requirement[]; readonly terms: HoldTerms })
  | (Common & { readonly outcome: 'deny'; readonly message: string })
