import type { DocumentStore } from '../../../src/app/ports/documents.ts'
import type { RoleStore } from '../../../src/app/ports/roles.ts'
import type { PeopleStore } from '../../../src/app/ports/people.ts'
import type { RequestStore } from '../../../src/app/ports/requests.ts'
import type { WaitingStore } from '../../../src/app/ports/waiting.ts'
import type { Aggregates, Store, Tx } from '../../../src/app/ports/store.ts'
import { instant } from '../../../src/domain/time.ts'
import type { Instant } from '../../../src/domain/time.ts'
import type { MemoryDatabase, Transaction } from './database.ts'
import { grantRows } from './grants.ts'
import { requestRows } from './requests.ts'
import type { Run } from './requests.ts'
import { sessionRows } from './sessions.ts'

/** The way between one process and the database: where time passes, and where things go wrong. */
export interface Line {
  /**
   * A message is on its way. Resolves when it has arrived, rejects with LineBroke when it never will; what it asks for
   * has not happened on the way there (`ask`), and has on the way back (`answer`).
   */
  trip(leg: 'ask' | 'answer', what: string): Promise<void>
  sleep(ms: number): Promise<void>
  /** This process's clock. */
  now(): Instant
  /** A transaction has begun on this line; called with every one. */
  began(tx: Transaction): void
  /** Subjects of entries that were committed. */
  tell(subjects: ReadonlySet<string>): void
  /** The connection of this transaction broke on the way: the server finds out later. */
  broke(tx: Transaction): void
}

const ATTEMPTS = 8
const RETRIED: ReadonlySet<unknown> = new Set(['40001', '40P01'])

/** The store's contract (app/ports/store.ts) over a database in memory. What the simulated use cases never ask for throws. */
export function memoryStore(database: MemoryDatabase, line: Line): Store {
  const once = async <T>(work: (tx: Tx) => Promise<T>, subjects: Set<string>): Promise<T> => {
    await line.trip('ask', 'begin')
    const tx = database.begin()
    line.began(tx)
    try {
      const now = instant(Math.max(database.now(), line.now()))
      await line.trip('answer', 'begin')
      const value = await work(
        partly<Tx>('', {
          ...aggregates(inside(tx, line)),
          record: {
            append: (entry) =>
              inside(tx, line)(`append ${entry.kind}`, () => {
                subjects.add(entry.subject)
                return tx.append(entry, now) as never
              }),
          },
          // What is done later is not simulated; it is never the only guard of anything.
          jobs: { enqueue: nothing },
          now,
        }),
      )
      await trip(line, 'commit', () => tx.commit())
      return value
    } catch (error) {
      if (tx.state !== 'over') await rollback(tx)
      throw error
    }
  }
  const rollback = async (tx: Transaction): Promise<void> => {
    try {
      await line.trip('ask', 'rollback')
      tx.rollback()
    } catch {
      line.broke(tx)
    }
  }
  return partly<Store>('', {
    ...aggregates(outside(database, line)),
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        const subjects = new Set<string>()
        try {
          const value = await once(work, subjects)
          if (subjects.size > 0) line.tell(subjects)
          return value
        } catch (error) {
          if (attempt === ATTEMPTS || !RETRIED.has((error as { code?: unknown }).code)) throw error
          await line.sleep(5 * 2 ** attempt)
        }
      }
    },
  })
}

/** A statement of an open transaction. */
function inside(tx: Transaction, line: Line): Run {
  return async (what, work) => {
    try {
      return await trip(line, what, () => tx.statement(work))
    } catch (error) {
      if (error instanceof LineBroke) line.broke(tx)
      throw error
    }
  }
}

/** A statement by itself. */
function outside(database: MemoryDatabase, line: Line): Run {
  return (what, work) =>
    trip(line, what, async () => {
      const tx = database.begin()
      line.began(tx)
      try {
        const value = await tx.statement(work)
        tx.commit()
        return value
      } catch (error) {
        tx.rollback()
        throw error
      }
    })
}

/** There and back. What the server refuses comes back as everything does. */
async function trip<T>(line: Line, what: string, work: () => T | Promise<T>): Promise<T> {
  await line.trip('ask', what)
  let answer: { readonly value: T } | { readonly error: unknown }
  try {
    answer = { value: await work() }
  } catch (error) {
    answer = { error }
  }
  await line.trip('answer', what)
  if ('error' in answer) throw answer.error
  return answer.value
}

/** The store did not answer. */
export class LineBroke extends Error {}

function aggregates(run: Run): Pick<Aggregates, 'requests' | 'documents' | 'people' | 'roles' | 'waiting'> {
  const requests: Partial<RequestStore> = {
    ...requestRows(run),
    ...grantRows(run),
    ...sessionRows(run),
    // What ran is asked of the target here, not of the statement record.
    insertSegments: () => Promise.resolve([]),
  }
  return {
    requests: partly('requests', requests),
    documents: partly('documents', documentRows(run)),
    people: partly('people', peopleRows(run)),
    roles: partly('roles', noRoles),
    waiting: partly('waiting', noWaiting),
  }
}

const none = () => Promise.resolve([])
const nothing = () => Promise.resolve()
/** Every resource has a standing account here. */
const noRoles: Partial<RoleStore> = {
  claimRoles: none,
  abandonedRoles: none,
  rolesToProlong: none,
  rolesToRemove: none,
  targetsWithRoles: none,
  signedInAs: () => Promise.resolve(undefined),
}
/** Nobody is away, and nobody is reminded. */
const noWaiting: Partial<WaitingStore> = {
  planSteps: nothing,
  overdueSteps: none,
  delegationsOf: none,
  pendingAsking: none,
}

function documentRows(run: Run): Partial<DocumentStore> {
  return {
    currentRevision: () => run('currentRevision', (tx) => tx.get('head', '')?.revision ?? missing('the head')),
    lockRevision: () =>
      run('lockRevision', async (tx) => (await tx.lock('head', '', 'update'))?.revision ?? missing('the head')),
    insertRevision: (info) =>
      run('insertRevision', async (tx) => {
        await tx.insert('revision', String(info.revision), info)
        await tx.update('head', '', () => ({ revision: info.revision }))
      }),
    listRevisions: (before, limit) =>
      run('listRevisions', (tx) =>
        tx
          .all('revision')
          .filter((one) => before === undefined || one.revision < before)
          .sort((a, b) => b.revision - a.revision)
          .slice(0, limit),
      ),
  }
}

function peopleRows(run: Run): Partial<PeopleStore> {
  return {
    insertToken: (token) =>
      run('insertToken', async (tx) => void (await tx.insert('token', token.id, { id: token.id }))),
    revokeToken: (id, now) =>
      run('revokeToken', async (tx) => {
        await tx.update('token', id, (row) => (row.revokedAt === undefined ? { ...row, revokedAt: now } : undefined))
      }),
  }
}

/** What there is. Anything else throws when it is asked for, so that nothing passes unseen; an aggregate (no `name`) is empty. */
function partly<T extends object>(name: string, there: Partial<T>): T {
  return new Proxy(there, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      // `then` is asked of everything that a promise is resolved with.
      if (found !== undefined || key === 'then') return found
      return name === '' ? EMPTY : missing(`${name}.${String(key)}`)
    },
  }) as T
}
/** What is not simulated: webhooks and the like. There are none. */
const EMPTY = new Proxy({}, { get: () => none })
const missing = (what: string): never => {
  throw new Error(`the simulator has no ${what}`)
}
