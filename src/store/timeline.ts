import { sql } from 'kysely'
import type { Clock } from '../app/ports/clock.ts'
import type { Timeline } from '../app/ports/timeline.ts'
import type { Database } from './database.ts'
import { transact } from './store.ts'

/** See Timeline. `tell` wakes the subjects of what was settled, after the commit. */
export function createTimeline(
  database: Database,
  tell: (subjects: Iterable<string>) => void,
  clock: Pick<Clock, 'now'>,
): Timeline {
  const changed = async (): Promise<boolean> => {
    const { rows } = await sql<{ timeline: string | null }>`SELECT new_timeline() AS timeline`.execute(
      database.executor,
    )
    return rows[0]?.timeline !== null
  }
  return {
    async accept(settle) {
      if (!(await changed())) return false
      const subjects = new Set<string>()
      const was = await transact(
        database,
        clock,
        subjects,
        async (tx, executor) => {
          // The lock lets one replica do it; the others find it done.
          const { rows } = await sql<{ timeline: string; was: string }>`
            SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline, timeline AS was FROM clock FOR UPDATE`.execute(
            executor,
          )
          const [row] = rows
          if (row === undefined || row.timeline === row.was) return undefined
          await settle(tx, row)
          await sql`UPDATE clock SET timeline = ${row.timeline}`.execute(executor)
          return row.was
        },
        'any timeline',
      )
      tell(subjects)
      return was !== undefined
    },
  }
}
