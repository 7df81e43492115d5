import type { Estimate } from '../action.ts'
import type { Verb } from '../verb.ts'

/** A cap as a rule writes it: `500` rows, or `1.5x` of the estimate. */
export type CapRule = { readonly rows: number } | { readonly factor: number }

/**
 * How many rows an approved change may touch: cascades, triggers and rewritten statements counted.
 * `needsNumber`: a rule caps at a multiple of an estimate that could not be had. What it comes to is not known, so every
 * approval must say a number, and a window covers nothing by itself.
 */
export interface RowCap {
  /** The strictest of what could be computed. */
  readonly rows?: number
  readonly needsNumber?: true
}

/** Most rows that a cap may name; counting stays exact far beyond it. */
export const MOST_ROWS = 1_000_000_000_000

const FACTOR = /^([0-9]{1,3}(?:\.[0-9]{1,2})?)x$/

/** `1.5x`; undefined for anything but a factor from 1 to 999.99 with at most two decimals. */
export function parseFactor(text: string): number | undefined {
  const factor = Number(FACTOR.exec(text)?.[1])
  return factor >= 1 ? factor : undefined
}

/** Verbs under which rows change, or may. Nothing is capped under the others. */
const CHANGING: ReadonlySet<Verb> = new Set(['write', 'delete', 'schema', 'exec', 'admin', 'unknown'])
/** Whether a cap says anything about this verb. */
export const changesRows = (verb: Verb): boolean => CHANGING.has(verb)

/** What the rules come to for one action; undefined when none of them caps it. An estimate that is no number is none. */
export function rowCapOf(
  rules: readonly CapRule[],
  { verb, facts: { estimate } }: { readonly verb: Verb; readonly facts: { readonly estimate?: Estimate } },
): RowCap | undefined {
  if (rules.length === 0 || !changesRows(verb)) return undefined
  const guess = estimate !== undefined && estimate.rows >= 0 && estimate.rows <= MOST_ROWS ? estimate.rows : undefined
  return strictestCap(
    rules.map((rule): RowCap => {
      if ('rows' in rule) return { rows: rule.rows }
      return guess === undefined ? { needsNumber: true } : { rows: Math.min(MOST_ROWS, scaled(guess, rule.factor)) }
    }),
  )
}

/** Rounded up, by hundredths: 1.1 times 10 is 11, not 12. */
const scaled = (rows: number, factor: number): number => Math.ceil((Math.ceil(rows) * Math.round(factor * 100)) / 100)

/** The strictest of several; undefined of none. */
export function strictestCap(caps: readonly (RowCap | undefined)[]): RowCap | undefined {
  const given = caps.filter((cap) => cap !== undefined)
  if (given.length === 0) return undefined
  const rows = fewest(given.map((cap) => cap.rows))
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(given.some((cap) => cap.needsNumber === true) ? { needsNumber: true as const } : {}),
  }
}

/** The smallest that is given; undefined when none is. */
export function fewest(numbers: readonly (number | undefined)[]): number | undefined {
  let found: number | undefined
  for (const one of numbers) if (one !== undefined && (found === undefined || one < found)) found = one
  return found
}

/** `at most 1,806 rows`, for people. */
export function capWords({ rows, needsNumber }: RowCap): string {
  const known = rows === undefined ? '' : `at most ${rows.toLocaleString('en-US')} ${rows === 1 ? 'row' : 'rows'}`
  if (needsNumber !== true) return known
  const must = 'a number that every approval must name, because the estimate it multiplies is not known'
  return known === '' ? must : `${known}, and ${must}`
}
