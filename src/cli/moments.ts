import { parseDuration } from '../domain/time.ts'
import { usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

/**
 * A moment to come, in the machine's own time zone: `3d` from now, `18:00`, `friday` or `2026-11-27` to the end of that
 * day, or RFC 3339. Milliseconds since the epoch. @throws Stop
 */
export function momentOf(text: string, now: number, what: string): number {
  const word = text.trim().toLowerCase()
  const found = fromNow(word, now) ?? timeOfDay(word, now) ?? weekday(word, now) ?? written(text.trim())
  if (found === undefined || Number.isNaN(found))
    throw usage(
      `${what}: '${oneLine(text)}' is not a moment`,
      'As in friday, 18:00, 3d, 2026-11-27 or 2026-11-27T18:00Z.',
    )
  if (found <= now) throw usage(`${what}: ${oneLine(text)} is over already`)
  return found
}

const fromNow = (word: string, now: number): number | undefined => {
  const length = parseDuration(word)
  return length === undefined ? undefined : now + length
}

function timeOfDay(word: string, now: number): number | undefined {
  const [, hours, minutes] = /^([01]?[0-9]|2[0-3]):([0-5][0-9])$/.exec(word) ?? []
  if (hours === undefined) return undefined
  const date = new Date(now)
  date.setHours(Number(hours), Number(minutes), 0, 0)
  if (date.getTime() <= now) date.setDate(date.getDate() + 1)
  return date.getTime()
}

/** The end of the next such day; of today's, today. */
function weekday(word: string, now: number): number | undefined {
  const day = word.length < 3 ? -1 : WEEKDAYS.findIndex((name) => name.startsWith(word))
  if (day < 0) return undefined
  const date = new Date(now)
  return endOfDay(date.getFullYear(), date.getMonth(), date.getDate() + ((day - date.getDay() + 7) % 7))
}

function written(text: string): number | undefined {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? []
  if (year === undefined) return /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : undefined
  const end = endOfDay(Number(year), Number(month) - 1, Number(day))
  // The 31st of a shorter month is no day, whatever Date makes of it.
  const date = new Date(end)
  return date.getMonth() === Number(month) - 1 && date.getDate() === Number(day) ? end : undefined
}

const endOfDay = (year: number, month: number, day: number): number => new Date(year, month, day, 23, 59, 59).getTime()
