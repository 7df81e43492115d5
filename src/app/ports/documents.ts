import type { PrincipalId, RequestId, Revision } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'

/** One document as it is kept: what was written, as data, and where it stood in a file. */
export interface StoredDocument {
  readonly kind: string
  readonly name: string
  readonly body: Readonly<Record<string, unknown>>
  readonly path?: string
  readonly line?: number
  /** The revision in which it became what it is. */
  readonly since: Revision
}
export type NewDocument = Omit<StoredDocument, 'since'>

/** What one revision changes. */
export interface DocumentChanges {
  readonly put: readonly NewDocument[]
  readonly remove: readonly { readonly kind: string; readonly name: string }[]
}

export interface RevisionInfo {
  readonly revision: Revision
  readonly at: Instant
  readonly by: PrincipalId
  /** One line a change. */
  readonly summary: readonly string[]
  /** Nobody else agreed: there was only one administrator. */
  readonly unreviewed: boolean
  readonly reason?: string
  /** The request that a second person agreed to. */
  readonly request?: RequestId
}

/** A change that waits for a second person, kept with its request. */
export interface Proposal {
  readonly base: Revision
  readonly changes: DocumentChanges
}

/** Resources, rules, teams, tests, settings, with every revision. Nothing is ever overwritten. */
export interface DocumentStore {
  /** The revision in force; 0 before the first. */
  currentRevision(): Promise<Revision>
  /** The same, and nobody else makes one before this transaction ends. */
  lockRevision(): Promise<Revision>
  /** The whole set at a revision, by kind and name; empty for 0. The same for ever. */
  documentsAt(revision: Revision): Promise<readonly StoredDocument[]>
  /** Inside the transaction that holds the lock; `revision` is the one after the current. */
  insertRevision(info: RevisionInfo, changes: DocumentChanges): Promise<void>
  findRevision(revision: Revision): Promise<RevisionInfo | undefined>
  /** Newest first, only those before `before`. */
  listRevisions(before: Revision | undefined, limit: number): Promise<readonly RevisionInfo[]>
  insertProposal(request: RequestId, proposal: Proposal): Promise<void>
  findProposal(request: RequestId): Promise<Proposal | undefined>
}
