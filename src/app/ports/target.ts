import type { PostgresTarget } from '../../domain/profile/profile.ts'
import type { Estimate } from '../../domain/action.ts'
import type { LockReport } from '../../domain/request/request.ts'
import type { Backend } from '../../domain/session/session.ts'

/** A target with its password, for the moment of connecting. Never logged, never stored. */
export interface OpenTarget extends PostgresTarget {
  readonly password?: string
  /** Control connections act as this role, once they are signed in; where it is gone, as the account itself. */
  readonly actAs?: string
  /** The same for planning alone: the account may not do what it plans. */
  readonly plansAs?: string
}

/** Values as a Bind sent them, with the types that its Parse declared (0 or left out: the target works it out). */
export interface BoundParameters {
  readonly types: readonly number[]
  readonly values: readonly { readonly format: number; readonly bytes: Buffer | null }[]
}

/** The account that Holdpoint signs in with, as the target has it. */
export interface TargetAccount {
  readonly role: string
  /** What it may do beyond the work of sessions, each in words that follow its name: `is a superuser`. Empty: nothing found. */
  readonly excess: readonly string[]
  /** Schemas that are not the server's own, and the roles that own what is in them. */
  readonly schemas: readonly {
    readonly name: string
    readonly owners: readonly { readonly role: string; readonly superuser: boolean }[]
  }[]
}

/** What Holdpoint does on a target besides carrying sessions. Each call opens or reuses a connection of its own. */
export interface TargetControl {
  /** Ask the backend to stop its statement. */
  cancel(target: OpenTarget, backend: Backend): Promise<void>
  /** Terminate the backend and look until it is gone from pg_stat_activity. Resolves true once seen gone; false after `withinMs`. */
  terminate(target: OpenTarget, backend: Backend, withinMs: number): Promise<boolean>
  isGone(target: OpenTarget, backend: Backend): Promise<boolean>
  /** EXPLAIN without ANALYZE, time-limited, in a read-only transaction that is rolled back. Only for text whose every function is known harmless. With `bound`, the guess is about those values; undefined where binding one may run code. */
  estimate(
    target: OpenTarget,
    database: string,
    text: string,
    searchPath: string,
    bound?: BoundParameters,
  ): Promise<Estimate | undefined>
  locks(target: OpenTarget, backend: Backend): Promise<LockReport>
  /** Can it be reached and signed in to? A sentence for people when not; never a stack trace or a password. */
  probe(
    target: OpenTarget,
  ): Promise<
    | { readonly ok: true; readonly version: string; readonly account: TargetAccount }
    | { readonly ok: false; readonly message: string }
  >
  close(): Promise<void>
}
