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
import { secretStore } from './secrets.ts'

/** One object an aggregate, on the pool or in a transaction. A new aggregate adds its line here. */
const aggregates = (executor: Executor): Aggregates => ({
  people: peopleStore(executor),
  secrets: secretStore(executor),
  requests: createRequestStore(executor),
  documents: documentStore(executor),
  ledger: ledgerStore(executor),
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
          const value = await once(database, clock, work, subjects)
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

async function once<T>(
  database: Database,
  clock: Pick<Clock, 'now'>,
  work: (tx: Tx) => Promise<T>,
  subjects: Set<string>,
): Promise<T> {
  const held = await database.hold()
  let settled = false
  try {
    const now = await begin(held, clock)
    const value = await work({
      ...aggregates(held.executor),
      record: recordWriter(held.executor, now, subjects),
      jobs: jobQueue(held.executor, now),
      now,
    })
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

/** One round trip: the transaction begins and learns its time. */
async function begin({ client }: Held, clock: Pick<Clock, 'now'>): Promise<Instant> {
  const results = (await client.query(
    `BEGIN; SELECT greatest(holdpoint_now(), ${clock.now()}) AS now`,
  )) as unknown as readonly {
    rows: readonly { now: number }[]
  }[]
  const now = results[1]?.rows[0]?.now
  if (now === undefined) throw new Error('the clock has no row')
  return instant(now)
}

async function rolledBack({ client }: Held): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}
