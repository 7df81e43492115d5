import { sql } from 'kysely'
import type { PeopleStore } from '../app/ports/people.ts'
import type { Executor } from './database.ts'

/**
 * A generic cell rate limiter (ITU-T I.371, in its virtual scheduling form): one number a bucket, the moment at
 * which all attempts will be there again. One statement takes an attempt, so fifty at once cannot slip through.
 */
export function throttleQueries(
  executor: Executor,
): Pick<PeopleStore, 'takeAttempt' | 'giveBackAttempt' | 'clearAttempts'> {
  return {
    async takeAttempt(bucket, { burst, refill }, now) {
      const { rows } = await sql`INSERT INTO throttle AS t (bucket, full_at) VALUES (${bucket}, ${now + refill}::bigint)
        ON CONFLICT (bucket) DO UPDATE SET full_at = greatest(t.full_at, ${now}::bigint) + ${refill}::bigint
        WHERE greatest(t.full_at, ${now}::bigint) + ${refill}::bigint <= ${now + burst * refill}::bigint
        RETURNING bucket`.execute(executor)
      // Buckets that are full again say nothing; a few go with each attempt, so that made-up names do not pile up.
      await sql`DELETE FROM throttle WHERE bucket IN (
        SELECT bucket FROM throttle WHERE full_at < ${now}::bigint LIMIT 5 FOR UPDATE SKIP LOCKED)`.execute(executor)
      return rows.length === 1
    },
    async giveBackAttempt(bucket, { refill }) {
      await sql`UPDATE throttle SET full_at = greatest(full_at - ${refill}::bigint, 0) WHERE bucket = ${bucket}`.execute(
        executor,
      )
    },
    async clearAttempts(bucket) {
      await executor.deleteFrom('throttle').where('bucket', '=', bucket).execute()
    },
  }
}
