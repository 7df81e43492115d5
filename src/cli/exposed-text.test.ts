import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exposeLines, hasExposed, oneLine, safeJson } from './exposed-text.ts'

/** Text that is likely to be trouble: SQL's own characters, look-alikes, controls, marks, halves of surrogate pairs. */
const trouble = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      ...Array.from(
        'SELEct \'";-()1_\n\t\r aаoοеİıßéе́⟨⟩U+202E\u202e\u200b\u00a0\u2028\u2066\u001b\u009b\u0000\ud800\udc00𝒂ｆ😀│┆’漢Ивàñ\u{e0041}',
      ),
    ),
    fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)),
  ),
})
const decode = (shown: string): string =>
  shown.replace(/⟨U\+([0-9A-F]+)⟩/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))

test('two different payloads never look alike: what is shown leads back to exactly one', () => {
  fc.assert(
    fc.property(trouble, (text) => decode(exposeLines(text).join('\n')) === text),
    { numRuns: 3_000 },
  )
})

test('one line of text leads back to itself', () => {
  fc.assert(
    fc.property(trouble, (text) => decode(oneLine(text)) === text),
    { numRuns: 3_000 },
  )
  expect(oneLine('⟨U+0041⟩')).toBe('⟨U+27E8⟩U+0041⟩')
})

test('nothing that is shown is obeyed by a terminal, or unseen', () => {
  const obeyed = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
  fc.assert(
    fc.property(trouble, (text) => {
      expect(exposeLines(text).join('\n')).not.toMatch(obeyed)
      expect(oneLine(text)).not.toMatch(obeyed)
      expect(oneLine(text)).not.toContain('\n')
    }),
    { numRuns: 3_000 },
  )
})

test('JSON keeps its value, and holds nothing that a terminal obeys', () => {
  fc.assert(
    fc.property(trouble, (text) => {
      const json = safeJson({ text })
      expect(JSON.parse(json)).toEqual({ text })
      expect(json).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ['plain SQL stays as it is', "SELECT 1 -- it's fine", "SELECT 1 -- it's fine"],
  [
    'a word in another alphabet stays readable',
    "name = 'Иван' OR name = '山田' OR name = 'José'",
    "name = 'Иван' OR name = '山田' OR name = 'José'",
  ],
  ['a Cyrillic a among Latin letters', 'c\u0430rts', 'c⟨U+0430⟩rts'],
  ['a whole word of look-alikes', '\u0440\u0430\u0443', '⟨U+0440⟩⟨U+0430⟩⟨U+0443⟩'],
  ['a fullwidth letter', '\uff24ROP', '⟨U+FF24⟩ROP'],
  ['an accent of its own', 'e\u0301', 'e⟨U+0301⟩'],
  ['a typographic quote', '\u2019x\u2019', '⟨U+2019⟩x⟨U+2019⟩'],
  ['a pretended escape', '⟨U+0041⟩', '⟨U+27E8⟩U+0041⟨U+27E9⟩'],
  ['spaces at the end', 'a  ', 'a⟨U+0020⟩⟨U+0020⟩'],
  ['a carriage return', 'a\rb', 'a⟨U+000D⟩b'],
])('%s', (_, text, shown) => {
  expect(exposeLines(text)).toEqual([shown])
  expect(hasExposed(text)).toBe(text !== shown)
})
