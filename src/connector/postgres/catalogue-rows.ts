import { createHash } from 'node:crypto'
import type pg from 'pg'
import type { CatalogueRows, FunctionRow, RelationRow, TypeRow } from '../../classify/postgres/catalogue.ts'

/**
 * Extensions whose functions were reviewed, by name and declaration, and do nothing but compute. Their C sources were
 * not. Not among them, on purpose: dblink, postgres_fdw, tablefunc (runs text), xml2 (runs text), adminpack, lo,
 * pageinspect, pg_surgery, file_fdw, any procedural language; and PostGIS, of which nobody has read what it does with
 * files, networks and the tables that its functions look into.
 */
const TRUSTED = [
  'btree_gin',
  'btree_gist',
  'citext',
  'cube',
  'dict_int',
  'earthdistance',
  'fuzzystrmatch',
  'hstore',
  'intarray',
  'isn',
  'ltree',
  'pg_stat_statements',
  'pg_trgm',
  'pgcrypto',
  'seg',
  'unaccent',
  'uuid-ossp',
  'vector',
]
/** Volatile functions of theirs that leave no trace. */
const TRUSTED_VOLATILE = [
  'gen_random_uuid',
  'gen_random_bytes',
  'gen_salt',
  'uuid_generate_v1',
  'uuid_generate_v1mc',
  'uuid_generate_v4',
  'pg_stat_statements',
  'pg_stat_statements_info',
  'pgp_sym_encrypt',
  'pgp_sym_encrypt_bytea',
  'pgp_pub_encrypt',
  'pgp_pub_encrypt_bytea',
]
/** Immutable or stable by declaration, and not harmless. */
const NOT_TRUSTED = ['pg_stat_statements_reset', 'set_limit', 'populate_record']

const EXTENSIONS = `
  with extension as (
    select d.classid, d.objid, e.extname = any($1) as trusted
    from pg_depend d join pg_extension e on e.oid = d.refobjid
    where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
  )`

// Everything runs with an empty search_path: pg_catalog alone gives the names their meaning.
const FUNCTIONS = `${EXTENSIONS}
  select n.nspname::text as schema, p.proname::text as name,
    coalesce(x.trusted, false) and l.lanname in ('c', 'internal') and (p.provolatile <> 'v' or p.proname::text = any($2)) and p.proname::text <> all($3) as trusted,
    case when coalesce(x.trusted, false) and l.lanname = 'sql' and p.prokind = 'f' then coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) end as body,
    p.prokind <> 'p' and (p.pronargs - p.pronargdefaults <= 1 and p.pronargs >= 1 or p.provariadic <> 0 and p.pronargs <= 2) as one,
    p.pronargs >= 1 and exists (
      select from pg_type t left join pg_type b on b.oid = t.typbasetype
      where t.oid in (p.proargtypes[0], p.provariadic) and ('c' in (t.typtype, b.typtype) or t.typtype = 'p')) as row
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    left join extension x on x.classid = 'pg_proc'::regclass and x.objid = p.oid
  where p.oid >= 16384 or l.lanname not in ('internal', 'c', 'sql')
    -- One that came with the server and was replaced since. Transactions of initdb come before all others; a GRANT
    -- renews the row too, and leaves what an internal function of its own name does.
    or (p.xmin::text::int8 > (select max(r.xmin::text::int8) from pg_rewrite r where r.oid < 16384)
      and not (l.lanname = 'internal' and p.prosrc = p.proname::text and p.proconfig is null) and p.proname not like 'plpgsql\\_%')
    or exists (select from pg_aggregate g where g.aggfnoid = p.oid
      and (g.aggtransfn >= 16384 or g.aggfinalfn >= 16384 or g.aggcombinefn >= 16384 or g.aggmtransfn >= 16384 or g.aggminvtransfn >= 16384 or g.aggmfinalfn >= 16384))`

const OPERATORS = `${EXTENSIONS}
  select n.nspname::text as schema, o.oprname::text as name, coalesce(x.trusted, false) as trusted
  from pg_operator o join pg_namespace n on n.oid = o.oprnamespace
    left join extension x on x.classid = 'pg_operator'::regclass and x.objid = o.oid
  where o.oid >= 16384 or o.oprcode >= 16384`

const CASTS = `${EXTENSIONS}
  select c.castsource::int8::float8 as source, c.casttarget::int8::float8 as target from pg_cast c
  where c.oid >= 16384 and c.castmethod = 'f'
    and not exists (select from extension x where x.trusted and x.classid = 'pg_cast'::regclass and x.objid = c.oid)
  union all
  -- What sorts, groups or hashes values of a type without being named: its default operator class.
  select o.opcintype::int8::float8, o.opcintype::int8::float8 from pg_opclass o join pg_am a on a.oid = o.opcmethod
  where o.oid >= 16384 and (o.opcintype >= 16384 or o.opcdefault and a.amname in ('btree', 'hash'))
    and not exists (select from extension x where x.trusted and x.classid = 'pg_opclass'::regclass and x.objid = o.oid)
  union all
  -- And what was added to a family that came with the server, such as the function behind RANGE 1 PRECEDING.
  select p.amproclefttype::int8::float8, p.amprocrighttype::int8::float8 from pg_amproc p
  where p.oid >= 16384 and p.amprocfamily < 16384 and p.amproc >= 16384
    and not exists (select from extension x where x.trusted and x.classid = 'pg_proc'::regclass and x.objid = p.amproc)
  union all
  select p.amoplefttype::int8::float8, p.amoprighttype::int8::float8 from pg_amop p
  where p.oid >= 16384 and p.amopfamily < 16384 and p.amopopr >= 16384
    and not exists (select from extension x where x.trusted and x.classid = 'pg_operator'::regclass and x.objid = p.amopopr)`

/** Objects that use a function or operator of the target's own; PostgreSQL records no dependency on built-in ones. */
const USES = `
  uses as (
    select distinct d.classid, d.objid from pg_depend d
    where d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass) and d.refobjid >= 16384
      and not exists (select from extension x where x.trusted and x.classid = d.refclassid and x.objid = d.refobjid)
  )`

const TYPES = `${EXTENSIONS}, ${USES}
  select t.oid::int8::float8 as oid, n.nspname::text as schema, t.typname::text as name, t.typtype::text as kind,
    coalesce(x.trusted, false) as trusted,
    array(select unnest(array[nullif(t.typelem, 0), nullif(t.typbasetype, 0), r.rngsubtype, m.rngtypid])::int8::float8
      union all select a.atttypid::int8::float8 from pg_attribute a where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as parts,
    array(select pg_get_expr(c.conbin, 0) from pg_constraint c where c.contypid = t.oid and c.contype = 'c') as checks,
    exists (select from pg_constraint c join uses u on u.classid = 'pg_constraint'::regclass and u.objid = c.oid where c.contypid = t.oid)
      or coalesce(r.rngcanonical >= 16384 or r.rngsubdiff >= 16384, false)
      or r.rngsubopc >= 16384 and not exists (select from extension e where e.trusted and e.classid = 'pg_opclass'::regclass and e.objid = r.rngsubopc) as depends
  from pg_type t join pg_namespace n on n.oid = t.typnamespace
    left join pg_range r on r.rngtypid = t.oid left join pg_range m on m.rngmultitypid = t.oid
    left join extension x on x.classid = 'pg_type'::regclass and x.objid = case when t.typelem <> 0 and t.typlen = -1 then t.typelem else t.oid end
  where t.oid >= 16384 and t.typtype <> 'p'`

const RELATIONS = `${EXTENSIONS}, ${USES},
  -- Operator classes whose functions an index scan or the choice of a partition may call, whatever the query names.
  classes as (
    select o.oid from pg_opclass o where o.oid >= 16384
      and not exists (select from extension x where x.trusted and x.classid = 'pg_opclass'::regclass and x.objid = o.oid)
  ),
  ordered as (
    select i.indrelid as relid from pg_index i join classes k on k.oid = any (i.indclass::oid[])
  ),
  routed as (
    select p.partrelid as relid from pg_partitioned_table p
    where exists (select from classes k where k.oid = any (p.partclass::oid[]))
      or exists (select from uses u where u.classid = 'pg_class'::regclass and u.objid = p.partrelid)
  ),
  -- Calls of what came with the server and sets parameters, or runs text.
  steering as (
    select ':funcid (' || string_agg(p.oid::text, '|') || ') ' as calls from pg_proc p
    where p.oid < 16384 and p.proname in ('set_config', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema',
      'cursor_to_xml', 'cursor_to_xmlschema', 'ts_stat', 'ts_rewrite')
  ),
  simplified as (
    select i.indrelid as relid, pg_get_expr(i.indexprs, i.indrelid) as expression from pg_index i
      join uses u on u.classid = 'pg_class'::regclass and u.objid = i.indexrelid where i.indexprs is not null
    union all
    select i.indrelid, pg_get_expr(i.indpred, i.indrelid) from pg_index i
      join uses u on u.classid = 'pg_class'::regclass and u.objid = i.indexrelid where i.indpred is not null
    union all
    select c.conrelid, pg_get_expr(c.conbin, c.conrelid) from pg_constraint c
      join uses u on u.classid = 'pg_constraint'::regclass and u.objid = c.oid where c.conrelid <> 0 and c.contype = 'c'
    union all
    select s.stxrelid, pg_get_expr(s.stxexprs, s.stxrelid) from pg_statistic_ext s
      join uses u on u.classid = 'pg_statistic_ext'::regclass and u.objid = s.oid where s.stxexprs is not null
  )
  select c.oid::int8::float8 as oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind, c.reltype::int8::float8 as "rowType",
    array(select distinct a.atttypid::int8::float8 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and a.atttypid >= 16384) as columns,
    case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as view,
    case when c.relrowsecurity then array(
      select unnest(array[coalesce(pg_get_expr(p.polqual, c.oid), 'true'), coalesce(pg_get_expr(p.polwithcheck, c.oid), 'true')]) from pg_policy p where p.polrelid = c.oid) else '{}' end as policies,
    c.relkind = 'v' and exists (select from pg_rewrite r join uses u on u.classid = 'pg_rewrite'::regclass and u.objid = r.oid where r.ev_class = c.oid and r.ev_type = '1')
      or c.relrowsecurity and exists (select from pg_policy p join uses u on u.classid = 'pg_policy'::regclass and u.objid = p.oid where p.polrelid = c.oid)
      or exists (select from ordered o where o.relid = c.oid)
      or (c.relispartition or c.relkind = 'p') and exists (
        select from routed o where o.relid in (select pg_partition_ancestors(c.oid) union all select c.oid)) as depends,
    exists (select from simplified s where s.relid = c.oid)
      or exists (select from uses u where u.classid = 'pg_class'::regclass and u.objid = c.oid)
      or exists (select from pg_rewrite r where r.ev_class = c.oid and r.ev_type <> '1')
      or exists (select from pg_attrdef d join uses u on u.classid = 'pg_attrdef'::regclass and u.objid = d.oid where d.adrelid = c.oid) as "planDepends",
    array(select s.expression from simplified s where s.relid = c.oid) as simplified,
    exists (select from pg_trigger g where g.tgrelid = c.oid
        and (g.tgfoid >= 16384 or g.tgqual::text ~ (select calls from steering) or exists (select from uses u where u.classid = 'pg_trigger'::regclass and u.objid = g.oid)))
      or exists (select from pg_rewrite r where r.ev_class = c.oid and r.ev_type <> '1')
      or exists (select from pg_attrdef d where d.adrelid = c.oid and d.adbin::text ~ (select calls from steering))
      or exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conbin::text ~ (select calls from steering)) as "changeRuns",
    array(select distinct k.conrelid::int8::float8 from pg_constraint k where k.contype = 'f' and k.confrelid = c.oid
      and (k.confdeltype in ('c', 'n', 'd') or k.confupdtype in ('c', 'n', 'd'))) as cascades,
    array(select i.inhrelid::int8::float8 from pg_inherits i where i.inhparent = c.oid) as children
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'v', 'm', 'f', 'S', 'p') and n.nspname <> 'pg_toast'
    -- A view that came with the server may have been replaced.
    and (c.oid >= 16384 or c.relkind = 'v' and exists (select from pg_rewrite r where r.ev_class = c.oid and r.oid >= 16384))`

/** What the role and the database set, the narrowest first, as a session of the role takes it. */
const SEARCH_PATH = `
  select substr(c, length('search_path=') + 1) as path from pg_db_role_setting s, unnest(s.setconfig) c
  where c like 'search\\_path=%'
    and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
    and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
  order by s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1`

/** Row versions of everything above: a change of any of it makes or ends one. Some milliseconds, and no definition is printed. */
export const FINGERPRINT = `
  select md5(string_agg(part, ' ')) as fingerprint from (
    select 'p' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) as part from pg_proc
    union all select 'c' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_class where oid >= 16384
    union all select 't' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_type where oid >= 16384
    union all select 'o' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_operator where oid >= 16384
    union all select 'k' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_cast where oid >= 16384
    union all select 'r' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_rewrite where oid >= 16384
    union all select 'y' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_policy
    -- Those of foreign keys come with their constraints.
    union all select 'T' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_trigger where tgfoid >= 16384 or not tgisinternal
    union all select 'E' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_event_trigger
    union all select 'n' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_constraint where oid >= 16384
    union all select 'd' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_attrdef
    union all select 's' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_namespace
    union all select 'l' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_opclass where oid >= 16384
    union all select 'P' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_amproc where oid >= 16384
    union all select 'O' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_amop where oid >= 16384
    union all select 'i' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, indexrelid::int8)), 0) from pg_index where indexrelid >= 16384
    union all select 'R' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, rngtypid::int8)), 0) from pg_range where rngtypid >= 16384
    union all select 'e' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_extension
    union all select 'x' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, oid::int8)), 0) from pg_statistic_ext
    union all select 'h' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, inhrelid::int8)), 0) from pg_inherits
    union all select 'a' || count(*) || ' ' || coalesce(sum(hashint8extended(xmin::text::int8, attrelid::int8 * 2000 + attnum)), 0) from pg_attribute where attrelid >= 16384
    -- One table for all databases of the server: only what SEARCH_PATH reads of it.
    union all select 'g' || coalesce(string_agg(s.setdatabase || ' ' || s.setrole || c, ' ' order by s.setdatabase, s.setrole), '')
      from pg_db_role_setting s, unnest(s.setconfig) c where c like 'search\\_path=%'
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
  ) parts`

export async function readFingerprint(reader: Pick<Reader, 'query'>): Promise<string> {
  const { rows } = await reader.query<{ fingerprint: string }>(FINGERPRINT)
  return rows[0]?.fingerprint ?? ''
}

/** Read all of it in one snapshot. `target` makes versions of different databases differ. */
export async function readCatalogue(client: pg.ClientBase, target: string): Promise<CatalogueRows> {
  await client.query('begin isolation level repeatable read read only')
  try {
    await client.query("set local search_path = ''; set local statement_timeout = '30s'")
    const rows = await readRows({ query: (text, values = []) => client.query(text, [...values]) }, target)
    await client.query('commit')
    return rows
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Whatever runs one query, where pg_catalog alone gives names their meaning. */
export interface Reader {
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as pg's own
  query<R extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly R[] }>
}

/** All of it, as the reader sees it. */
export async function readRows(reader: Reader, target: string): Promise<CatalogueRows> {
  const fingerprint = await readFingerprint(reader)
  const functions = await reader.query<FunctionRow>(FUNCTIONS, [TRUSTED, TRUSTED_VOLATILE, NOT_TRUSTED])
  const operators = await reader.query<CatalogueRows['operators'][number]>(OPERATORS, [TRUSTED])
  const casts = await reader.query<CatalogueRows['casts'][number]>(CASTS, [TRUSTED])
  const types = await reader.query<TypeRow>(TYPES, [TRUSTED])
  const relations = await reader.query<RelationRow>(RELATIONS, [TRUSTED])
  const user = await reader.query<{ user: string; encoding: string }>(
    "select session_user::text as user, current_setting('server_encoding') as encoding",
  )
  const path = await reader.query<{ path: string }>(SEARCH_PATH)
  return {
    target: createHash('sha256').update(target).digest('hex').slice(0, 16),
    user: user.rows[0]?.user ?? '',
    encoding: user.rows[0]?.encoding ?? '',
    ...(path.rows[0] === undefined ? {} : { searchPath: path.rows[0].path }),
    fingerprint,
    functions: functions.rows,
    operators: operators.rows,
    casts: casts.rows,
    types: types.rows,
    relations: relations.rows,
  }
}
