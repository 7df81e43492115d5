import type { IdempotencyStore } from '../app/ports/idempotency.ts'
import type { Store } from '../app/ports/store.ts'
import type { Timeline } from '../app/ports/timeline.ts'
import type { StoreClock } from './clock.ts'
import { openClock } from './clock.ts'
import { openDatabase } from './database.ts'
import { idempotencyStore } from './idempotency.ts'
import type { JobBoard } from '../app/ports/jobs.ts'
import { jobBoard } from './jobs.ts'
import { migrate, newestMigration, readMigrations } from './migrate.ts'
import { createStore } from './store.ts'
import { createTimeline } from './timeline.ts'
import type { WakeConnection } from './wake.ts'
import { openWake } from './wake.ts'

export interface OpenStore {
  readonly store: Store
  /** The same store on a few connections of its own, for what must not wait behind everybody: policy, heartbeat, cuts. */
  readonly vital: Store
  readonly clock: StoreClock
  readonly wake: WakeConnection
  readonly idempotency: IdempotencyStore
  readonly jobs: JobBoard
  readonly timeline: Timeline
  /** Whether the store answers, can be heard, and agrees with this machine about the time. */
  readiness(): Promise<readonly { readonly name: string; readonly ok: boolean; readonly detail?: string }[]>
  close(): Promise<void>
}

/** Connections that are kept for `vital`. */
const VITAL = 4

/**
 * Migrates the database, then opens everything that lives in it. Throws SchemaMismatch when a newer Holdpoint was here.
 * @param connections for `store`; the database's own default when left out.
 */
export async function openStore(url: string, log: (message: string) => void, connections?: number): Promise<OpenStore> {
  const known = readMigrations()
  await migrate(url, known)
  const database = openDatabase({ url, log, ...(connections === undefined ? {} : { connections }) })
  const apart = openDatabase({ url, log, connections: VITAL })
  const wake = openWake(url, log)
  let clock: StoreClock
  try {
    clock = await openClock(apart.executor, log)
  } catch (error) {
    await Promise.allSettled([wake.close(), database.close(), apart.close()])
    throw error
  }
  const tell = (subjects: Iterable<string>) => wake.tell(subjects)
  const store = createStore(database, tell, clock)
  return {
    store,
    vital: createStore(apart, tell, clock),
    clock,
    wake,
    idempotency: idempotencyStore(database.executor),
    jobs: jobBoard(database.executor),
    timeline: createTimeline(apart, tell, clock),
    async readiness() {
      const applied = await newestMigration(database.executor).catch(() => undefined)
      return [
        applied === undefined
          ? { name: 'store', ok: false, detail: 'the database does not answer' }
          : { name: 'store', ok: true },
        ...(applied === undefined ? [] : [schemaCheck(applied, known.at(-1)?.number ?? 0)]),
        wake.listening()
          ? { name: 'wake', ok: true }
          : { name: 'wake', ok: false, detail: 'no connection that listens' },
        {
          name: 'clock',
          ...(clock.age() > 2_000
            ? { ok: false, detail: "the database's clock has not been read for 2 s" }
            : clock.check()),
        },
      ]
    },
    async close() {
      await clock.close()
      await wake.close()
      await Promise.all([database.close(), apart.close()])
    },
  }
}

/** A newer program has changed the schema under this one, which may write what that one does not expect. */
const schemaCheck = (applied: number, known: number) =>
  applied <= known
    ? { name: 'schema', ok: true }
    : {
        name: 'schema',
        ok: false,
        detail: `the database was migrated by a newer Holdpoint (to ${applied}); restart with that version`,
      }
