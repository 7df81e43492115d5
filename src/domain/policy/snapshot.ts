import type { Action, Context } from '../action.ts'
import type { PrincipalId, ResourceName, Revision, TeamName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { Profile, Team } from '../profile/profile.ts'
import type { Decision } from './decision.ts'

/**
 * One principal on one resource, with the rules that could match them already picked out by `on:`.
 * Made once a session and policy; deciding with it costs a few microseconds.
 */
export interface DecisionScope {
  readonly principal: Principal
  readonly profile: Profile
  /** Pure. Every call evaluates: nothing that policy decides is cached. */
  decide(action: Action, context: Context): Decision
  /** Whether any candidate rule for this verb reads `action.estimate`, so that asking the planner is worth it. */
  needsEstimate(verb: Action['verb']): boolean
}

/** Everything policy knows at one revision. Immutable. */
export interface Snapshot {
  readonly revision: Revision
  readonly resources: ReadonlyMap<ResourceName, Profile>
  readonly teams: ReadonlyMap<TeamName, Team>
  readonly people: ReadonlyMap<PrincipalId, Principal>
  /**
   * Undefined when there is no such resource. `database` is the one a session is in, when it is not the profile's own:
   * the profiles of that database on the same server are asked as well, and the strictest answer counts.
   */
  scope(principal: Principal, resource: ResourceName, database?: string): DecisionScope | undefined
}
