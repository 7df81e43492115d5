import { HARMLESS_VOLATILE, NOT_HARMLESS } from '../src/classify/postgres/function-review.ts'

/** One row of pg_proc, as `FUNCTIONS_SQL` reads it. */
export interface BuiltIn {
  readonly name: string
  readonly arguments: number
  readonly defaults: number
  readonly variadic: boolean
  /** Takes `internal`, or returns what only a trigger or a handler may: no statement can call it. */
  readonly internal: boolean
  readonly volatility: 'i' | 's' | 'v'
}

/** PostgreSQL's own functions: object ids below 16384 are those that initdb made. */
export const FUNCTIONS_SQL = `
  select proname::text as name, pronargs::int as arguments, pronargdefaults::int as defaults, provariadic <> 0 as variadic,
    provolatile::text as volatility,
    'internal'::regtype = any(proargtypes) or prorettype in
      ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'fdw_handler'::regtype, 'index_am_handler'::regtype,
       'table_am_handler'::regtype, 'tsm_handler'::regtype, 'language_handler'::regtype) as internal
  from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384 and prokind <> 'p'`

/** More arguments than this are one case: no built-in function without VARIADIC takes as many. */
export const MOST = 20

const accepts = (f: BuiltIn): number[] => {
  const least = f.variadic ? f.arguments - 1 : f.arguments - f.defaults
  const most = f.variadic ? MOST : f.arguments
  return Array.from({ length: most - least + 1 }, (_, i) => least + i)
}

const isHarmless = (f: BuiltIn, arity: number): boolean =>
  !f.internal &&
  (f.volatility !== 'v' || HARMLESS_VOLATILE.includes(f.name)) &&
  !NOT_HARMLESS.includes(f.name) &&
  !NOT_HARMLESS.includes(`${f.name}/${arity}`)

/**
 * For each name the numbers of arguments with which every overload, in every version given, is harmless; and the
 * names that have a number of arguments with which some overload is not.
 */
export function judgeFunctions(all: readonly BuiltIn[]): {
  harmless: Map<string, number[]>
  others: Map<string, number[]>
} {
  const good = new Map<string, Set<number>>()
  const bad = new Map<string, Set<number>>()
  for (const f of all) {
    for (const arity of accepts(f)) {
      const into = isHarmless(f, arity) ? good : f.internal ? undefined : bad
      if (into === undefined) continue
      const set = into.get(f.name) ?? new Set<number>()
      into.set(f.name, set.add(arity))
    }
  }
  const harmless = new Map<string, number[]>()
  for (const [name, arities] of good) {
    const left = [...arities].filter((n) => !bad.get(name)?.has(n)).sort((a, b) => a - b)
    if (left.length > 0) harmless.set(name, left)
  }
  return { harmless, others: new Map([...bad].map(([name, set]) => [name, [...set].sort((a, b) => a - b)])) }
}
