import type pg from 'pg'
import type { OpenTarget, TargetControl } from '../../app/ports/target.ts'
import type { Backend } from '../../domain/session/session.ts'
import { readAccount } from './account.ts'
import { createConnections } from './connect.ts'
import { explain } from './estimate.ts'
import { whyNot } from './probe.ts'

/** A reused pid is another backend: both must match. A role without pg_read_all_stats sees no start time of foreign ones; then the pid alone counts. */
const THIS = `from pg_catalog.pg_stat_activity where pid = $1::int4 and (backend_start = $2::timestamptz or backend_start is null)`
/** Looks at pg_stat_activity come this many ms apart, doubling up to the last. */
const FIRST_LOOK = 1
const LAST_LOOK = 20
/** A terminate that was not followed is sent again after this many ms. */
const AGAIN = 500

/** What Holdpoint does on a target besides carrying sessions, on a few connections that close when idle. */
export function createTargetControl(): TargetControl {
  const connections = createConnections()
  // What cuts never waits behind what asks: planning may wait for somebody's lock.
  const cutting = createConnections()

  const gone = async (client: pg.ClientBase, backend: Backend): Promise<boolean> => {
    const { rowCount } = await client.query({
      name: 'gone',
      text: `select ${THIS}`,
      values: [backend.pid, backend.startedAt],
    })
    return rowCount === 0
  }
  const signal = (
    client: pg.ClientBase,
    how: 'pg_cancel_backend' | 'pg_terminate_backend',
    backend: Backend,
  ): Promise<unknown> =>
    client.query({ name: how, text: `select pg_catalog.${how}(pid) ${THIS}`, values: [backend.pid, backend.startedAt] })

  return {
    async cancel(target, backend) {
      await cutting.on(target, target.database)((client) => signal(client, 'pg_cancel_backend', backend))
    },
    async terminate(target, backend, withinMs) {
      const until = performance.now() + withinMs
      return cutting.on(
        target,
        target.database,
      )(async (client) => {
        await signal(client, 'pg_terminate_backend', backend)
        let sentAt = performance.now()
        for (let wait = FIRST_LOOK; ; wait = Math.min(wait * 2, LAST_LOOK)) {
          if (await gone(client, backend)) return true
          const now = performance.now()
          if (now >= until) return false
          if (now - sentAt > AGAIN) {
            await signal(client, 'pg_terminate_backend', backend)
            sentAt = now
          }
          await new Promise((resolve) => setTimeout(resolve, Math.min(wait, until - now)))
        }
      })
    },
    isGone: (target, backend) => cutting.on(target, target.database)((client) => gone(client, backend)),
    estimate: (target, database, text, searchPath, bound) =>
      connections.on(target, database)((client) => explain(client, text, searchPath, bound)),
    async locks(target, backend) {
      return connections.on(
        target,
        target.database,
      )(async (client) => {
        const { rows } = await client.query<{
          database: string | null
          relation: number | null
          locktype: string
          mode: string
        }>(
          `select case when l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) then '' else d.datname::text end as database,
             l.relation::int8::float8 as relation, l.locktype, l.mode
           from pg_catalog.pg_locks l left join pg_catalog.pg_database d on d.oid = l.database
           where l.pid = $1::int4 and l.granted and l.locktype not in ('virtualxid', 'transactionid') and exists (select ${THIS})`,
          [backend.pid, backend.startedAt],
        )
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
        // The catalogue's own and the weakest locks say nothing to a reviewer.
        const shown = held.filter((lock) => !lock.object.startsWith('pg_catalog.'))
        const { rows: waiting } = await client.query<{ n: number }>(
          `select count(*)::int4 as n from pg_catalog.pg_stat_activity
           where wait_event_type = 'Lock' and $1::int4 = any(pg_catalog.pg_blocking_pids(pid))`,
          [backend.pid],
        )
        return { held: shown, waiters: waiting[0]?.n ?? 0 }
      })
    },
    async probe(target: OpenTarget) {
      try {
        return await connections.on(
          target,
          target.database,
        )(async (client) => {
          const row = await readAccount(client)
          if (row === undefined)
            return { ok: false as const, message: `${target.host}:${target.port} does not answer as PostgreSQL does` }
          const major = Number.parseInt(row.version, 10)
          if (major < 15)
            return {
              ok: false as const,
              message: `${target.host}:${target.port} runs PostgreSQL ${row.version}; 15 or newer is needed`,
            }
          return { ok: true as const, version: row.version, account: row.account }
        })
      } catch (error) {
        return { ok: false, message: `${target.host}:${target.port} cannot be used: ${whyNot(error)}` }
      }
    },
    close: async () => void (await Promise.all([connections.close(), cutting.close()])),
  }
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
