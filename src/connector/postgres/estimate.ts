import { isUtf8 } from 'node:buffer'
import pg from 'pg'
import type { BoundParameters } from '../../app/ports/target.ts'
import type { Cascade, Estimate } from '../../domain/action.ts'

/** Longest time that planning may take, in ms. */
const PLAN_WITHIN = 2000

interface Plan {
  readonly 'Node Type'?: string
  readonly 'Plan Rows'?: number
  readonly 'Total Cost'?: number
  readonly 'Parent Relationship'?: string
  /** Of ModifyTable. */
  readonly Operation?: string
  readonly Schema?: string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly Plan[]
}

/**
 * The planner's guess for one statement, in a read-only transaction that is rolled back. The extended protocol
 * carries it, so that a second statement in the text is refused. Undefined when the target will not plan it.
 */
export async function explain(
  client: pg.ClientBase,
  text: string,
  searchPath: string,
  bound?: BoundParameters,
): Promise<Estimate | undefined> {
  await client.query('begin read only')
  try {
    await client.query(
      `set local statement_timeout = ${PLAN_WITHIN}; set local lock_timeout = ${PLAN_WITHIN}; set local idle_in_transaction_session_timeout = '10s'`,
    )
    await client.query("select pg_catalog.set_config('search_path', $1, true)", [searchPath])
    const { rows } = await (bound !== undefined && bound.values.length > 0
      ? explainBound(client, text, bound)
      : /\$[0-9]/.test(text)
        ? explainGeneric(client, text)
        : one<Explained>(client, `${EXPLAIN} ${text}`))
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    const cost = plan?.['Total Cost']
    if (plan === undefined || cost === undefined) return undefined
    const deleted = deletedFrom(plan)
    const cascades = deleted.length === 0 ? [] : await cascadesOf(client, deleted)
    return { rows: rowsOf(plan), cost, ...(cascades.length === 0 ? {} : { cascades }) }
  } catch {
    return undefined
  } finally {
    await client.query('rollback')
  }
}

/** VERBOSE names the schemas of what is changed. */
const EXPLAIN = 'EXPLAIN (VERBOSE, FORMAT JSON)'

interface Explained extends pg.QueryResultRow {
  readonly 'QUERY PLAN': readonly { Plan?: Plan }[]
}

/** One statement, by the extended protocol: `queryMode` is not in @types/pg, and without values pg would use the simple one. */
function one<R extends pg.QueryResultRow>(client: pg.ClientBase, text: string): Promise<pg.QueryResult<R>> {
  const config: pg.QueryConfig & { readonly queryMode: 'extended' } = { text, queryMode: 'extended' }
  return client.query<R>(config)
}

/** Placeholders have no values here: a plan for any value. */
async function explainGeneric(client: pg.ClientBase, text: string): Promise<pg.QueryResult<Explained>> {
  await one(client, `PREPARE holdpoint_estimate AS ${text}`)
  try {
    const { rows } = await client.query<{ n: number }>(
      "select pg_catalog.cardinality(parameter_types) as n from pg_catalog.pg_prepared_statements where name = 'holdpoint_estimate'",
    )
    const values = Array.from({ length: rows[0]?.n ?? 0 }, () => 'null').join(', ')
    await client.query('set local plan_cache_mode = force_generic_plan')
    return await client.query<Explained>(`${EXPLAIN} EXECUTE holdpoint_estimate${values === '' ? '' : `(${values})`}`)
  } finally {
    // It outlives the transaction, and the connection goes back to be used again.
    await client.query('rollback; deallocate holdpoint_estimate')
  }
}

/**
 * Built-in types whose input functions look at nothing but the value, and their arrays: a value of another type is
 * not bound, because a domain's check may be anybody's function.
 */
const PLAIN: ReadonlyMap<number, string> = new Map(
  Object.entries({
    bool: [16, 1000],
    bytea: [17, 1001],
    int8: [20, 1016],
    int2: [21, 1005],
    int4: [23, 1007],
    text: [25, 1009],
    json: [114, 199],
    float4: [700, 1021],
    float8: [701, 1022],
    inet: [869, 1041],
    bpchar: [1042, 1014],
    varchar: [1043, 1015],
    date: [1082, 1182],
    time: [1083, 1183],
    timestamp: [1114, 1115],
    timestamptz: [1184, 1185],
    interval: [1186, 1187],
    numeric: [1700, 1231],
    uuid: [2950, 2951],
    name: [19, 1003],
    oid: [26, 1028],
    money: [790, 791],
    cidr: [650, 651],
    macaddr: [829, 1040],
    timetz: [1266, 1270],
    int4range: [3904, 3905],
    numrange: [3906, 3907],
    tsrange: [3908, 3909],
    tstzrange: [3910, 3911],
    daterange: [3912, 3913],
    int8range: [3926, 3927],
    jsonb: [3802, 3807],
  }).flatMap(([name, oids]) => oids.map((oid, i): [number, string] => [oid, `pg_catalog.${name}${'[]'.repeat(i)}`])),
)
/** More than this in one Bind is not sent a second time. */
const LARGEST_BOUND = 1024 * 1024

/** A plan for these very values, which travel in a Bind and are never part of a text. */
async function explainBound(
  client: pg.ClientBase,
  text: string,
  { types, values }: BoundParameters,
): Promise<Pick<pg.QueryResult<Explained>, 'rows'>> {
  const nothing = { rows: [] }
  if (values.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0) > LARGEST_BOUND) return nothing
  if (values.some(({ bytes, format }) => bytes !== null && format === 0 && !isUtf8(bytes))) return nothing
  const enums = await enumNames(client, types)
  const declared = types.map((oid) => (oid === 0 ? 'unknown' : (PLAIN.get(oid) ?? enums.get(oid))))
  if (declared.includes(undefined)) return nothing
  const known = await parameterTypes(client, text, declared.length === 0 ? '' : `(${declared.join(', ')})`)
  const more = await enumNames(client, known)
  if (known.length !== values.length || !known.every((oid) => PLAIN.has(oid) || more.has(oid))) return nothing
  // `types` is what pg puts into Parse, and what it asks for the parsers of what comes back.
  const config: pg.QueryConfig & { readonly types: unknown } = {
    text: `${EXPLAIN} ${text}`,
    values: values.map(({ bytes, format }) => (bytes === null || format === 1 ? bytes : bytes.toString('utf8'))),
    types: Object.assign([...known], { getTypeParser: pg.types.getTypeParser }),
  }
  return client.query<Explained>(config)
}

/** Enums of the target among these types, by name: reading a value of one looks it up in the catalogue, and runs nothing. */
async function enumNames(client: pg.ClientBase, oids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const other = oids.filter((oid) => oid !== 0 && !PLAIN.has(oid))
  if (other.length === 0) return new Map()
  const { rows } = await client.query<{ oid: number; name: string }>(
    `select t.oid::pg_catalog.int8::pg_catalog.float8 as oid, pg_catalog.format('%I.%I', n.nspname, t.typname) as name
     from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
     where t.typtype operator(pg_catalog.=) 'e' and t.oid operator(pg_catalog.=) any ($1::pg_catalog.int8[]::pg_catalog.oid[])`,
    [other.map(String)],
  )
  return new Map(rows.map((row) => [row.oid, row.name]))
}

/** Tables that rows are deleted from, or may be. */
function deletedFrom(plan: Plan): readonly { readonly schema: string; readonly name: string }[] {
  const { Operation: does, Schema: schema, 'Relation Name': name } = plan
  const here = (does === 'Delete' || does === 'Merge') && schema !== undefined && name !== undefined
  return [...(here ? [{ schema, name }] : []), ...(plan.Plans ?? []).flatMap(deletedFrom)]
}

/**
 * What foreign keys do when rows of these tables go, all the way down. How many rows is not guessed. Of an update it
 * is not said: whether it changes a key at all is not in a plan.
 */
async function cascadesOf(
  client: pg.ClientBase,
  deleted: readonly { readonly schema: string; readonly name: string }[],
): Promise<readonly Cascade[]> {
  await client.query("select pg_catalog.set_config('search_path', '', true)")
  const { rows } = await client.query<Cascade>(
    `with recursive gone as (
       select c.oid, true as first, 'deletes' as does from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join unnest($1::text[], $2::text[]) as t(schema, name) on t.schema = n.nspname::text and t.name = c.relname::text
       union
       select k.conrelid, false, case k.confdeltype when 'c' then 'deletes' else 'updates' end
       from gone g join pg_constraint k on k.confrelid = g.oid and k.contype = 'f' and k.confdeltype in ('c', 'n', 'd')
       where g.does = 'deletes')
     select distinct n.nspname || '.' || c.relname as "table", g.does
     from gone g join pg_class c on c.oid = g.oid join pg_namespace n on n.oid = c.relnamespace
     where not g.first and not c.relispartition order by 1, 2`,
    [deleted.map((one) => one.schema), deleted.map((one) => one.name)],
  )
  return rows
}

/** What the target takes the placeholders of `text` for. Analysing runs nothing; nothing is bound or planned. */
async function parameterTypes(client: pg.ClientBase, text: string, declared: string): Promise<readonly number[]> {
  await one(client, `PREPARE holdpoint_estimate ${declared} AS ${text}`)
  try {
    const { rows } = await client.query<{ types: readonly number[] }>(
      "select parameter_types::pg_catalog.oid[]::pg_catalog.int8[]::pg_catalog.float8[] as types from pg_catalog.pg_prepared_statements where name = 'holdpoint_estimate'",
    )
    await client.query('deallocate holdpoint_estimate')
    return rows[0]?.types ?? []
  } catch (error) {
    // It outlives the transaction, and the connection goes back to be used again.
    await client.query('rollback; deallocate holdpoint_estimate')
    throw error
  }
}

/** Rows that change, over every INSERT, UPDATE, DELETE or MERGE in the plan; rows that come back when nothing changes. */
export function rowsOf(plan: Plan): number {
  const changed = changes(plan)
  return changed ?? plan['Plan Rows'] ?? 0
}

function changes(plan: Plan): number | undefined {
  let sum: number | undefined
  const add = (rows: number): void => {
    sum = (sum ?? 0) + rows
  }
  if (plan['Node Type'] === 'ModifyTable') {
    for (const child of plan.Plans ?? [])
      if (!['InitPlan', 'SubPlan'].includes(child['Parent Relationship'] ?? '')) add(child['Plan Rows'] ?? 0)
  }
  for (const child of plan.Plans ?? []) {
    const below = changes(child)
    if (below !== undefined) add(below)
  }
  return sum
}
