import type pg from 'pg'

/**
 * What of a server and of a session a statement may leave behind, and the server itself can be asked about. One text:
 * the same before and after. Needs a superuser.
 */
const LEFT = `select concat_ws(E'\\n',
  (select string_agg(schemaname || '.' || sequencename || '=' || coalesce(last_value::text, '-'), ' ' order by schemaname, sequencename) from pg_sequences),
  (select md5(string_agg(name || coalesce(setting, ''), ',' order by name)) from pg_settings where name <> 'transaction_isolation'),
  (select string_agg(name || statement, ',' order by name) from pg_prepared_statements),
  (select string_agg(name, ',' order by name) from pg_cursors),
  (select string_agg(c, ',' order by c) from pg_listening_channels() c),
  (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) + (select count(*) from pg_proc where pronamespace = pg_my_temp_schema()),
  (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
  (select count(*) from pg_largeobject_metadata),
  (select count(*) from pg_replication_slots) + (select count(*) from pg_replication_origin) + (select count(*) from pg_publication),
  (select string_agg(rolname || rolsuper, ',' order by rolname) from pg_roles),
  (select max(stats_reset) from pg_stat_database where datname = current_database()),
  (select stats_reset from pg_stat_bgwriter), (select stats_reset from pg_stat_wal), (select stats_reset from pg_stat_archiver),
  pg_conf_load_time(), pg_postmaster_start_time(), session_user, current_user,
  (select modification from pg_stat_file('postgresql.auto.conf')),
  (select string_agg(d || ':' || f, ' ' order by d, f) from unnest(array['.', 'pg_replslot', 'pg_snapshots', 'pg_logical/snapshots', 'pg_twophase', 'pg_tblspc']) d, pg_ls_dir(d) f
    where f not like '%.pid' and f not like '%.tmp')
) as left`
/** The same for the transaction that runs: 'nothing' but reading took no more than ACCESS SHARE. */
const WITHIN = `select concat_ws(' ',
  'xid ' || pg_current_xact_id_if_assigned()::text,
  (select string_agg(distinct mode || ' ' || coalesce(relation::regclass::text, locktype), ' ') from pg_locks
    where pid = pg_backend_pid() and locktype <> 'virtualxid' and (mode <> 'AccessShareLock' or locktype = 'advisory')
      and not (locktype = 'relation' and mode = 'RowExclusiveLock' and (select relkind from pg_class where oid = relation) = 'S'))
) as within`

export interface Traces {
  /** The server's error message, or `ran`. */
  readonly outcome: string
  /** Empty when it left nothing. */
  readonly within: string
  /** Lines of the state that differ, before and after. */
  readonly changed: readonly string[]
  readonly heard: readonly string[]
}
export const NO_TRACE = { within: '', changed: [], heard: [] }

/** Runs one statement in a transaction of its own, commits, and says what it left. `heard` is what the client was notified of. */
export async function tracesOf(client: pg.Client, heard: string[], sql: string): Promise<Traces> {
  const before = await leftBehind(client)
  const { outcome, within } = await runWithin(client, sql)
  const after = await leftBehind(client)
  const changed = after.flatMap((line, i) => (line === before[i] ? [] : [`${before[i]} => ${line}`]))
  return { outcome, within, changed, heard: heard.splice(0) }
}

/** The part that can be asked while the transaction runs. */
export async function runWithin(client: pg.Client, sql: string): Promise<Pick<Traces, 'outcome' | 'within'>> {
  await client.query('begin')
  try {
    await client.query({ text: sql, rowMode: 'array' })
    const { rows } = await client.query<{ within: string }>(WITHIN)
    await client.query('commit')
    return { outcome: 'ran', within: rows[0]?.within ?? '' }
  } catch (error) {
    await client.query('rollback')
    return { outcome: String(error), within: '' }
  }
}

/** The lines of what is there now. */
export async function leftBehind(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ left: string }>(LEFT)
  return (rows[0]?.left ?? '').split('\n')
}
