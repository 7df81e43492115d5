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
    // Placeholders have no values here: their types and a plan for any value, as far as the server can (16 and newer).
    const generic = /\$[0-9]/.test(text) && (await version(client)) >= 160000 ? ', GENERIC_PLAN' : ''
    await client.query("select pg_catalog.set_config('search_path', $1, true)", [searchPath])
    // `queryMode` is not in @types/pg: without values, pg would otherwise use the simple protocol.
    const config: pg.QueryConfig & { readonly queryMode: 'extended' } = {
      text: `EXPLAIN (FORMAT JSON${generic}) ${text}`,
      queryMode: 'extended',
    }
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan?: Plan }[] }>(config)
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

async function version(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    "select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as n",
  )
  return rows[0]?.n ?? 0
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
