import { expect, it } from 'vitest'
import { momentOf } from './moments.ts'

/** Tuesday. */
const NOW = new Date(2026, 10, 24, 10, 30).getTime()
const at = (text: string): number => momentOf(text, NOW, '--until')
const day = (date: number, ...rest: readonly number[]): number =>
  new Date(2026, 10, date, rest[0] ?? 23, rest[1] ?? 59, rest[2] ?? 59).getTime()

it.each([
  ['friday', day(27)],
  ['Fri', day(27)],
  ['tuesday', day(24)],
  ['monday', day(30)],
  ['18:00', day(24, 18, 0, 0)],
  ['9:15', day(25, 9, 15, 0)],
  ['3d', NOW + 3 * 86_400_000],
  ['2026-11-27', day(27)],
  ['2026-11-27T18:00:00Z', Date.parse('2026-11-27T18:00:00Z')],
])('%s', (text, moment) => {
  expect(at(text)).toBe(moment)
})

it.each(['', 'f', 'someday', '25:00', '2026-02-31', '2026-13-01', '2026-11-23', '2020-01-01T00:00:00Z', '-3d', 'NaN'])(
  '%s is no moment to come',
  (text) => {
    expect(() => at(text)).toThrow(/is not a moment|is over already/)
  },
)
