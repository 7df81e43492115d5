import type { TableVerb } from '../../domain/grant/role-needs.ts'
import type { Instant } from '../../domain/time.ts'
import type { OpenTarget } from './target.ts'

/** A role to be made on a target. Names are those of the target, unquoted. */
export interface RoleSpec {
  readonly name: string
  /** Begins with the tag by which it is found again. */
  readonly comment: string
  readonly until: Instant
  /** Roles that it becomes a member of. */
  readonly groups: readonly string[]
  readonly tables: readonly { readonly verb: TableVerb; readonly names: readonly string[] }[]
  /** The role that may hand on privileges on tables. */
  readonly grants: string
  /** The role that will own what is left of it; only looked for. */
  readonly heir: string
}

/** A refusal of the target, as the end of a sentence. Never a password. */
export type RoleMade = { readonly ok: true } | { readonly ok: false; readonly why: string }

export type RoleRemoved =
  /** Seen gone from a second connection. `handedOver`: what it owned, by database and in the target's words, at most 100. */
  | { readonly kind: 'gone'; readonly handedOver: readonly string[] }
  /** Still there: backends that did not leave in time. */
  | { readonly kind: 'left'; readonly backends: number }
  /** A role of that name is there which does not carry the tag: nobody touches it. */
  | { readonly kind: 'not_ours' }

/** A role as the target has it. */
export interface FoundRole {
  readonly name: string
  readonly comment?: string
  readonly canLogin: boolean
  /** Its VALID UNTIL; absent where it has none. */
  readonly until?: Instant
  /** Sessions that are signed in as it. */
  readonly sessions: number
  /** Which of the groups that only grants should have it is a member of. */
  readonly groups: readonly string[]
}

/**
 * Roles made for one grant. Every method signs in with the target's standing account, may be repeated, and rejects when
 * the target cannot be reached: what was done then is not known, and is found by the tag.
 */
export interface TargetRoles {
  /** All of it in one transaction of the target: the role stands with everything, or not at all. It cannot sign in. */
  make(target: OpenTarget, spec: RoleSpec): Promise<RoleMade>
  /** Lets a session that is signed in as `to` assume it. */
  lend(target: OpenTarget, name: string, to: string): Promise<void>
  /** It can sign in with this password, `sessions` at once. No SQL ever holds the password: its verifier is made here. */
  open(target: OpenTarget, name: string, password: string, sessions: number): Promise<void>
  /** Nobody signs in as it any more. Who is signed in stays. */
  shut(target: OpenTarget, name: string): Promise<void>
  /** Moves its VALID UNTIL. */
  prolong(target: OpenTarget, name: string, until: Instant): Promise<void>
  /**
   * NOLOGIN, end its sessions until none is left twice in a row, hand over what it owns to `heir` in every database, drop
   * it, and look from a second connection.
   * @param tag what its comment must begin with; anything else of that name is not touched. Undefined: whatever it is.
   */
  remove(
    target: OpenTarget,
    role: { readonly name: string; readonly tag: string | undefined; readonly heir: string },
    withinMs: number,
  ): Promise<RoleRemoved>
  /** Everything that looks like a role of some Holdpoint, or is a member of `groups`; never `except`. */
  inventory(target: OpenTarget, groups: readonly string[], except: readonly string[]): Promise<readonly FoundRole[]>
  /** Takes back what only grants should have from a role that is somebody's own. Rejects where it has it still. */
  expel(target: OpenTarget, name: string, groups: readonly string[]): Promise<void>
  close(): Promise<void>
}
