import type { Entry } from '../../domain/ledger/entry.ts'
import type { Instant } from '../../domain/time.ts'
import type { LedgerStore, Position } from './ledger.ts'
import type { DocumentStore } from './documents.ts'
import type { JobQueue } from './jobs.ts'
import type { PeopleStore } from './people.ts'
import type { RequestStore, Sight } from './requests.ts'
import type { RoleStore } from './roles.ts'
import type { RestorationStore } from './restorations.ts'
import type { SecretStore } from './secrets.ts'
import type { WaitingStore } from './waiting.ts'
import type { WebhookStore } from './webhooks.ts'

/** Appends to the record. Only inside a transaction: a change of state and its entry stand or fall together. */
export interface RecordWriter {
  /** The entry's place, for `Ledger.covered` once the transaction has committed. */
  append(entry: Entry): Promise<Position>
}

/** A page of recorded entries in commit order. `cursor` is opaque, ordered, and never skips a later commit. */
export interface RecordedEntry extends Entry {
  readonly cursor: string
  readonly at: Instant
  /** In the ledger, once it has a place there. */
  readonly index?: number
}
/** What to read of the record. Every part that is given must hold. */
export interface RecordFilter {
  readonly resource?: string
  readonly subject?: string
  readonly kinds?: readonly string[]
  /** Whose eyes it is read with; everything when left out. */
  readonly sight?: Sight
  /** A cursor that `settled` gave: only what stands before it. The newest that is settled when left out. */
  readonly before?: string
}
export interface RecordReader {
  /** Entries after `cursor` (from the start when undefined), oldest first. Throws RangeError for a cursor that never was one. */
  after(cursor: string | undefined, limit: number, filter?: RecordFilter): Promise<readonly RecordedEntry[]>
  /** The newest that are settled, oldest first among them. */
  last(limit: number, filter?: RecordFilter): Promise<readonly RecordedEntry[]>
  /** Where the record is settled up to now: nothing can appear before this cursor any more, and all that comes stands after it. */
  settled(): Promise<string>
}

export interface Aggregates {
  readonly people: PeopleStore
  readonly documents: DocumentStore
  readonly requests: RequestStore
  readonly waiting: WaitingStore
  readonly webhooks: WebhookStore
  readonly roles: RoleStore
  readonly secrets: SecretStore
  readonly ledger: LedgerStore
  readonly restorations: RestorationStore
}

export interface Tx extends Aggregates {
  readonly record: RecordWriter
  /** What is to be done later because of this transaction. */
  readonly jobs: JobQueue
  /** The database's time, never before the highest time recorded. The same for the whole transaction. */
  readonly now: Instant
}

export interface Store extends Aggregates {
  readonly recorded: RecordReader
  /** All or nothing. Retried on serialisation failures and deadlocks, so `work` may run again. Wakes the subjects of its entries after the commit. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}
