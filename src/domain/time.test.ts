import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './time.ts'

const MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const
type Unit = keyof typeof MS
const UNITS = Object.keys(MS) as readonly Unit[]
const TEN_YEARS = 3_650 * MS.d

test('every length up to ten years is read back from how it is written, and written one way', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: TEN_YEARS }), fc.constant(TEN_YEARS)),
      (length) => {
        const text = formatDuration(length)
        expect(parseDuration(text)).toBe(length)
        expect(formatDuration(parseDuration(text) ?? 0)).toBe(text)
      },
    ),
  )
})

test('each unit stands at most once, the largest first: any other order or repeat is no length of time', () => {
  const part = fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.constantFrom(...UNITS))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const places = parts.map(([, unit]) => UNITS.indexOf(unit))
      const falls = places.every((place, i) => i === 0 || place > (places[i - 1] ?? place))
      const total = parts.reduce((sum, [n, unit]) => sum + n * MS[unit], 0)
      const expected = falls && total > 0 && total <= TEN_YEARS ? total : undefined
      expect(parseDuration(parts.map(([n, unit]) => `${n}${unit}`).join(''))).toBe(expected)
    }),
    { numRuns: 1_000 },
  )
})

test.each(['1h1h', '30m1h', '1ms1s', '1s1m1s', '1h1h30m'])('%s is not a length of time', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})

test.each([
  '',
  '0s',
  '0d0h',
  '-1h',
  '+1h',
  '1.5h',
  '1e3s',
  '90',
  'h',
  '1 h',
  ' 1h',
  '1h\n',
  '1H',
  '١h',
  '1234567890s',
  '3651d',
  '1w',
])('%j is not a length of time', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})
