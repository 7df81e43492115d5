import type { Action, Context } from '../../domain/action.ts'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, SessionId } from '../../domain/ids.ts'
import type { EndReason } from '../../domain/grant/grant.ts'
import type { Decision, Requirement } from '../../domain/policy/decision.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Done } from '../../domain/request/divergence.ts'
import type { Subject } from '../../domain/request/request.ts'
import type { Backend, CloseReason, StatementEntry } from '../../domain/session/session.ts'
import type { Instant } from '../../domain/time.ts'
import type { Refusal } from '../refusals.ts'
import type { Result } from '../result.ts'
import type { OpenTarget } from './target.ts'

/** SCRAM-SHA-256 verifiers (RFC 5802) of one person's live gateway tokens. All share the salt, so one exchange tries them all. */
export interface GatewayVerifiers {
  readonly salt: Buffer
  readonly iterations: number
  readonly keys: readonly { readonly token: string; readonly storedKey: Buffer; readonly serverKey: Buffer }[]
  /** Absent for a name that nobody has: the exchange runs all the same and fails at its end. */
  readonly principal?: Principal
}

export interface HoldInput {
  readonly session: SessionId
  readonly principal: Principal
  readonly resource: ResourceName
  readonly subject: Subject
  /** Over the exact bytes, parameters and session state (domain/digest.ts). */
  readonly digest: Digest
  readonly decision: Extract<Decision, { outcome: 'hold' }>
  readonly reason?: string
  /** The policy that decided. */
  readonly revision: Snapshot['revision']
  /** A cap on the wait, for a hold inside a transaction that has locks. */
  readonly waitAtMostMs?: number
  /** The circumstances it was decided in; kept for deciding again. */
  readonly context?: Context
}

export type HoldOpened =
  /** Live window or session grants meet every requirement: run it under `grant`, until `expiresAt`. */
  | {
      readonly kind: 'covered'
      readonly grant: GrantId
      readonly request: RequestId
      readonly expiresAt: Instant
      /** Runs as this role of the target, made for the grant. */
      readonly role?: string
      /** Rows that it may touch by the reviewers of those grants, beside what the rules say. */
      readonly rowsAtMost?: number
    }
  | {
      readonly kind: 'held'
      readonly request: RequestId
      /** What is still needed, after what windows met; `people` are those who were told. */
      readonly needs: readonly (Requirement & { readonly people: readonly PrincipalId[] })[]
      /** Why those people can never meet it, in one sentence. */
      readonly unanswerable?: string
      readonly expiresAt: Instant
      readonly url: string
    }

export type HoldOutcome =
  | { readonly kind: 'approved'; readonly by: readonly PrincipalId[]; readonly grant: GrantId }
  | { readonly kind: 'denied'; readonly by: PrincipalId; readonly words: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'withdrawn'; readonly why: string }
  /** What was approved could not be made ready on the target. Nothing ran, and it is void. */
  | { readonly kind: 'failed'; readonly why: string }
  /** Policy, profile or team changed so that the decision differs: decide again, and hold anew in place if it says so. */
  | { readonly kind: 'voided'; readonly why: string }

/** Somebody else may answer now, since those who were asked did not, or are away. */
export interface HoldNews {
  readonly kind: 'escalated' | 'handed_on'
  readonly to: readonly PrincipalId[]
}

/** The last look before the bytes go: everything that could have changed is checked in one transaction. */
export type Started =
  | {
      readonly kind: 'go'
      readonly grant: GrantId
      readonly expiresAt: Instant
      /** Runs as this role of the target, made for the grant; of a `connect`, the session signs in as it. */
      readonly role?: string
      /** Rows that were agreed: more roll it back. */
      readonly rowCap?: number
    }
  | { readonly kind: 'voided'; readonly why: string }

export type Confirmed =
  | { readonly kind: 'live' }
  | { readonly kind: 'ended'; readonly request: RequestId; readonly why: EndReason }

export interface CutOrder {
  /** One sentence for the client: `HP-150 ended (expired)`. */
  readonly why: string
  readonly reason: 'expired' | 'revoked' | 'released' | 'voided' | 'account_disabled' | 'token_revoked' | 'cut'
}

export interface RoleSignIn {
  /** With the role and a password for this one sign-in. */
  readonly target: OpenTarget
  /** What looks at the session and ends it. */
  readonly control: OpenTarget
  /** Nobody signs in with that password any more: called once the connection stands. */
  shut(): Promise<void>
}

/** Somebody was turned away before there was a session. */
export interface SignInRefusal {
  /** As the client typed it, exposed and bounded. Never the token. */
  readonly user: string
  /** Whom the name belongs to. */
  readonly principal: Principal | undefined
  /** The token was theirs: what was refused came after. */
  readonly proven: boolean
  readonly refusal: Refusal
  readonly sourceAddress: string
  /** What was asked for, when it could be the name of a resource. */
  readonly resource?: ResourceName
}

/**
 * What a gateway asks of the application. Every method that waits on the store rejects when the store is in
 * doubt; a gateway then holds or refuses and says that it was a failure (I7).
 */
export interface GatewayApp {
  /** The policy in force, at most 2 s old; undefined when it may be older, or cannot be read. Same object until it changes. */
  policy(): Snapshot | undefined
  now(): Instant
  /** Why nobody is served, or nobody on this resource, in words for them: a restored store is not ready yet. */
  notYet(resource?: ResourceName): string | undefined
  verifiers(user: string): Promise<GatewayVerifiers>
  /** The target with its password from wherever the profile says. Refuses with `target_unreachable` and words when the password cannot be had. */
  openTarget(resource: ResourceName): Promise<Result<OpenTarget, 'not_found' | 'target_unreachable'>>

  /** For a session whose `connect` was approved with a role of its own: how to sign in as it, once. */
  signInAs(session: SessionId, grant: GrantId): Promise<Result<RoleSignIn, 'target_unreachable'>>

  /** Records the `connect` decision and the session in one transaction, before anything reaches the target. */
  openSession(input: {
    readonly principal: Principal
    readonly token: string
    readonly resource: ResourceName
    readonly database: string
    readonly client: string
    readonly sourceAddress: string
    readonly decision: Decision
    readonly revision: Snapshot['revision']
  }): Promise<{ readonly session: SessionId; readonly expiresAt?: Instant }>
  /** Written before the first statement may run, so that a crash leaves nobody unaccounted for. */
  attachBackend(session: SessionId, backend: Backend): Promise<void>
  /** Ends the session, its grants and whatever it still waits for. Safe to repeat. */
  closeSession(session: SessionId, why: CloseReason): Promise<void>

  hold(input: HoldInput): Promise<HoldOpened>
  /** The same, asking nobody: undefined when live grants do not meet every requirement. */
  covered(input: HoldInput): Promise<Extract<HoldOpened, { kind: 'covered' }> | undefined>
  /** Resolves once the request has ended one way or the other. Tells what happens meanwhile, each thing once. */
  outcome(request: RequestId, signal: AbortSignal, news?: (news: HoldNews) => void): Promise<HoldOutcome>
  withdraw(request: RequestId, why: string): Promise<void>
  /** Takes the one execution of a `once` grant, or enters a `session` grant; re-decides when the revision moved. `actions` are decided again with `context`. */
  start(request: RequestId, input: { readonly session: SessionId; readonly digest: Digest }): Promise<Started>
  /**
   * The run is over, and so is the transaction that it ran in: what it did is kept (`succeeded`) or not. A run that was
   * done and rolled back with its transaction is `failed` with the SQLSTATE `ROLLED_BACK`; one that something else may
   * have committed before that is `unknown`.
   */
  finish(request: RequestId, result: Done): Promise<void>
  /**
   * Before a transaction is committed: whether every grant that was used in it is still live, by the database's clock
   * and in one transaction of the store. The first that is not, otherwise.
   */
  confirm(session: SessionId, requests: readonly RequestId[]): Promise<Confirmed>

  /** Turned away before there was a session; recorded within a bound, never waited for. */
  signInRefused(input: SignInRefusal): void
  /** A deny by policy, or a refusal by the gateway itself; recorded, never waited for. */
  refused(input: {
    readonly session: SessionId
    readonly principal: Principal
    readonly resource: ResourceName
    readonly actions: readonly Action[]
    readonly decision: Decision
    readonly revision: Snapshot['revision']
  }): void
  /** An allow that waived holds: the exception, recorded before the statement goes. */
  waived(input: {
    readonly session: SessionId
    readonly principal: Principal
    readonly resource: ResourceName
    readonly actions: readonly Action[]
    readonly decision: Extract<Decision, { outcome: 'allow' }>
    readonly revision: Snapshot['revision']
  }): Promise<void>
  /** Into the statement record, in the background. */
  record(entry: StatementEntry): void
  /** Resolves when everything that `record` was given so far is in the store, however long that takes; rejects when a line was lost. */
  recorded(): Promise<void>

  /** `cut` is called when a grant that this session used has ended, the session's own time is up, or somebody cut it. Returns the way to stop. */
  onCut(session: SessionId, cut: (order: CutOrder) => void): () => void
}
