import type { Entry } from '../../../src/domain/ledger/entry.ts'
import type { Grant } from '../../../src/domain/grant/grant.ts'
import type { Revision } from '../../../src/domain/ids.ts'
import type { Execution } from '../../../src/app/ports/requests.ts'
import type { RevisionInfo } from '../../../src/app/ports/documents.ts'
import type { SessionRecord } from '../../../src/app/ports/requests.ts'
import type { Basis } from '../../../src/domain/request/basis.ts'
import type { ReviewAfterwards } from '../../../src/domain/request/divergence.ts'
import type { AccessRequest } from '../../../src/domain/request/request.ts'
import type { Instant } from '../../../src/domain/time.ts'
import { Locks } from './locks.ts'
import type { LockMode } from './locks.ts'

/** The tables, as far as requests, grants and sessions go. A row is never changed, only replaced. */
export interface Tables {
  readonly request: {
    readonly request: AccessRequest
    readonly basis: Basis
    readonly asked: readonly string[]
    readonly checked: number
  }
  readonly grant: { readonly grant: Grant; readonly since?: Instant; readonly checked: number }
  readonly execution: Execution
  readonly afterwards: ReviewAfterwards
  readonly session: SessionRecord & { readonly token: string }
  readonly session_grant: { readonly session: string; readonly grant: string }
  readonly replica: { readonly id: string; readonly heartbeatAt: Instant; readonly endedAt?: Instant }
  readonly token: { readonly id: string; readonly revokedAt?: Instant }
  readonly revision: RevisionInfo
  readonly head: { readonly revision: Revision }
}
export type Table = keyof Tables

/** An entry as it was committed. */
export interface Recorded extends Entry {
  readonly seq: number
  readonly at: Instant
  /** The server's time when its transaction began, and when it was committed. */
  readonly began: number
  readonly committedAt: number
  /** Counts the commits. */
  readonly commit: number
}

type Rows = { readonly [T in Table]: Map<string, Tables[T]> }
const noRows = (): Rows => ({
  request: new Map(),
  grant: new Map(),
  execution: new Map(),
  afterwards: new Map(),
  session: new Map(),
  session_grant: new Map(),
  replica: new Map(),
  token: new Map(),
  revision: new Map(),
  head: new Map(),
})

/** What the SQL raises; `code` as PostgreSQL gives it. */
export class Refused extends Error {
  readonly code: string
  constructor(message: string, code = '23001') {
    super(message)
    this.code = code
  }
}

/**
 * A database in memory that behaves as PostgreSQL does at READ COMMITTED: a statement sees what is committed when it
 * runs and what its own transaction wrote, rows are locked until the end of the transaction, a statement that failed
 * fails its transaction. Every change of a row takes its lock first.
 */
export class MemoryDatabase {
  readonly committed: Rows = noRows()
  readonly record: Recorded[] = []
  readonly locks = new Locks()
  readonly #clock: () => number
  readonly #heard: (entries: readonly Recorded[]) => void
  readonly #sequences = new Map<string, number>()
  #last: { readonly seq: number; readonly at: number } = { seq: 0, at: 0 }
  #commits = 0

  /**
   * @param clock the server's, in ms.
   * @param heard what was recorded, when it is committed.
   */
  constructor(clock: () => number, heard: (entries: readonly Recorded[]) => void = () => undefined) {
    this.#clock = clock
    this.#heard = heard
    this.committed.head.set('', { revision: 0 as Revision })
  }

  /** `holdpoint_now()` */
  now(): number {
    return Math.max(this.#clock(), this.#last.at)
  }
  /** Never taken back, as a sequence's numbers are not. */
  next(sequence: string): number {
    const number = (this.#sequences.get(sequence) ?? 0) + 1
    this.#sequences.set(sequence, number)
    return number
  }
  begin(): Transaction {
    return new Transaction(this, this.#clock())
  }

  /** Called by the transaction. */
  apply(rows: Partial<Rows>, entries: readonly Appended[], began: number): void {
    for (const [table, changed] of Object.entries(rows)) {
      const into: Map<string, unknown> = this.committed[table as Table]
      for (const [key, row] of changed) into.set(key, row)
    }
    this.#commits++
    const now = this.#clock()
    const recorded = entries.map(({ seq, at, entry }): Recorded => ({
      ...entry,
      seq,
      at,
      began,
      committedAt: now,
      commit: this.#commits,
    }))
    this.record.push(...recorded)
    for (const { seq, at } of recorded) if (seq > this.#last.seq) this.#last = { seq, at }
    if (recorded.length > 0) this.#heard(recorded)
  }
}

interface Appended {
  readonly seq: number
  readonly at: Instant
  readonly entry: Entry
}

/** One transaction, of the program or of a single statement. */
export class Transaction {
  readonly #database: MemoryDatabase
  readonly #writes: Partial<Rows> = {}
  readonly #entries: Appended[] = []
  readonly #began: number
  #state: 'open' | 'failed' | 'over' = 'open'

  constructor(database: MemoryDatabase, began: number) {
    this.#database = database
    this.#began = began
  }
  get database(): MemoryDatabase {
    return this.#database
  }
  get state(): 'open' | 'failed' | 'over' {
    return this.#state
  }

  /** Runs one statement; one that fails fails the transaction. */
  async statement<T>(work: (tx: this) => T | Promise<T>): Promise<T> {
    if (this.#state === 'over') throw new Refused('the connection is gone', '57P01')
    if (this.#state === 'failed') throw new Refused('current transaction is aborted', '25P02')
    try {
      return await work(this)
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed'
      throw error
    }
  }

  get<T extends Table>(table: T, key: string): Tables[T] | undefined {
    return this.#writes[table]?.get(key) ?? this.#database.committed[table].get(key)
  }
  /** In the order in which they were made. */
  all<T extends Table>(table: T): readonly Tables[T][] {
    const committed = this.#database.committed[table]
    const own = this.#writes[table]
    if (own === undefined) return [...committed.values()]
    return [...new Map<string, Tables[T]>([...committed, ...own]).values()]
  }
  /** Waits for the row. Answers it as it is then; undefined, and no wait, when there is none that is to be seen. */
  async lock<T extends Table>(table: T, key: string, mode: LockMode): Promise<Tables[T] | undefined> {
    if (this.get(table, key) === undefined) return undefined
    await this.#database.locks.take(this, `${table} ${key}`, mode)
    return this.get(table, key)
  }
  /** Changes a row as UPDATE does: under its lock, by what it is then. False when there is none. */
  async update<T extends Table>(
    table: T,
    key: string,
    change: (row: Tables[T]) => Tables[T] | undefined,
  ): Promise<boolean> {
    const before = this.get(table, key)
    // What does not match is not waited for; what matches is looked at again behind the wait.
    if (before === undefined || change(before) === undefined) return false
    const row = await this.lock(table, key, 'no key update')
    const changed = row && change(row)
    if (changed === undefined) return false
    this.#write(table, key, changed)
    return true
  }
  /** False when the key is taken; waits for whoever is about to take it. */
  async insert<T extends Table>(table: T, key: string, row: Tables[T]): Promise<boolean> {
    if (this.get(table, key) !== undefined) return false
    await this.#database.locks.take(this, `${table} ${key}`, 'update')
    if (this.get(table, key) !== undefined) return false
    this.#write(table, key, row)
    return true
  }
  /** A foreign key: the row must be there, and stays. */
  async refers(table: Table, key: string): Promise<void> {
    if ((await this.lock(table, key, 'key share')) === undefined)
      throw new Refused(`there is no ${table} ${key}`, '23503')
  }
  append(entry: Entry, at: Instant): number {
    const seq = this.#database.next('record')
    this.#entries.push({ seq, at, entry })
    return seq
  }

  commit(): void {
    if (this.#state === 'over') throw new Refused('the connection is gone', '57P01')
    if (this.#state === 'failed') {
      this.rollback()
      throw new Error('a statement of this transaction had failed; it was rolled back')
    }
    this.#state = 'over'
    this.#database.apply(this.#writes, this.#entries, this.#began)
    this.#database.locks.release(this)
  }
  rollback(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#database.locks.release(this, new Refused('the connection is gone', '57P01'))
  }

  #write<T extends Table>(table: T, key: string, row: Tables[T]): void {
    const rows = (this.#writes[table] ??= new Map() as Rows[T])
    ;(rows as Map<string, unknown>).set(key, row)
  }
}
