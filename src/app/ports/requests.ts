import type { ExecutionState, Grant } from '../../domain/grant/grant.ts'
import type { GrantId, PrincipalId, RequestId, ResourceName, Revision, SessionId } from '../../domain/ids.ts'
import type { Basis } from '../../domain/request/basis.ts'
import type { Done, ReviewAfterwards } from '../../domain/request/divergence.ts'
import type { AccessRequest, RequestState } from '../../domain/request/request.ts'
import type { CredentialSource, PostgresTarget } from '../../domain/profile/profile.ts'
import type { Segment } from '../../domain/session/segment.ts'
import type { Backend, CloseReason, Session, StatementEntry } from '../../domain/session/session.ts'
import type { Instant } from '../../domain/time.ts'
import type { CutOrder } from './gateway.ts'

/** Whose requests somebody may list: all of them, or those that they take part in. */
export type Sight =
  | { readonly kind: 'all' }
  /** Their own, their agents', those they were asked about, and those on resources that they own. */
  | { readonly kind: 'part'; readonly of: PrincipalId; readonly owned: readonly ResourceName[] }

export interface RequestQuery {
  readonly sight: Sight
  readonly state?: RequestState
  readonly resource?: ResourceName
  readonly requester?: PrincipalId
  /** Only those that ask this person. */
  readonly asked?: PrincipalId
  /** Only numbers below this one: newest first. */
  readonly before?: number
  readonly limit: number
}

/** The one run of a request: its state, where, and what came of it. */
export interface Execution {
  readonly request: RequestId
  readonly grant: GrantId
  readonly session?: SessionId
  readonly state: ExecutionState
  /** Once it has ended. */
  readonly done?: Done
}

/** A session as the store knows it: with what only the gateways and the reconciler care about. */
export interface SessionRecord {
  readonly session: Session
  readonly replica: string
  readonly cut?: CutOrder
  /** The server it was opened on; the profile may point elsewhere by now. */
  readonly target: SessionTarget
  /** When a second connection saw that its backend was gone. */
  readonly goneAt?: Instant
}

/** Where a session's backend runs, and where the password for it comes from. Never the password. */
export interface SessionTarget {
  readonly target: PostgresTarget
  readonly credential?: CredentialSource
}

/** A session that must end now, and why. */
export interface SessionToCut {
  readonly session: SessionId
  readonly order: CutOrder
}

/**
 * Requests, reviews, grants, executions, sessions, statements. Everything that changes something is called inside a
 * transaction. `move...` writes a state that a pure transition made; the SQL refuses an illegal one by throwing.
 */
/** A segment in the store: its digest is SHA-256 of its bytes, lower-case hexadecimal. */
export interface KeptSegment extends Omit<Segment, 'body'> {
  readonly digest: string
}

export interface RequestStore {
  nextRequest(): Promise<RequestId>
  nextGrant(): Promise<GrantId>
  nextSession(): Promise<SessionId>

  insertRequest(request: AccessRequest, basis: Basis): Promise<void>
  findRequest(id: RequestId): Promise<AccessRequest | undefined>
  /** The same, and nobody else changes it before this transaction ends. A session is locked before a request, a request before its grant. */
  lockRequest(id: RequestId): Promise<AccessRequest | undefined>
  /** What its decision rests on, for deciding again. */
  basisOf(id: RequestId): Promise<Basis | undefined>
  /** Writes the state, and the reviews that are new. */
  moveRequest(request: AccessRequest): Promise<void>
  /** Newest first. */
  listRequests(query: RequestQuery): Promise<readonly AccessRequest[]>
  pendingOfSession(session: SessionId): Promise<readonly RequestId[]>
  pendingExtensionsOf(grant: GrantId): Promise<readonly RequestId[]>
  /** Pending requests whose time is up. */
  duePending(now: Instant, limit: number): Promise<readonly RequestId[]>
  /** Pending requests that were last decided with an older revision. */
  staleRequests(revision: Revision, limit: number): Promise<readonly RequestId[]>
  /** Notes that it was decided again with the same outcome. */
  noteRequestChecked(id: RequestId, revision: Revision): Promise<void>
  noteGrantChecked(id: GrantId, revision: Revision): Promise<void>
  /** People who opened a request to change documents, or agreed to one, at or after `since`. */
  changersSince(since: Instant): Promise<readonly PrincipalId[]>
  /** Everybody with something open: a session, a live grant, a pending request. */
  activePrincipals(): Promise<readonly PrincipalId[]>

  insertGrant(grant: Grant): Promise<void>
  findGrant(id: GrantId): Promise<Grant | undefined>
  lockGrant(id: GrantId): Promise<Grant | undefined>
  grantsOf(requests: readonly RequestId[]): Promise<readonly Grant[]>
  moveGrant(grant: Grant): Promise<void>
  /** Active ones. Shared locks: none of them ends before this transaction does. */
  liveGrants(principal: PrincipalId, resource: ResourceName): Promise<readonly Grant[]>
  /** `provisioning` and `active` ones bound to the session. */
  openGrantsOfSession(session: SessionId): Promise<readonly GrantId[]>
  openGrantsOfPrincipal(principal: PrincipalId): Promise<readonly GrantId[]>
  pendingOfPrincipal(principal: PrincipalId): Promise<readonly RequestId[]>
  dueGrants(now: Instant, limit: number): Promise<readonly GrantId[]>
  endingGrants(limit: number): Promise<readonly Grant[]>
  /** Live grants of more than one action that were decided with an older revision. */
  staleGrants(revision: Revision, limit: number): Promise<readonly GrantId[]>
  /** When the next pending request or live grant is due. */
  nextDue(): Promise<Instant | undefined>
  openCounts(): Promise<
    readonly { readonly resource: ResourceName; readonly grants: number; readonly pending: number }[]
  >

  insertExecution(request: RequestId, grant: GrantId): Promise<void>
  findExecution(request: RequestId): Promise<Execution | undefined>
  /** `ready` to `started`; false when somebody was first. */
  startExecution(request: RequestId, session: SessionId, now: Instant): Promise<boolean>
  /** From `started`; false when it was not. */
  endExecution(request: RequestId, now: Instant, result: Done): Promise<boolean>
  /** Of several requests, by request. */
  executionsOf(requests: readonly RequestId[]): Promise<readonly Execution[]>

  /** Once a request. */
  insertReviewAfterwards(request: RequestId, owed: ReviewAfterwards): Promise<void>
  reviewsAfterwards(requests: readonly RequestId[]): Promise<ReadonlyMap<RequestId, ReviewAfterwards>>
  /** False when somebody was first. */
  acknowledge(request: RequestId, by: PrincipalId, words: string, now: Instant): Promise<boolean>
  /** Requests that this person should look at afterwards and nobody has; the earliest due first. */
  owedBy(person: PrincipalId, limit: number): Promise<readonly RequestId[]>
  startedOfSession(session: SessionId): Promise<readonly RequestId[]>

  insertSession(
    session: Session,
    of: { readonly token: string; readonly replica: string; readonly target: SessionTarget },
  ): Promise<void>
  findSession(id: SessionId): Promise<SessionRecord | undefined>
  lockSession(id: SessionId): Promise<SessionRecord | undefined>
  attachBackend(id: SessionId, backend: Backend): Promise<void>
  /** The session's own end moves nearer; never further away. */
  boundSession(id: SessionId, expiresAt: Instant): Promise<void>
  closeSession(id: SessionId, why: CloseReason, now: Instant): Promise<void>
  orderCut(id: SessionId, order: CutOrder): Promise<void>
  noteGone(id: SessionId, now: Instant): Promise<void>
  listSessions(query: {
    readonly of?: PrincipalId
    readonly owned?: readonly ResourceName[]
    readonly open?: boolean
    readonly resource?: ResourceName
    readonly before?: number
    readonly limit: number
  }): Promise<readonly Session[]>
  /** Whether the person was asked about any request of the session. */
  wasAsked(session: SessionId, person: PrincipalId): Promise<boolean>
  openSessionsOfPrincipal(principal: PrincipalId): Promise<readonly SessionId[]>
  /** Open ones, not ordered to end yet, whose token was revoked before this moment. One that merely expired bounds signing in, not a session. */
  sessionsOfRevokedTokens(before: Instant, limit: number): Promise<readonly SessionId[]>
  /** Notes that the session uses the grant: it is cut when the grant ends. */
  enterGrant(session: SessionId, grant: GrantId): Promise<void>
  sessionsOfGrant(grant: GrantId): Promise<readonly SessionRecord[]>
  /** Open sessions of one process that must end: ordered, out of time, or using a grant that ended unfinished. */
  sessionsToCut(replica: string | undefined, now: Instant): Promise<readonly SessionToCut[]>
  /** Closed sessions with a backend that nobody has seen gone yet, where there is reason to look. */
  sessionsLeft(limit: number): Promise<readonly SessionRecord[]>

  /** Those that were not there yet: the same segment may be given again. One of a session that does not exist is left out. */
  insertSegments(segments: readonly Segment[]): Promise<readonly KeptSegment[]>
  /** Lines numbered above `after`, by number. */
  listStatements(session: SessionId, after: number, limit: number): Promise<readonly StatementEntry[]>

  startReplica(id: string, now: Instant, about?: AboutReplica): Promise<void>
  /** False when others have declared this process dead: it must cut everything and begin again under a new name. */
  heartbeat(id: string, now: Instant): Promise<boolean>
  /** Living processes whose last heartbeat is older. */
  silentReplicas(
    before: Instant,
    limit: number,
  ): Promise<readonly { readonly id: string; readonly heartbeatAt: Instant }[]>
  /** Declares it dead; false when it has beaten since, or somebody else was first. */
  endSilentReplica(id: string, heartbeatAt: Instant, now: Instant): Promise<boolean>
  endReplica(id: string, now: Instant): Promise<void>
  /** Every process that lives finds itself declared dead. */
  endAllReplicas(now: Instant): Promise<void>
  /** So many numbers of requests, grants and sessions are never given out. */
  skipNumbers(count: number): Promise<void>
  /** Processes that are not known to be dead, whose last heartbeat is not older. */
  livingReplicas(since: Instant): Promise<readonly (AboutReplica & { readonly id: string })[]>
  openSessionsOfReplica(replica: string, limit: number): Promise<readonly SessionId[]>
  /** Ended processes that still have open sessions: what a crash of the reconciler itself left behind. */
  endedReplicasWithSessions(): Promise<readonly string[]>
}

/** What a server tells its fellows of itself. */
export interface AboutReplica {
  readonly roles: readonly string[]
  /** SHA-256 of the certificate that its gateway shows, when it made that itself. */
  readonly certificate?: string
}
