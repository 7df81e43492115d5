import { sql } from 'kysely'
import type { IdempotencyStore, StoredAnswer } from '../app/ports/idempotency.ts'
import type { Executor } from './database.ts'

/** Longer than any call takes; shorter than a person waits after a crash. */
const CLAIM_MS = 60_000
const KEPT_MS = 86_400_000

/** See IdempotencyStore for the contract of each. */
export function idempotencyStore(executor: Executor): IdempotencyStore {
  return {
    async begin({ principal, key, digest }) {
      // One statement claims: a new key, one whose day is over, or the same call whose process died.
      const claimed = await sql`INSERT INTO idempotency AS i (principal, key, digest, made_at, busy_until)
        VALUES (${principal}, ${key}, ${digest}, holdpoint_now(), holdpoint_now() + ${CLAIM_MS}::bigint)
        ON CONFLICT (principal, key) DO UPDATE SET
          digest = excluded.digest, made_at = excluded.made_at, busy_until = excluded.busy_until, answer = NULL
        WHERE i.made_at < excluded.made_at - ${KEPT_MS}::bigint
          OR (i.answer IS NULL AND i.busy_until < excluded.made_at AND i.digest = excluded.digest)
        RETURNING key`.execute(executor)
      if (claimed.rows.length === 1) {
        await sql`DELETE FROM idempotency WHERE (principal, key) IN (
          SELECT principal, key FROM idempotency WHERE made_at < holdpoint_now() - ${KEPT_MS}::bigint LIMIT 10 FOR UPDATE SKIP LOCKED)`.execute(
          executor,
        )
        return { kind: 'mine' }
      }
      const row = await executor
        .selectFrom('idempotency')
        .select(['digest', 'answer'])
        .where('principal', '=', principal)
        .where('key', '=', key)
        .executeTakeFirst()
      // Abandoned between the two statements: free at the next look.
      if (row === undefined) return { kind: 'running' }
      if (row.digest !== digest) return { kind: 'other_body' }
      return row.answer === null ? { kind: 'running' } : { kind: 'answered', answer: row.answer as StoredAnswer }
    },
    async finish({ principal, key, digest }, answer) {
      await sql`UPDATE idempotency SET answer = ${JSON.stringify(answer)}::json, busy_until = NULL
        WHERE principal = ${principal} AND key = ${key} AND digest = ${digest}`.execute(executor)
    },
    async abandon({ principal, key, digest }) {
      await sql`DELETE FROM idempotency
        WHERE principal = ${principal} AND key = ${key} AND digest = ${digest} AND answer IS NULL`.execute(executor)
    },
  }
}
