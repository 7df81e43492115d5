import type { Found } from './walk.ts'

/**
 * Views and tables of PostgreSQL's own of which some columns are no ordinary reading: passwords of foreign servers and
 * publishers, and values out of any table, which ANALYZE copies into the statistics.
 */
const GUARDED: ReadonlyMap<string, RegExp> = new Map([
  ['pg_catalog.pg_user_mappings', /^umoptions$/],
  ['pg_catalog.pg_subscription', /^subconninfo$/],
  ['pg_catalog.pg_statistic', /^stavalues[1-5]$/],
  ['pg_catalog.pg_statistic_ext_data', /^stxd(?:mcv|expr)$/],
  ...['pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs'].map((view): [string, RegExp] => [
    `pg_catalog.${view}`,
    /^(?:most_common_(?:vals|elems)|histogram_bounds|range_bounds_histogram)$/,
  ]),
])
/** Built-in functions of one argument that give a whole row back, which `alias.function` calls too. */
const READS_ROW =
  /^(?:\w+_out|\w+_send|array_agg|concat|concat_ws|first_value|last_value|format|jsonb?_(?:agg|build)\w*|lag|lead|max|min|mode|any_value|quote_literal|quote_nullable|row_to_json|to_jsonb?|hash_record|text|varchar|bpchar|name|jsonb?|xml)$/

export const isGuarded = (relation: string): boolean => GUARDED.has(relation)

/**
 * Which of them a statement may get at the guarded columns of: it names one of those columns, all columns or the whole
 * row, or gives columns other names. Undefined when it cannot.
 */
export function readsGuarded(found: Found): string | undefined {
  const { columns, fields, aliases } = found
  return [...found.guarded].find((relation) => {
    const secret = GUARDED.get(relation)
    if (secret === undefined) return false
    if (found.renames || columns.has('*')) return true
    for (const name of columns) if (secret.test(name) || aliases.has(name)) return true
    for (const name of fields) if (secret.test(name) || READS_ROW.test(name)) return true
    return false
  })
}
