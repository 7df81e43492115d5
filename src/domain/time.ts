import type { Brand } from './ids.ts'

/** Milliseconds since the Unix epoch by the database's clock. */
export type Instant = Brand<number, 'Instant'>
/** A length of time in whole milliseconds. */
export type Millis = Brand<number, 'Millis'>

export const instant = (ms: number): Instant => ms as Instant
export const millis = (ms: number): Millis => ms as Millis
export const after = (start: Instant, length: Millis): Instant => (start + length) as Instant

/** The largest first, as they are written. */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const
/** Ten years: nothing in Holdpoint lasts longer, so a larger number is a mistake. */
const LONGEST = 3_650 * 86_400_000

/** Days, hours, minutes, seconds, milliseconds: each at most once and in this order, so that a length reads one way. */
export const DURATION =
  /^(?=[0-9])(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?$/

/**
 * `90s`, `15m`, `8h`, `90d`, `1h30m`. Positive whole numbers with a unit, as in `DURATION`; undefined for everything
 * else (a unit twice or out of order, a sign, a fraction, no unit, zero, over ten years).
 */
export function parseDuration(text: string): Millis | undefined {
  const found = DURATION.exec(text)
  if (found === null) return undefined
  const total = UNITS.reduce((sum, [, size], i) => sum + Number(found[i + 1] ?? 0) * size, 0)
  return total > 0 && total <= LONGEST ? millis(total) : undefined
}

/** The shortest exact spelling that `parseDuration` reads back: `5400000` is `1h30m`. */
export function formatDuration(length: number): string {
  let rest = Math.round(length)
  if (rest <= 0) return '0s'
  let text = ''
  for (const [unit, size] of UNITS) {
    const n = Math.floor(rest / size)
    if (n > 0) text += `${n}${unit}`
    rest -= n * size
  }
  return text
}
