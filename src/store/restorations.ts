import { sql } from 'kysely'
import type { RestorationStore } from '../app/ports/restorations.ts'
import type { PrincipalId, ResourceName } from '../domain/ids.ts'
import { instant } from '../domain/time.ts'
import type { Instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

interface Row {
  readonly number: number
  readonly backup_at: number
  readonly keep_tokens: boolean
  readonly ended_at: number | null
  readonly opened_at: number | null
}

/** The queries about a restored store. */
export function restorationStore(executor: Executor): RestorationStore {
  const note = async (column: 'ended_at' | 'opened_at' | 'settled_at', number: number, now: Instant) => {
    const { rows } = await sql`UPDATE restoration SET ${sql.ref(column)} = ${now}
      WHERE number = ${number} AND ${sql.ref(column)} IS NULL RETURNING number`.execute(executor)
    return rows.length === 1
  }
  return {
    async unsettled() {
      const { rows } = await sql<Row>`SELECT number, backup_at, keep_tokens, ended_at, opened_at FROM restoration
        WHERE settled_at IS NULL ORDER BY number DESC`.execute(executor)
      return rows.map((row) => ({
        number: row.number,
        backupAt: instant(row.backup_at),
        keepTokens: row.keep_tokens,
        ended: row.ended_at !== null,
        opened: row.opened_at !== null,
      }))
    },
    async unconfirmed(restoration) {
      const { rows } = await sql<{ resource: ResourceName }>`
        WITH r AS (SELECT sessions, grants, restored_at FROM restoration WHERE number = ${restoration})
        SELECT g.resource FROM access_grant g, r WHERE g.number <= r.grants AND g.state <> 'ended'
        UNION
        SELECT s.resource FROM session s, r WHERE s.number <= r.sessions
          AND (s.state = 'open' OR (s.gone_at IS NULL AND s.backend_pid IS NOT NULL
            AND s.why IN ('cut', 'expired', 'gateway_died', 'failed')))
        UNION
        -- Roles that were made after the backup have no grant here: only a look at the target tells.
        SELECT d.name FROM r, document d LEFT JOIN inventory i ON i.resource = d.name
        WHERE d.kind = 'Resource' AND d.until IS NULL AND d.body ->> 'access' = 'ephemeral'
          AND coalesce(i.done_at, 0) < r.restored_at
        ORDER BY resource`.execute(executor)
      return rows.map(({ resource }) => resource)
    },
    async delegating() {
      const { rows } = await sql<{
        person: PrincipalId
      }>`SELECT person FROM delegation WHERE ended_at IS NULL ORDER BY person`.execute(executor)
      return rows.map(({ person }) => person)
    },
    async revokeTokens(kinds, now) {
      const { rows } = await sql`UPDATE token SET revoked_at = ${now}
        WHERE revoked_at IS NULL AND expires_at > ${now} AND kind = ANY (${[...kinds]}::text[]) RETURNING id`.execute(
        executor,
      )
      return rows.length
    },
    async log() {
      const { rows } = await sql<{ log: string }>`SELECT log FROM restoration WHERE log IS NOT NULL
        ORDER BY number DESC LIMIT 1`.execute(executor)
      return rows[0]?.log
    },
    noteEnded: (number, now) => note('ended_at', number, now),
    noteOpened: (number, now) => note('opened_at', number, now),
    noteSettled: (number, now) => note('settled_at', number, now),
  }
}
