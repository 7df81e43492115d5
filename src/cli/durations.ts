import { parseDuration } from '../domain/time.ts'
import type { Millis } from '../domain/time.ts'
import { usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'

/** A length of time from an option or an argument. @throws Stop */
export function durationOf(text: string, what: string): Millis {
  const length = parseDuration(text)
  if (length === undefined)
    throw usage(`${what}: '${oneLine(text)}' is not a length of time`, 'As in 90s, 30m, 8h or 1h30m.')
  return length
}
