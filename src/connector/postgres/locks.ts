import type pg from 'pg'
import { eachToken } from '../../classify/postgres/scan.ts'
import type { LockReport, LockWaiter } from '../../domain/request/request.ts'
import type { Backend } from '../../domain/session/session.ts'
import { THIS } from './this-backend.ts'

/** Waiters that are named; all are counted. */
const MOST_NAMED = 20
/** Characters of a waiter's statement. */
const LONGEST_SHAPE = 200

const HELD = `
  select case when l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) then '' else d.datname::text end as database,
    l.relation::int8::float8 as relation, l.locktype, l.mode
  from pg_catalog.pg_locks l left join pg_catalog.pg_database d on d.oid = l.database
  where l.pid = $1::int4 and l.granted and l.locktype not in ('virtualxid', 'transactionid') and exists (select ${THIS})`

/** Whoever is blocked by it, directly or behind another who is. What a role may not see of others is null. */
const WAITING = `
  with recursive blocked as (
    select a.pid, pg_catalog.pg_blocking_pids(a.pid) as by from pg_catalog.pg_stat_activity a where a.wait_event_type = 'Lock'
  ), behind(pid) as (
    select pid from blocked where $1::int4 = any(by) union select b.pid from blocked b join behind w on w.pid = any(b.by)
  )
  select a.pid, a.usename::text as "user", a.application_name as application, a.datname::text as database, a.query,
    (extract(epoch from pg_catalog.clock_timestamp() - coalesce(
      (select min(l.waitstart) from pg_catalog.pg_locks l where l.pid = a.pid and not l.granted), a.query_start)) * 1000)::float8 as "forMs"
  from behind w join pg_catalog.pg_stat_activity a on a.pid = w.pid order by "forMs" desc nulls last`

interface WaitingRow {
  readonly pid: number
  readonly user: string | null
  readonly application: string | null
  readonly database: string | null
  readonly query: string | null
  readonly forMs: number | null
}

/** The locks that a backend holds, and who waits for them, as it is now. Nothing of it when the backend is gone. */
export async function readLocks(client: pg.ClientBase, backend: Backend): Promise<LockReport> {
  const { rows } = await client.query<{
    database: string | null
    relation: number | null
    locktype: string
    mode: string
  }>(HELD, [backend.pid, backend.startedAt])
  const names = await nameRelations(
    client,
    rows.flatMap((row) => (row.relation === null || row.database !== '' ? [] : [row.relation])),
  )
  const held = rows.map((row) => ({
    object:
      row.relation === null
        ? row.locktype
        : (names.get(row.relation) ??
          `relation ${row.relation}${row.database === '' || row.database === null ? '' : ` of ${row.database}`}`),
    mode: row.mode.replace(/Lock$/, ''),
  }))
  const { rows: waiting } = await client.query<WaitingRow>(WAITING, [backend.pid])
  return {
    // The catalogue's own locks say nothing to a reviewer.
    held: held.filter((lock) => !lock.object.startsWith('pg_catalog.')),
    waiters: waiting.length,
    waiting: waiting.slice(0, MOST_NAMED).map(waiterOf),
  }
}

const waiterOf = ({ pid, user, application, database, query, forMs }: WaitingRow): LockWaiter => ({
  pid,
  ...(user === null ? {} : { user }),
  ...(application === null || application === '' ? {} : { application }),
  ...(database === null ? {} : { database }),
  ...(forMs === null ? {} : { forMs: Math.max(0, Math.round(forMs)) }),
  // A role that may not see it reads a notice in its place.
  ...(query === null || query === '' || query === '<insufficient privilege>' ? {} : { statement: shapeOf(query) }),
})

/** A statement without its literals and comments: the target cuts long ones off, and what is not closed is a literal. */
function shapeOf(text: string): string {
  const words: string[] = []
  eachToken(text, (kind, start, end) => {
    words.push(kind === 'string' || kind === 'number' ? '?' : text.slice(start, end))
  })
  return words.join(' ').slice(0, LONGEST_SHAPE)
}

async function nameRelations(client: pg.ClientBase, oids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  if (oids.length === 0) return new Map()
  const { rows } = await client.query<{ oid: number; name: string }>(
    `select c.oid::int8::float8 as oid, n.nspname || '.' || c.relname as name from pg_catalog.pg_class c
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = any($1::int8[]::oid[])`,
    [oids.map(String)],
  )
  return new Map(rows.map((row) => [row.oid, row.name]))
}
