import type pg from 'pg'
import type { TargetAccount } from '../../app/ports/target.ts'

/** Memberships that reach beyond the data of a database: programs and files of the server, other sessions, every table. */
const REACHING = [
  'pg_checkpoint',
  'pg_create_subscription',
  'pg_execute_server_program',
  'pg_maintain',
  'pg_read_all_data',
  'pg_read_server_files',
  'pg_signal_autovacuum_worker',
  'pg_signal_backend',
  'pg_use_reserved_connections',
  'pg_write_all_data',
  'pg_write_server_files',
]
/** More schemas than this are not listed. */
const MOST_SCHEMAS = 200

const OWN = `n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'`

// The control connection's search_path is empty, so that names are those of pg_catalog.
const ACCOUNT = `
  select r.rolname::text as role, pg_catalog.current_setting('server_version') as version,
    r.rolsuper as superuser, r.rolcreaterole as "createRole", r.rolcreatedb as "createDatabase",
    r.rolreplication as replication, r.rolbypassrls as "bypassesRowSecurity",
    array(select m.rolname::text from pg_catalog.pg_roles m
      where m.rolname::text = any($1) and pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER') order by 1) as member,
    (select count(*)::int4 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and ${OWN} and pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')) as owns,
    exists (select from pg_catalog.pg_database d
      where d.datname = pg_catalog.current_database() and pg_catalog.pg_has_role(r.oid, d.datdba, 'USAGE')) as "ownsDatabase"
  from pg_catalog.pg_roles r where r.rolname = current_user`

const SCHEMAS = `
  select n.nspname::text as name,
    coalesce((select json_agg(json_build_object('role', o.rolname, 'superuser', o.rolsuper) order by o.rolname)
      from pg_catalog.pg_roles o where o.oid in (select c.relowner from pg_catalog.pg_class c where c.relnamespace = n.oid)), '[]') as owners
  from pg_catalog.pg_namespace n where ${OWN} order by n.nspname limit ${MOST_SCHEMAS}`

interface AccountRow {
  readonly role: string
  readonly version: string
  readonly superuser: boolean
  readonly createRole: boolean
  readonly createDatabase: boolean
  readonly replication: boolean
  readonly bypassesRowSecurity: boolean
  readonly member: readonly string[]
  readonly owns: number
  readonly ownsDatabase: boolean
}

/** Who the connection is signed in as, what that account may do beyond the work of sessions, and what there is to grant. */
export async function readAccount(
  client: pg.ClientBase,
): Promise<{ readonly version: string; readonly account: TargetAccount } | undefined> {
  const { rows } = await client.query<AccountRow>(ACCOUNT, [REACHING])
  const [row] = rows
  if (row === undefined) return undefined
  const schemas = await client.query<TargetAccount['schemas'][number]>(SCHEMAS)
  return { version: row.version, account: { role: row.role, excess: excessOf(row), schemas: schemas.rows } }
}

/** A superuser has all the rest. */
function excessOf(row: AccountRow): readonly string[] {
  if (row.superuser) return ['is a superuser']
  const owned = [
    ...(row.ownsDatabase ? ['the database'] : []),
    ...(row.owns === 0 ? [] : [row.owns === 1 ? '1 table' : `${row.owns} tables`]),
  ]
  return [
    ...(row.createRole ? ['may make and change roles (CREATEROLE)'] : []),
    ...(row.createDatabase ? ['may make databases (CREATEDB)'] : []),
    ...(row.replication ? ['may stream all data (REPLICATION)'] : []),
    ...(row.bypassesRowSecurity ? ['passes every row security policy (BYPASSRLS)'] : []),
    ...(row.member.length === 0 ? [] : [`is a member of ${row.member.join(', ')}`]),
    ...(owned.length === 0 ? [] : [`owns ${owned.join(' and ')}`]),
  ]
}
