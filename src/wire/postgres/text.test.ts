import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BodyReader } from './text.ts'

/** The rule restated: up to the first NUL, and every byte of it UTF-8. */
function slowly(bytes: Buffer, at: number): string | undefined {
  const end = bytes.indexOf(0, at)
  if (end < 0) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, end))
  } catch {
    return undefined
  }
}

test('a text ends at its NUL, whatever it is made of and however long it is', () => {
  const part = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.constantFrom('', 'P0_1', 'a'.repeat(63), 'a'.repeat(64), 'a'.repeat(65), `${'a'.repeat(63)}é`),
  )
  const bytes = fc.oneof(
    fc.array(part, { maxLength: 4 }).map((parts) => Buffer.from(parts.map((one) => `${one}\0`).join(''))),
    fc.uint8Array({ maxLength: 90 }).map((raw) => Buffer.from(raw)),
  )
  fc.assert(
    fc.property(bytes, fc.nat(3), (given, skipped) => {
      const at = Math.min(skipped, given.length)
      const reader = new BodyReader(given, at)
      const expected = slowly(given, at)
      const text = reader.cstring()
      expect(reader.ok).toBe(expected !== undefined)
      if (expected === undefined) return
      expect(text).toBe(expected)
      expect(reader.left).toBe(given.length - given.indexOf(0, at) - 1)
    }),
    { numRuns: 1000 },
  )
})
