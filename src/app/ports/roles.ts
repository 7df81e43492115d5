import type { RoleNeeds } from '../../domain/grant/role-needs.ts'
import type { GrantId, PrincipalId, ResourceName, SessionId } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import type { SessionTarget } from './requests.ts'
import type { FoundRole } from './target-roles.ts'

/**
 * A role on a target as the store knows it. `wanted`: it may be there, in whole or not at all. `made`: it was seen to be
 * made. `gone`: it was seen gone.
 */
export interface GrantRole {
  readonly number: number
  readonly name: string
  readonly resource: ResourceName
  readonly target: SessionTarget
  readonly needs: RoleNeeds
  readonly until: Instant
  readonly state: 'wanted' | 'made' | 'gone'
  /** Absent for one that was adopted. */
  readonly grant?: GrantId
  /** Why it could not be made. */
  readonly why?: string
  /** The session that signed in as it. */
  readonly session?: SessionId
  /** When its credential was given away. */
  readonly givenAt?: Instant
}

/** What an inventory found that no grant stands for. */
export interface Leftover {
  readonly resource: ResourceName
  readonly found: FoundRole
  readonly firstSeen: Instant
  readonly lastSeen: Instant
  readonly ignored?: { readonly by: PrincipalId; readonly reason: string }
}

export interface Inventory {
  readonly resource: ResourceName
  readonly doneAt?: Instant
  /** Why the last one could not be made. */
  readonly why?: string
}

/** Roles for single grants, and what else is found on targets. Everything that changes something runs inside a transaction. */
export interface RoleStore {
  /** `wanted`, in the transaction that makes its grant; with `why` it will never be made. */
  insertRole(
    role: Omit<GrantRole, 'number' | 'state' | 'session' | 'givenAt'> & { readonly grant: GrantId },
  ): Promise<void>
  /** `made`: it is there already, and goes at its time. */
  adoptRole(
    role: Pick<GrantRole, 'name' | 'resource' | 'target' | 'needs' | 'until'>,
    by: PrincipalId,
    reason: string,
  ): Promise<void>
  roleOf(grant: GrantId): Promise<GrantRole | undefined>
  /** Nobody else changes it before this transaction ends. Its grant is locked before it. */
  lockRole(number: number): Promise<GrantRole | undefined>
  /** Takes what nobody makes yet, for grants that still want it: each is given to one caller, once. */
  claimRoles(now: Instant, limit: number): Promise<readonly GrantRole[]>
  /** Claimed before this moment and not made: whoever made it is gone. */
  abandonedRoles(before: Instant, limit: number): Promise<readonly GrantRole[]>
  roleMade(number: number): Promise<void>
  roleFailed(number: number, why: string): Promise<void>
  roleGone(number: number, now: Instant): Promise<void>
  /** Moves its end; never nearer. */
  prolongRole(number: number, until: Instant): Promise<void>
  /** Not gone, although their grant has ended or their own time is up. */
  rolesToRemove(now: Instant, limit: number): Promise<readonly GrantRole[]>
  /** Made, and their live grant was extended beyond their end. */
  rolesToProlong(limit: number): Promise<readonly (GrantRole & { readonly grantUntil: Instant })[]>
  /** Sessions may sign in as it once: false when one has. */
  noteSignIn(number: number, session: SessionId): Promise<boolean>
  signedInAs(session: SessionId): Promise<GrantRole | undefined>
  /** False when it was given before. */
  noteGiven(number: number, now: Instant): Promise<boolean>
  /** Not gone, of this resource. */
  rolesThere(resource: ResourceName): Promise<readonly GrantRole[]>
  /** Where roles were made that are not gone, whatever the profiles say today. */
  targetsWithRoles(): Promise<readonly { readonly resource: ResourceName; readonly target: SessionTarget }[]>

  /** True for one caller a period: the inventory of this resource is due. */
  beginInventory(resource: ResourceName, now: Instant, everyMs: number): Promise<boolean>
  endInventory(resource: ResourceName, now: Instant, why?: string): Promise<void>
  inventories(): Promise<readonly Inventory[]>
  /** What was found; who was ignored before stays ignored, what was not found is forgotten. Answers the names that are new. */
  noteLeftovers(resource: ResourceName, found: readonly FoundRole[], now: Instant): Promise<readonly string[]>
  leftovers(): Promise<readonly Leftover[]>
  lockLeftover(resource: string, name: string): Promise<Leftover | undefined>
  ignoreLeftover(resource: ResourceName, name: string, by: PrincipalId, reason: string): Promise<void>
  forgetLeftover(resource: ResourceName, name: string): Promise<void>
}
