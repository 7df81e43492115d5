import type { PrincipalId, RequestId, ResourceName, Revision, TokenId, TeamName } from '../domain/ids.ts'
import type { Decision } from '../domain/policy/decision.ts'
import type { RowCap } from '../domain/policy/row-cap.ts'
import type { Principal, PrincipalKind, Role } from '../domain/principal.ts'
import type { Profile, Team } from '../domain/profile/profile.ts'
import type { Grant } from '../domain/grant/grant.ts'
import type { TileAt } from '../domain/ledger/tiles.ts'
import type { AccessRequest, RequestState } from '../domain/request/request.ts'
import type { Session, StatementEntry } from '../domain/session/session.ts'
import type { Instant, Millis } from '../domain/time.ts'
import type { NamedVerb } from '../domain/verb.ts'
import type { ReviewAfterwards } from '../domain/request/divergence.ts'
import type { Execution } from './ports/requests.ts'
import type { JobState, JobView, QueueName } from './ports/jobs.ts'
import type { Delegation } from './ports/waiting.ts'
import type { Webhook } from './ports/webhooks.ts'
import type { LedgerEntry } from './ports/ledger.ts'
import type { RecordedEntry } from './ports/store.ts'
import type { Refusal } from './refusals.ts'
import type { Result } from './result.ts'
import type { GrantRole, Inventory, Leftover } from './ports/roles.ts'

/** What a token may be used for. A person who signed in has all that their roles permit. */
export const TOKEN_SCOPES = ['all', 'read', 'request', 'review', 'policy', 'gateway'] as const
export type TokenScope = (typeof TOKEN_SCOPES)[number]

/** Who calls, as proven by a token. */
export interface Caller {
  readonly principal: Principal
  readonly token: TokenId
  readonly scopes: readonly TokenScope[]
  readonly sourceAddress: string
}

export interface TokenInfo {
  readonly id: TokenId
  readonly principal: PrincipalId
  readonly kind: 'sign_in' | 'api' | 'gateway'
  readonly scopes: readonly TokenScope[]
  readonly label: string
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly lastUsedAt?: Instant
}
/** The text is shown once and kept only as a hash. */
export interface NewToken extends TokenInfo {
  readonly text: string
}

/** One file of a set of documents, as the person has it. */
export interface DocumentFile {
  readonly path: string
  readonly text: string
}
/** An error or a lint in a file. Lines and columns count from 1. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly path?: string
  readonly line?: number
  readonly column?: number
}
export interface DocumentChange {
  readonly kind: string
  readonly name: string
  readonly change: 'added' | 'changed' | 'removed'
  /** `classification: internal → restricted`, one field a line. */
  readonly fields: readonly { readonly path: string; readonly before?: string; readonly after?: string }[]
}
export interface Difference {
  readonly base: Revision
  readonly changes: readonly DocumentChange[]
  readonly findings: readonly Finding[]
}
export type Applied =
  | { readonly kind: 'unchanged'; readonly revision: Revision }
  /** In force. `notes` are sentences for the person, as J18 wants them: reachable, type inferred, incomplete, the client line. */
  | {
      readonly kind: 'applied'
      readonly revision: Revision
      readonly difference: Difference
      readonly notes: readonly string[]
    }
  /** A second person must agree first. */
  | { readonly kind: 'held'; readonly request: RequestId; readonly difference: Difference }

export interface TestOutcome {
  readonly name: string
  readonly path?: string
  readonly line?: number
  readonly passed: boolean
  /** What differed, one line each. */
  readonly differences: readonly string[]
}

/** What `explain` shows; the same decide as enforcement, with a trace. */
export interface Explained {
  /** The strongest of them. */
  readonly verb: string
  readonly verbs: readonly string[]
  readonly decision: Decision['outcome']
  readonly rules: readonly string[]
  /** `1 of team payments (mia, dev)` in data. */
  readonly reviews: readonly { readonly key: string; readonly count: number; readonly people: readonly string[] }[]
  readonly cause: string
  readonly message?: string
  readonly trace: readonly RuleTrace[]
  /** The nearest change that would flip the outcome, in words. */
  readonly flip?: string
  /** What was given, or what the target's planner guessed; absent where no rule reads it. */
  readonly estimate?: { readonly rows: number; readonly cost: number }
  /** How many rows an approved statement may touch. */
  readonly rowCap?: RowCap
  /** Rows that one run may return before it is an export. */
  readonly rowsAtMost?: number
  readonly revision: Revision
}
export interface RuleTrace {
  readonly rule: string
  readonly effect: 'deny' | 'hold' | 'allow'
  readonly matched: boolean
  readonly path?: string
  readonly line?: number
  readonly clauses: readonly { readonly text: string; readonly holds: boolean; readonly saw: string }[]
  readonly failed?: string
}
export interface ExplainInput {
  readonly as: string
  readonly on: string
  readonly sql?: string
  readonly verb?: string
  readonly estimate?: { readonly rows: number; readonly cost?: number }
  /** Milliseconds since the epoch; now when left out. */
  readonly at?: number
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Give it back to go on; absent at the end. Opaque and signed: another query's cursor is refused. */
  readonly next?: string
}
export interface RequestFilter {
  readonly state?: RequestState
  readonly resource?: ResourceName
  readonly requester?: PrincipalId
  readonly cursor?: string
  readonly limit?: number
}
/** A request as one reader may see it, with what they may do and why not. */
export interface RequestView {
  readonly request: AccessRequest
  readonly grant?: Grant
  /** Its one run, beside what was approved; once it has begun. */
  readonly execution?: Execution
  readonly afterwards?: ReviewAfterwards
  readonly url: string
  /** The reader may know that it exists and how it stands, not what it says (the access table's `metadata`): the edge leaves out subject, reason and words. */
  readonly metadataOnly?: true
  /** Why those who may answer it can never meet what it needs, in one sentence; only while it is pending. */
  readonly unanswerable?: string
  readonly may: Readonly<
    Record<'approve' | 'deny' | 'withdraw' | 'retry' | 'extend' | 'done' | 'revoke' | 'acknowledge', true | Refusal>
  >
}
export interface ResourceView {
  readonly profile: Profile
  readonly openGrants: number
  readonly pendingRequests: number
  /** How to connect with the client people already have. */
  readonly clientLine: string
  /** A difference between what the profile says and what was found, in sentences. */
  readonly warnings: readonly string[]
}
/** How Holdpoint would be given an account of its own on a target. */
export interface TargetSetup {
  readonly role: string
  readonly verbs: readonly NamedVerb[]
  /** For psql. Never holds a password. */
  readonly sql: string
  /** What is wrong with the account in use, or why that could not be looked at, in sentences. */
  readonly notes: readonly string[]
}
/** How far the ledger is. */
export interface LedgerStatus {
  readonly origin: string
  /** Note verifier keys, oldest first. An auditor has them from elsewhere. */
  readonly keys: readonly string[]
  readonly newest?: { readonly size: number; readonly at: Instant; readonly note: string }
  /** Entries that no checkpoint covers yet. */
  readonly waiting: number
  /** The newest of each witness. */
  readonly cosigned: readonly { readonly witness: string; readonly size: number; readonly at: Instant }[]
}
/** An entry and the way from it to a checkpoint. */
export interface EntryProof extends LedgerEntry {
  readonly size: number
  readonly checkpoint: string
  /** RFC 6962, section 2.1.1. */
  readonly proof: readonly Uint8Array[]
}
type WriteResult<T> = Promise<Result<T>>

/** Everything the API, the CLI and the demo can ask for. One use case a file in this folder; `createApp` puts them together. */
/** To sign in to a target with, past the gateway. */
export interface GivenCredential {
  readonly user: string
  readonly password: string
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sslmode: string
  readonly until: Instant
}

export interface App {
  // People (app/people/)
  setupNeeded(): Promise<boolean>
  setup(input: {
    readonly code: string
    readonly name: string
    readonly displayName?: string
    readonly password: string
    readonly sourceAddress: string
  }): WriteResult<NewToken>
  signIn(input: {
    readonly name: string
    readonly password: string
    readonly sourceAddress: string
  }): WriteResult<NewToken>
  signOut(caller: Caller): Promise<void>
  /** Undefined for a token that is wrong, expired, revoked, or whose owner is disabled. */
  authenticate(token: string, sourceAddress: string): Promise<Caller | undefined>
  listPeople(caller: Caller): WriteResult<readonly (Principal & { readonly teams: readonly TeamName[] })[]>
  createPerson(
    caller: Caller,
    input: {
      readonly name: string
      readonly kind: PrincipalKind
      readonly displayName?: string
      readonly roles: readonly Role[]
      readonly sponsor?: string
      readonly password?: string
    },
  ): WriteResult<Principal>
  updatePerson(
    caller: Caller,
    name: string,
    input: {
      readonly displayName?: string
      readonly roles?: readonly Role[]
      readonly disabled?: boolean
      readonly password?: string
      /** To change one's own password, when one has one. */
      readonly currentPassword?: string
    },
  ): WriteResult<Principal>
  listTokens(caller: Caller): WriteResult<readonly TokenInfo[]>
  /** For oneself; an admin may make one for a `service` or `agent`. A gateway token lives at most 12 h. */
  issueToken(
    caller: Caller,
    input: {
      readonly kind: 'api' | 'gateway'
      readonly scopes?: readonly TokenScope[]
      readonly label?: string
      readonly lifetime?: Millis
      readonly for?: string
    },
  ): WriteResult<NewToken>
  revokeToken(caller: Caller, id: string): WriteResult<void>
  setSecret(caller: Caller, name: string, value: string): WriteResult<void>
  listSecrets(caller: Caller): WriteResult<readonly { readonly name: string; readonly updatedAt: Instant }[]>
  deleteSecret(caller: Caller, name: string): WriteResult<void>

  // Documents (app/documents/)
  diffDocuments(
    caller: Caller,
    files: readonly DocumentFile[],
    options: { readonly prune: boolean },
  ): WriteResult<Difference>
  /** `prune` removes what the files do not name. `base` refuses when another revision is in force. */
  applyDocuments(
    caller: Caller,
    files: readonly DocumentFile[],
    options: { readonly prune: boolean; readonly base?: Revision; readonly reason?: string },
  ): WriteResult<Applied>
  checkDocuments(caller: Caller, files: readonly DocumentFile[] | undefined): WriteResult<readonly Finding[]>
  testDocuments(caller: Caller, files: readonly DocumentFile[] | undefined): WriteResult<readonly TestOutcome[]>
  explain(caller: Caller, input: ExplainInput): WriteResult<Explained>
  /** One answer a question, in their order. */
  explainAll(caller: Caller, inputs: readonly ExplainInput[]): Promise<readonly Result<Explained>[]>
  explainRequest(caller: Caller, id: string): WriteResult<Explained>
  listRevisions(
    caller: Caller,
    cursor?: string,
  ): WriteResult<
    Page<{
      readonly revision: Revision
      readonly at: Instant
      readonly by: string
      readonly summary: readonly string[]
    }>
  >
  exportDocuments(
    caller: Caller,
    revision?: Revision,
  ): WriteResult<{ readonly revision: Revision; readonly documents: readonly Readonly<Record<string, unknown>>[] }>
  listResources(caller: Caller): WriteResult<readonly ResourceView[]>
  getResource(caller: Caller, name: string): WriteResult<ResourceView>
  /** SQL that makes a role for Holdpoint with what `verbs` need; what the profile's owners decide about when left out. */
  getTargetSetup(caller: Caller, name: string, verbs?: readonly NamedVerb[]): WriteResult<TargetSetup>
  listTeams(caller: Caller): WriteResult<readonly Team[]>
  /** Roles on targets that no grant stands for, as last seen; and ours that are not seen gone yet. */
  listLeftovers(caller: Caller): WriteResult<{
    readonly leftovers: readonly Leftover[]
    readonly inventories: readonly Inventory[]
    readonly removing: readonly GrantRole[]
  }>
  revokeLeftover(caller: Caller, resource: string, role: string, input: { readonly reason: string }): WriteResult<void>
  /** Ours from now on, and removed when its time is up. */
  adoptLeftover(
    caller: Caller,
    resource: string,
    role: string,
    input: { readonly reason: string; readonly length: Millis },
  ): WriteResult<void>
  ignoreLeftover(caller: Caller, resource: string, role: string, input: { readonly reason: string }): WriteResult<void>

  // Requests (app/requests/)
  requestWindow(
    caller: Caller,
    input: {
      readonly resource: string
      readonly verbs: readonly NamedVerb[]
      readonly length: Millis
      readonly reason?: string
      /** To be given a credential for the role of the grant, where the profile allows it. */
      readonly credential?: boolean
    },
  ): WriteResult<RequestView>
  /** The credential of a window that was approved with one: once, to who asked for it. */
  giveCredential(caller: Caller, id: string): WriteResult<GivenCredential>
  listRequests(caller: Caller, filter: RequestFilter): WriteResult<Page<RequestView>>
  getRequest(caller: Caller, id: string): WriteResult<RequestView>
  /** Pending requests that wait for the caller, oldest deadline first; then those of their own. */
  inbox(caller: Caller): WriteResult<{
    readonly needsMe: readonly RequestView[]
    readonly waiting: readonly RequestView[]
    readonly granted: readonly RequestView[]
    /** What was done otherwise than the caller approved, until somebody has looked; the earliest due first. */
    readonly afterwards: readonly RequestView[]
  }>
  review(
    caller: Caller,
    id: string,
    input: {
      readonly verdict: 'approve' | 'deny'
      readonly digest: string
      readonly words?: string
      readonly atMost?: Millis
      readonly rowsAtMost?: number
    },
  ): WriteResult<RequestView>
  /** Somebody who approved has looked at what was done otherwise than approved, and says so in words. */
  acknowledge(caller: Caller, id: string, input: { readonly words: string }): WriteResult<RequestView>
  /** Somebody else answers in the caller's place; `requests` that wait for the caller now were handed on. */
  delegate(
    caller: Caller,
    input: { readonly to: string; readonly until: number },
  ): WriteResult<Omit<Delegation, 'number'> & { readonly requests: number }>
  endDelegation(caller: Caller): WriteResult<void>
  /** In force. */
  listDelegations(caller: Caller): WriteResult<readonly Omit<Delegation, 'number'>[]>
  withdrawRequest(caller: Caller, id: string): WriteResult<RequestView>
  retryRequest(caller: Caller, id: string): WriteResult<RequestView>
  extendGrant(
    caller: Caller,
    id: string,
    input: { readonly length: Millis; readonly reason?: string },
  ): WriteResult<RequestView>
  /** The holder ends it. */
  releaseGrant(caller: Caller, id: string): WriteResult<RequestView>
  /** Somebody else ends it early. */
  revokeGrant(caller: Caller, id: string, input: { readonly words?: string }): WriteResult<RequestView>
  listSessions(
    caller: Caller,
    filter: { readonly open?: boolean; readonly resource?: string; readonly cursor?: string; readonly limit?: number },
  ): WriteResult<Page<Session>>
  listStatements(
    caller: Caller,
    session: string,
    filter: { readonly cursor?: string; readonly limit?: number },
  ): WriteResult<Page<StatementEntry>>
  /** What ran in a session, from its beginning; `after` is how long after that each statement came. */
  replaySession(
    caller: Caller,
    session: string,
    filter: { readonly cursor?: string; readonly limit?: number },
  ): WriteResult<Page<StatementEntry & { readonly after: Millis }> & { readonly session: Session }>
  cutSession(caller: Caller, session: string): WriteResult<void>

  // The record (app/record/)
  /**
   * Oldest first, only what the caller may see. A cursor, of a page or of an entry, is signed: good for this caller and
   * these filters, to list and to follow. Any other is `invalid_input`.
   */
  listEntries(
    caller: Caller,
    filter: {
      readonly after?: string
      readonly resource?: string
      readonly subject?: string
      readonly limit?: number
      /** So many of the newest, oldest first among them; instead of `after` and `limit`. */
      readonly last?: number
    },
  ): WriteResult<{ readonly items: readonly RecordedEntry[]; readonly cursor?: string }>
  /** Where following begins: every entry that comes from now on stands after it. */
  settledCursor(caller: Caller, filter?: { readonly resource?: string }): WriteResult<string>
  /**
   * Entries as they come, for server-sent events; ends when `signal` aborts. Throws for a cursor that `listEntries` refuses.
   */
  followEntries(
    caller: Caller,
    filter: { readonly after: string; readonly resource?: string },
    signal: AbortSignal,
  ): AsyncIterable<RecordedEntry>
  /** A refusal worth recording (the access table): never throws, never waits. */
  recordRefusal(
    caller: Caller | undefined,
    input: { readonly what: string; readonly refusal: Refusal; readonly sourceAddress: string },
  ): void

  // The ledger (app/ledger/)
  /** A signed note with its cosignatures; undefined before there is one. Public: it says a size and a hash. */
  ledgerCheckpoint(of: 'newest' | 'newest cosigned'): Promise<string | undefined>
  /** Hashes, below the newest checkpoint; undefined beyond. Public: they say nothing of what was hashed. */
  ledgerTile(at: TileAt): Promise<Uint8Array | undefined>
  /** The leaves below a tile of level 0 (C2SP tlog-tiles), for those who may read the whole record. */
  ledgerBundle(caller: Caller, at: Pick<TileAt, 'index' | 'width'>): WriteResult<Uint8Array>
  /**
   * What those leaves are bound to, for the same: one JSON value a line, `{"salt","body"}` in base64, or null where it was
   * erased. What the verifier reads.
   */
  ledgerBodies(caller: Caller, at: Pick<TileAt, 'index' | 'width'>): WriteResult<string>
  /** Older checkpoints than the newest, after a size: one signed note a line, as a JSON string. Public, as they are. */
  ledgerCheckpoints(after: number): Promise<string>
  /** Verifier keys that sign or have signed, one a line. Public. */
  ledgerKeys(): Promise<string>
  ledgerStatus(caller: Caller): WriteResult<LedgerStatus>
  proveEntry(caller: Caller, index: number): WriteResult<EntryProof>
  proveConsistency(
    caller: Caller,
    sizes: { readonly from: number; readonly to: number },
  ): WriteResult<readonly Uint8Array[]>
  /** `left` had no body any more, or are no entries. */
  eraseBodies(
    caller: Caller,
    input: { readonly indexes: readonly number[]; readonly words: string },
  ): WriteResult<{ readonly erased: readonly number[]; readonly left: readonly number[] }>

  // What is done later (app/jobs/), and who is told of it (app/webhooks/)
  /** Newest first. */
  listJobs(
    caller: Caller,
    filter: {
      readonly state?: JobState
      readonly queue?: QueueName
      readonly webhook?: string
      readonly limit?: number
    },
  ): WriteResult<readonly JobView[]>
  /** One more attempt at what has failed. */
  retryJob(caller: Caller, id: string): WriteResult<JobView>
  /** The secret is in this answer and nowhere else. All events when none are named. */
  createWebhook(
    caller: Caller,
    input: { readonly name: string; readonly url: string; readonly events?: readonly string[] },
  ): WriteResult<Webhook & { readonly secret: string }>
  listWebhooks(caller: Caller): WriteResult<readonly Webhook[]>
  deleteWebhook(caller: Caller, name: string): WriteResult<void>
  /** Sends an event that says nothing; how it went is among the jobs. */
  testWebhook(caller: Caller, name: string): WriteResult<{ readonly event: string }>

  readiness(): Promise<{
    readonly ready: boolean
    readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail?: string }[]
  }>
}
