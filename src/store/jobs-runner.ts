import pg from 'pg'
import type { Job, QueueName } from '../app/ports/jobs.ts'
import { connectionOptions } from './database.ts'

/** What does the work. Rejects to have it tried again later; must be safe to repeat. */
export type Workers = {
  readonly [Q in QueueName]: (data: Extract<Job, { queue: Q }>['data'], signal: AbortSignal) => Promise<void>
}

export interface JobRunner {
  /** Waits a moment for what runs; what does not end is done again by somebody else. */
  stop(): Promise<void>
}

interface RunnerOptions {
  readonly url: string
  readonly workers: Workers
  readonly onFault: (what: string, error: unknown) => void
  /** How long to wait between two looks at a queue, in s. */
  readonly every?: number
}

/** What pg-boss may use at once: it asks little, and a worker that waits for it waits a moment. */
const CONNECTIONS = 2
const STATEMENT_MS = 10_000
const GRACE_MS = 2_000
/** How many of a queue one process has in hand. A receiver that does not answer keeps one of them for seconds. */
const AT_ONCE = { 'request-step': 1, delivery: 4 } as const satisfies Record<QueueName, number>
/** Looked after once a second: at pg-boss's default a dead worker's job waited for over 40 s. */
const LOOK_AFTER_S = 1
const DAY_S = 86_400

/**
 * Takes what is due, here, until stopped. Any number of processes may. pg-boss comes in with the first of them: only a
 * process that does the work pays for loading it. Rejects when the schema is not the one it was made for.
 *
 * At least once: a process that sleeps finds, when it wakes, that another has taken its job; both then do the work, and
 * the work's own guard in the store lets one of them have an effect.
 */
export async function startJobRunner({ url, workers, onFault, every = 1 }: RunnerOptions): Promise<JobRunner> {
  const { PgBoss } = await import('pg-boss')
  const pool = new pg.Pool({
    ...connectionOptions(url, 'holdpoint jobs'),
    types: pg.types,
    max: CONNECTIONS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
  })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    schema: 'pgboss',
    migrate: false,
    createSchema: false,
    schedule: false,
    registerInstance: false,
    reindex: false,
    monitorVacuum: false,
    openTelemetry: { enabled: false },
    supervise: true,
    superviseIntervalSeconds: LOOK_AFTER_S,
    monitorIntervalSeconds: LOOK_AFTER_S,
    maintenanceIntervalSeconds: DAY_S / 24,
    flowIntervalSeconds: DAY_S,
  })
  boss.on('error', (error: unknown) => onFault('doing what waits', error))
  const end = async (): Promise<void> => {
    await boss.stop({ graceful: true, timeout: GRACE_MS })
    await pool.end()
  }
  try {
    await boss.start()
    for (const queue of Object.keys(workers) as QueueName[]) {
      const options = { pollingIntervalSeconds: every, localConcurrency: AT_ONCE[queue] }
      await boss.work<Job['data']>(queue, options, async ([job]) => {
        if (job === undefined) return
        const work = workers[queue] as (data: Job['data'], signal: AbortSignal) => Promise<void>
        try {
          await work(job.data, job.signal)
        } catch (error) {
          throw told(error)
        }
      })
    }
  } catch (error) {
    await end()
    throw error
  }
  return { stop: end }
}

/** What is kept of a failure, and shown: its message. An error's own fields may hold what nobody should read. */
function told(error: unknown): Error {
  const failure = new Error(error instanceof Error ? error.message : String(error))
  failure.stack = ''
  return failure
}
