import type { Brand } from './ids.ts'

/** Milliseconds since the Unix epoch by the database's clock. */
export type Instant = Brand<number, 'Instant'>
/** A length of time in whole milliseconds. */
export type Millis = Brand<number, 'Millis'>

export const instant = (ms: number): Instant => ms as Instant
export const millis = (ms: number): Millis => ms as Millis
export const after = (start: Instant, length: Millis): Instant => (start + length) as Instant

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Ten years: nothing in Holdpoint lasts longer, so a larger number is a mistake. */
const LONGEST = 3_650 * 86_400_000

/**
 * `90s`, `15m`, `8h`, `90d`, `1h30m`. Positive whole numbers with a unit, largest unit first or not;
 * undefined for everything else (a sign, a fraction, no unit, zero, over ten years).
 */
export function parseDuration(text: string): Millis | undefined {
  if (!/^(?:[0-9]{1,9}(?:ms|[smhd]))+$/.test(text)) return undefined
  let total = 0
  for (const [, n, unit] of text.matchAll(/([0-9]+)(ms|[smhd])/g))
    total += Number(n) * (UNITS[unit ?? ''] ?? Number.NaN)
  return total > 0 && total <= LONGEST ? millis(total) : undefined
}

/** The shortest exact spelling that `parseDuration` reads back: `5400000` is `1h30m`. */
export function formatDuration(length: number): string {
  let rest = Math.round(length)
  if (rest <= 0) return '0s'
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = UNITS[unit] ?? 1
    const n = Math.floor(rest / size)
    if (n > 0) text += `${n}${unit}`
    rest -= n * size
  }
  return text
}
