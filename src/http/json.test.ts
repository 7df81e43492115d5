import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEEPEST, parseJson } from './json.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const refusal = (text: string): string => {
  const parsed = parseJson(bytes(text))
  return parsed.ok ? `accepted ${JSON.stringify(parsed.value)}` : parsed.message
}
const storable = (value: unknown): boolean =>
  !JSON.stringify(value).includes('\\u0000') && JSON.stringify(value).isWellFormed()

describe('parseJson', () => {
  it('reads what JSON.parse reads, to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const oracle: unknown = JSON.parse(text)
        fc.pre(storable(oracle) && !/"(?:__proto__|constructor|prototype)":/.test(text))
        expect(parseJson(bytes(text))).toEqual({ ok: true, value: oracle })
      }),
    )
  })

  it('never accepts what JSON.parse refuses, and never throws', () => {
    const valid = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value))
    fc.assert(
      fc.property(valid, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }), (text, at, insert) => {
        const cut = at % (text.length + 1)
        const mutated = text.slice(0, cut) + insert + text.slice(cut + (at % 2))
        const parsed = parseJson(bytes(mutated))
        // Throws where JSON.parse would refuse what was accepted.
        const oracle: unknown = parsed.ok ? JSON.parse(new TextDecoder().decode(bytes(mutated))) : undefined
        expect(parsed.ok ? parsed.value : undefined).toEqual(oracle)
      }),
      { numRuns: 2_000 },
    )
  })

  it('never throws for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (input) => void parseJson(input)))
  })

  it.each(['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])('refuses the key %s, at any depth', (key) => {
    expect(refusal(`{"a":[{"${key}":{"polluted":true}}]}`)).toContain('forbidden key')
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it.each(['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"x":{"a":1,"b":2,"a":1}}'])(
    'refuses a key that stands twice: %s',
    (text) => {
      expect(refusal(text)).toContain('twice')
    },
  )

  it('takes objects as deep as the API nests, and refuses 100,000 levels without running out of stack', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(parseJson(bytes(nested(DEEPEST))).ok).toBe(true)
    expect(refusal(nested(100_000))).toContain('nested')
    expect(refusal('{"a":'.repeat(100_000))).toContain('nested')
  })

  it.each([
    ['1e309', 'too large'],
    ['[-1e999]', 'too large'],
    ['NaN', 'not JSON'],
    ['Infinity', 'not JSON'],
    ['01', 'behind its end'],
    ['+1', 'not JSON'],
    ['.5', 'not JSON'],
    ["{'a':1}", 'double quotes'],
    ['{"a":1,}', 'double quotes'],
    ['[1,]', 'not JSON'],
    ['{} {}', 'behind its end'],
    ['', 'ends too early'],
    ['"\\x41"', 'escape'],
    ['"\n"', 'control character'],
    ['"\\u0000"', 'NUL'],
    ['"\\ud800"', 'surrogate'],
    ['\ufeff{}', 'not JSON'],
    ['// no\n{}', 'not JSON'],
    ['"open', 'ends inside'],
  ])('refuses %j', (text, message) => {
    expect(refusal(text)).toContain(message)
  })

  it('refuses bytes that are not UTF-8', () => {
    for (const raw of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ]) {
      expect(parseJson(Uint8Array.from(raw))).toMatchObject({ ok: false, message: 'is not valid UTF-8' })
    }
  })
})
