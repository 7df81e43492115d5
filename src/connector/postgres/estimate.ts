import type pg from 'pg'
import type { Estimate } from '../../domain/action.ts'

/** Longest time that planning may take, in ms. */
const PLAN_WITHIN = 2000

interface Plan {
  readonly 'Node Type'?: string
  readonly 'Plan Rows'?: number
  readonly 'Total Cost'?: number
  readonly 'Parent Relationship'?: string
  readonly Plans?: readonly Plan[]
}

/**
 * The planner's guess for one statement, in a read-only transaction that is rolled back. The extended protocol
 * carries it, so that a second statement in the text is refused. Undefined when the target will not plan it.
 */
export async function explain(client: pg.ClientBase, text: string, searchPath: string): Promise<Estimate | undefined> {
  await client.query('begin read only')
  try {
    await client.query(
      `set local statement_timeout = ${PLAN_WITHIN}; set local lock_timeout = ${PLAN_WITHIN}; set local idle_in_transaction_session_timeout = '10s'`,
    )
    await client.query("select pg_catalog.set_config('search_path', $1, true)", [searchPath])
    const { rows } = await (/\$[0-9]/.test(text)
      ? explainGeneric(client, text)
      : one<Explained>(client, `EXPLAIN (FORMAT JSON) ${text}`))
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    const cost = plan?.['Total Cost']
    if (plan === undefined || cost === undefined) return undefined
    return { rows: rowsOf(plan), cost }
  } catch {
    return undefined
  } finally {
    await client.query('rollback')
  }
}

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
    return await client.query<Explained>(
      `EXPLAIN (FORMAT JSON) EXECUTE holdpoint_estimate${values === '' ? '' : `(${values})`}`,
    )
  } finally {
    // It outlives the transaction, and the connection goes back to be used again.
    await client.query('rollback; deallocate holdpoint_estimate')
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
