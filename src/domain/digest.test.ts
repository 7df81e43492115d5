import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from './canonical.ts'
import { connectDigest, statementDigest, windowDigest } from './digest.ts'
import type { StatementIdentity } from './digest.ts'
import type { PrincipalId, ResourceName } from './ids.ts'
import { millis } from './time.ts'

const utf8 = new TextEncoder()
const base: StatementIdentity = {
  resource: 'shop-db' as ResourceName,
  principal: 'ana' as PrincipalId,
  text: utf8.encode('DELETE FROM carts WHERE id = $1'),
  protocol: 'extended',
  parameters: [{ format: 0, bytes: utf8.encode('1') }],
  parameterTypes: [23],
  state: {
    database: 'shop',
    role: 'app',
    searchPath: 'public',
    encoding: 'UTF8',
    timeZone: 'UTC',
    standardConformingStrings: true,
    inTransaction: false,
    temporaryObjects: ['a', 'b'],
  },
}

describe('statement digest', () => {
  it('is the same for the same thing, and golden', () => {
    expect(statementDigest(base)).toBe(
      statementDigest({ ...base, state: { ...base.state, temporaryObjects: ['b', 'a'] } }),
    )
    expect(statementDigest(base)).toMatch(/^[0-9a-f]{64}$/)
    expect(statementDigest(base)).toBe('8ba5221c291a352dd3a6ba28d6cd56c40b0ba386e55d52b965c4c869663b1b69')
  })

  it('differs when anything that the target would be asked differs', () => {
    const others: StatementIdentity[] = [
      { ...base, resource: 'pay-db' as ResourceName },
      { ...base, principal: 'bot' as PrincipalId },
      { ...base, text: utf8.encode('DELETE FROM carts WHERE id = $1 ') },
      { ...base, protocol: 'simple' },
      { ...base, parameters: [] },
      { ...base, parameters: [{ format: 0, bytes: null }] },
      { ...base, parameters: [{ format: 0, bytes: new Uint8Array(0) }] },
      { ...base, parameters: [{ format: 1, bytes: utf8.encode('1') }] },
      { ...base, parameters: [{ format: 0, bytes: utf8.encode('2') }] },
      { ...base, parameterTypes: [20] },
      { ...base, rowLimit: 1 },
      { ...base, run: ['write'] },
      { ...base, run: ['delete', 'write'] },
      ...(
        [
          { database: 'other' },
          { role: 'postgres' },
          { searchPath: 'evil, public' },
          { encoding: 'SJIS' },
          { timeZone: 'Europe/Paris' },
          { standardConformingStrings: false },
          { inTransaction: true },
          { temporaryObjects: ['a'] },
          { settings: { DateStyle: 'SQL, DMY' } },
          { settings: { DateStyle: 'SQL, MDY' } },
        ] as const
      ).map((changed) => ({ ...base, state: { ...base.state, ...changed } })),
    ]
    const digests = [base, ...others].map(statementDigest)
    expect(new Set(digests).size).toBe(digests.length)
  })

  it('tells apart any two texts and any two splits of parameters', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }),
        fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }),
        (a, b) => {
          const same = a.length === b.length && a.every((x, i) => Buffer.from(x).equals(Buffer.from(b[i] ?? [])))
          const of = (list: Uint8Array[]) =>
            statementDigest({ ...base, parameters: list.map((bytes) => ({ format: 0, bytes })) })
          return (of(a) === of(b)) === same
        },
      ),
    )
  })

  it('never lets one kind stand for another', () => {
    const window = windowDigest({
      resource: base.resource,
      principal: base.principal,
      verbs: ['write'],
      length: millis(1),
    })
    const connect = connectDigest({
      resource: base.resource,
      principal: base.principal,
      database: 'shop',
      client: '\ud800',
      sourceAddress: '::1',
    })
    expect(window).not.toBe(connect)
    expect(
      windowDigest({ resource: base.resource, principal: base.principal, verbs: ['write', 'read'], length: millis(1) }),
    ).toBe(
      windowDigest({ resource: base.resource, principal: base.principal, verbs: ['read', 'write'], length: millis(1) }),
    )
  })
})

describe('canonical JSON', () => {
  it('does not depend on the order of keys, and refuses what two parsers would read as two things', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 2, noUnicodeString: false })),
        (value) => {
          const turned = Object.fromEntries(Object.entries(value).reverse())
          expect(canonical(turned)).toBe(canonical(value))
          expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)))
        },
      ),
    )
    expect(() => canonical({ a: '\ud800' })).toThrow()
    expect(() => canonical(Number.NaN)).toThrow()
    expect(() => canonical(undefined)).toThrow()
    expect(canonical({ b: 1e21, a: ['\u20ac', 1.5, -0] })).toBe('{"a":["€",1.5,0],"b":1e+21}')
  })
})
