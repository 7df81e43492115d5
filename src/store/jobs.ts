import { sql } from 'kysely'
import type { Job, JobBoard, JobQueue, JobState, JobView, QueueName } from '../app/ports/jobs.ts'
import { QUEUES } from '../app/ports/jobs.ts'
import type { Instant } from '../domain/time.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

/**
 * Enqueues as pg-boss itself would (a test compares the rows), in one statement of the transaction that causes the
 * work: the gateway's processes need nothing else of it. pg-boss counts by the server's own clock, which ours may be
 * ahead of, so what is handed over is how long to wait.
 */
export const jobQueue = (executor: Executor, now: Instant): JobQueue => ({
  async enqueue(jobs) {
    if (jobs.length === 0) return
    const rows = jobs.map(({ queue, data, at = now }) => ({ queue, data, wait: Math.max(0, at - now) }))
    await sql`INSERT INTO pgboss.job (name, data, start_after, created_on, keep_until, expire_seconds, deletion_seconds,
        retry_limit, retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds)
      SELECT q.name, j.data, pgboss.job_now() + j.wait * interval '1 ms', pgboss.job_now(),
        pgboss.job_now() + j.wait * interval '1 ms' + q.retention_seconds * interval '1 s', q.expire_seconds,
        q.deletion_seconds, q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy, q.dead_letter,
        q.heartbeat_seconds
      FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS j (queue text, data jsonb, wait bigint)
      JOIN pgboss.queue q ON q.name = j.queue`.execute(executor)
  },
})

/** pg-boss's states in our words. */
const STATES = {
  created: 'waiting',
  retry: 'retrying',
  active: 'running',
  completed: 'done',
  cancelled: 'failed',
  failed: 'failed',
} as const satisfies Record<string, JobState>
type BossState = keyof typeof STATES

interface Row {
  readonly id: string
  readonly name: QueueName
  readonly state: BossState
  readonly data: unknown
  readonly attempts: number
  readonly created_ms: number
  readonly due_ms: number
  readonly ended_ms: number | null
  readonly error: string | null
}

const ms = (column: string) => sql.raw(`floor(extract(epoch FROM ${column}) * 1000)::bigint`)
const COLUMNS = sql`id, name, state, data, (CASE WHEN started_on IS NULL THEN 0 ELSE retry_count + 1 END) AS attempts,
  ${ms('created_on')} AS created_ms, ${ms('start_after')} AS due_ms, ${ms('completed_on')} AS ended_ms,
  CASE WHEN state IN ('failed', 'retry', 'active') THEN coalesce(output->>'message', output->'value'->>'message', output->>'value') END AS error`

/** Late: should have been done so long ago, and nobody has taken it. */
const LATE_S = 60
const LONGEST_ERROR = 300
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** The beginning of one, as lists show it. */
const SHORT = /^[0-9a-f]{8}[0-9a-f-]{0,28}$/

export function jobBoard(executor: Executor): JobBoard {
  const states = (state: JobState): readonly string[] =>
    Object.entries(STATES).flatMap(([theirs, ours]) => (ours === state ? [theirs] : []))
  const one = async (id: string): Promise<JobView | undefined> => {
    if (!SHORT.test(id)) return undefined
    const { rows } = await sql<Row>`SELECT ${COLUMNS} FROM pgboss.job
      WHERE name = ANY (${QUEUES}::text[]) AND id::text LIKE ${`${id}%`} LIMIT 2`.execute(executor)
    return rows[0] === undefined || rows.length > 1 ? undefined : viewOf(rows[0])
  }
  return {
    async list({ state, queue, webhook, limit }) {
      const where = [
        sql`name = ANY (${queue === undefined ? QUEUES : [queue]}::text[])`,
        ...(state === undefined ? [] : [sql`state = ANY (${states(state)}::pgboss.job_state[])`]),
        ...(webhook === undefined ? [] : [sql`data->>'webhook' = ${webhook}`]),
      ]
      const { rows } = await sql<Row>`SELECT ${COLUMNS} FROM pgboss.job WHERE ${sql.join(where, sql` AND `)}
        ORDER BY created_on DESC, id LIMIT ${limit}`.execute(executor)
      return rows.map(viewOf)
    },
    find: one,
    async retry(id) {
      if (!UUID.test(id)) return false
      const { rows } = await sql`UPDATE pgboss.job SET state = 'retry', retry_limit = retry_count + 1,
          completed_on = NULL, start_after = pgboss.job_now(), keep_until = pgboss.job_now() + interval '30 days'
        WHERE name = ANY (${QUEUES}::text[]) AND id = ${id}::uuid AND state IN ('failed', 'cancelled')
        RETURNING id`.execute(executor)
      return rows.length === 1
    },
    async counts() {
      const { rows } = await sql<{ failed: number; late: number }>`SELECT
          (SELECT count(*) FROM pgboss.job WHERE name = ANY (${QUEUES}::text[]) AND state = 'failed') AS failed,
          (SELECT count(*) FROM pgboss.job WHERE name = ANY (${QUEUES}::text[]) AND state < 'active'
            AND start_after < pgboss.job_now() - ${LATE_S} * interval '1 s') AS late`.execute(executor)
      return rows[0] ?? { failed: 0, late: 0 }
    },
  }
}

const viewOf = (row: Row): JobView => ({
  id: row.id,
  queue: row.name,
  state: STATES[row.state],
  about: aboutOf({ queue: row.name, data: row.data } as Job),
  attempts: row.attempts,
  createdAt: instant(row.created_ms),
  dueAt: instant(row.due_ms),
  ...(row.ended_ms === null ? {} : { endedAt: instant(row.ended_ms) }),
  ...(row.error === null ? {} : { error: row.error.split('\n', 1)[0]?.slice(0, LONGEST_ERROR) ?? '' }),
})

function aboutOf(job: Job): string {
  switch (job.queue) {
    case 'request-step':
      return job.data.request
    case 'delivery':
      return `${job.data.webhook} ${job.data.type} ${job.data.subject}`
    default:
      return job satisfies never
  }
}
