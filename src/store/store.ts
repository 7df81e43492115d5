import type { Clock } from '../app/ports/clock.ts'
import type { Aggregates, Store } from '../app/ports/store.ts'
import type { Tx } from '../app/ports/store.ts'
import type { Instant } from '../domain/time.ts'
import { instant } from '../domain/time.ts'
import type { Database, Executor, Held } from './database.ts'
import { isAnswer } from './database.ts'
import { documentStore } from './documents.ts'
import { jobQueue } from './jobs.ts'
import { ledgerStore } from './ledger.ts'
import { peopleStore } from './people.ts'
import { recordReader, recordWriter } from './record.ts'
import { createRequestStore } from './requests-store.ts'
import { roleStore } from './roles.ts'
import { restorationStore } from './restorations.ts'
import { secretStore } from './secrets.ts'
import { waitingStore } from './waiting.ts'
import { webhookStore } from './webhooks.ts'

/** One object an aggregate, on the pool or in a transaction. A new aggregate adds its line here. */
const aggregates = (executor: Executor): Aggregates => ({
  people: peopleStore(executor),
  secrets: secretStore(executor),
  requests: createRequestStore(executor),
  waiting: waitingStore(executor),
  webhooks: webhookStore(executor),
  roles: roleStore(executor),
  documents: documentStore(executor),
  ledger: ledgerStore(executor),
  restorations: restorationStore(executor),
})

/** Attempts at one transaction before a conflict with others becomes a fault. */
const ATTEMPTS = 8
/** serialization_failure, deadlock_detected: nothing was changed, and the same work may succeed now. */
const RETRIED = new Set(['40001', '40P01'])

/**
 * The store over a migrated database. `tell` is given the subjects of each transaction's entries after its commit;
 * a transaction's time is never before `clock`, so a deadline that this process saw pass has passed in it too.
 */
export function createStore(
  database: Database,
  tell: (subjects: Iterable<string>) => void,
  clock: Pick<Clock, 'now'>,
): Store {
  return {
    ...aggregates(database.executor),
    recorded: recordReader(database.executor),
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        const subjects = new Set<string>()
        try {
          const value = await transact(database, clock, subjects, work)
          if (subjects.size > 0) tell(subjects)
          return value
        } catch (error) {
          if (attempt === ATTEMPTS || !isAnswer(error) || !RETRIED.has(error.code ?? '')) throw error
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * 2 ** attempt))
        }
      }
    },
  }
}

/**
 * One attempt at a transaction. Notes in `subjects` whom to wake when it is committed.
 * @param on for the one transaction that settles what a failover means. @throws TimelineChanged for any other, until then.
 */
export async function transact<T>(
  database: Database,
  clock: Pick<Clock, 'now'>,
  subjects: Set<string>,
  work: (tx: Tx, executor: Executor) => Promise<T>,
  on: 'the known timeline' | 'any timeline' = 'the known timeline',
): Promise<T> {
  const held = await database.hold()
  let settled = false
  try {
    const { now, timeline } = await begin(held, clock)
    if (timeline !== null && on === 'the known timeline') throw new TimelineChanged()
    const value = await work(
      {
        ...aggregates(held.executor),
        record: recordWriter(held.executor, now, subjects),
        jobs: jobQueue(held.executor, now),
        now,
      },
      held.executor,
    )
    // Dies here or during COMMIT: PostgreSQL decides alone, and the caller learns that it failed. Whoever asks again
    // finds the one state or the other, never half of one.
    const { command } = await held.client.query('COMMIT')
    // What PostgreSQL answers when a statement failed and `work` swallowed the error: nothing was changed.
    if (command !== 'COMMIT') throw new Error('a statement of this transaction had failed; it was rolled back')
    settled = true
    return value
  } catch (error) {
    settled = await rolledBack(held)
    throw error
  } finally {
    held.release(!settled)
  }
}

/** Another server has taken over the database, and nobody has made sure yet of what it holds (I7). Transient. */
class TimelineChanged extends Error {
  override readonly name = 'TimelineChanged'
  constructor() {
    super('another server has taken over the database; nothing is decided before what was open has been ended')
  }
}

/** One round trip: the transaction begins, and learns its time and whether the server is the known one. */
async function begin(
  { client }: Held,
  clock: Pick<Clock, 'now'>,
): Promise<{ readonly now: Instant; readonly timeline: string | null }> {
  const results = (await client.query(
    `BEGIN; SELECT greatest(holdpoint_now(), ${clock.now()}) AS now, new_timeline() AS timeline`,
  )) as unknown as readonly {
    rows: readonly { now: number; timeline: string | null }[]
  }[]
  const row = results[1]?.rows[0]
  if (row === undefined) throw new Error('the clock has no row')
  return { now: instant(row.now), timeline: row.timeline }
}

async function rolledBack({ client }: Held): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}
