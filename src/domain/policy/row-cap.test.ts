import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PrincipalId, ResourceName, Revision } from '../ids.ts'
import { VERBS } from '../verb.ts'
import { buildSnapshot } from './build-snapshot.ts'
import { readBody } from './documents.ts'
import { capWords, parseFactor, rowCapOf, strictestCap } from './row-cap.ts'
import type { CapRule } from './row-cap.ts'

const rules = fc.oneof(
  fc.integer({ min: 1, max: 10_000 }).map((rows): CapRule => ({ rows })),
  fc.integer({ min: 100, max: 999 }).map((hundredths): CapRule => ({ factor: hundredths / 100 })),
)
const guesses = fc.option(fc.oneof(fc.nat(5_000), fc.constant(Number.NaN), fc.constant(-1)), { nil: undefined })
const READING = new Set(['connect', 'read', 'export', 'shell', 'forward', 'transfer', 'run', 'apply', 'assume'])

/** Tries every number of rows from the smallest on: the largest that no rule forbids. Slow, and plainly right. */
function mayTouch(rows: number, all: readonly CapRule[], guess: number): boolean {
  return all.every((rule) =>
    'rows' in rule ? rows <= rule.rows : rows <= Math.ceil(Number((guess * rule.factor).toFixed(6))),
  )
}

describe('a row cap', () => {
  it('is the most that no matching rule forbids, and asks for a number where a multiple of nothing known is asked', () => {
    fc.assert(
      fc.property(fc.array(rules, { maxLength: 4 }), guesses, fc.constantFrom(...VERBS), (all, rows, verb) => {
        const cap = rowCapOf(all, { verb, facts: rows === undefined ? {} : { estimate: { rows, cost: 1 } } })
        const known = rows !== undefined && rows >= 0
        const inForce = READING.has(verb) ? [] : all
        const sure = known ? inForce : inForce.filter((rule) => 'rows' in rule)
        expect(cap === undefined).toBe(inForce.length === 0)
        expect(cap?.needsNumber === true).toBe(!known && inForce.some((rule) => 'factor' in rule))
        expect(cap?.rows === undefined).toBe(sure.length === 0)
        const most = cap?.rows
        const asked = most === undefined ? [] : [mayTouch(most, sure, rows ?? 0), mayTouch(most + 1, sure, rows ?? 0)]
        expect(asked).toEqual(most === undefined ? [] : [true, false])
      }),
      { numRuns: 2_000 },
    )
  })

  it('is never loosened by another one, in whatever order they come', () => {
    const caps = fc.array(
      fc.record({ rows: fc.nat(100), needsNumber: fc.constant(true as const) }, { requiredKeys: [] }),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(caps, (all) => {
        const whole = strictestCap(all)
        expect(strictestCap(all.toReversed())).toEqual(whole)
        for (const one of all) {
          expect(one.rows === undefined || (whole?.rows ?? Infinity) <= one.rows).toBe(true)
          expect(one.needsNumber === true ? whole?.needsNumber : true).toBe(true)
        }
      }),
    )
    expect(strictestCap([undefined, undefined])).toBeUndefined()
  })

  it('is written as a number or as a multiple, and read back by people', () => {
    expect(['1.5x', '1x', '2.25x', '999.99x'].map(parseFactor)).toEqual([1.5, 1, 2.25, 999.99])
    for (const wrong of ['0.5x', '0x', '1.5', 'x', '1,5x', '-1x', '1e3x', '1000x', '1.555x', ' 2x', '2x\n'])
      expect({ wrong, factor: parseFactor(wrong) }).toEqual({ wrong, factor: undefined })
    expect(capWords({ rows: 1806 })).toBe('at most 1,806 rows')
    expect(capWords({ rows: 1, needsNumber: true })).toContain('every approval must name')
  })
})

/** The numbers of a decision over documents, as the gateway gets them. */
function decideWith(verb: 'delete' | 'read' | 'connect', rules: readonly object[], rows?: number) {
  const bodies = [
    {
      kind: 'Resource',
      name: 'shop-db',
      connect: 'postgres://shop.internal/shop',
      env: 'prod',
      classification: 'internal',
      owners: [{ layer: 'service', team: 'payments', decides: ['write', 'delete'] }],
    },
    { kind: 'Team', name: 'payments', members: ['mia'] },
    ...rules,
  ]
  const documents = bodies.map((body) => {
    const document = readBody(body as Readonly<Record<string, unknown>>)
    if (document === undefined) throw new Error(`not valid: ${JSON.stringify(body)}`)
    return document
  })
  const person = (id: string) => ({
    id: id as PrincipalId,
    kind: 'user' as const,
    displayName: id,
    roles: [],
    disabled: false,
  })
  const snapshot = buildSnapshot({ revision: 1 as Revision, documents }, [person('ana'), person('mia')])
  const scope = snapshot.scope(person('ana'), 'shop-db' as ResourceName)
  if (scope === undefined) throw new Error('no scope')
  const facts = rows === undefined ? {} : { estimate: { rows, cost: 1 } }
  const context = { now: 0, sourceAddress: '', sessionStatements: 0 }
  return { scope, decision: scope.decide({ resource: 'shop-db' as ResourceName, verb, facts }, context) }
}
const hold = (name: string, rowCap: number | string) => ({
  kind: 'Rule',
  name,
  on: { verbs: ['delete'] },
  hold: { reviews: [{ from: 'owners' }], rowCap },
})
const allow = (name: string, verbs: readonly string[], rowsAtMost: number) => ({
  kind: 'Rule',
  name,
  on: { verbs },
  allow: { rowsAtMost },
})

it('the strictest of all matching holds counts, and a multiple has the planner asked', () => {
  const both = [hold('a', 500), hold('b', '1.5x')]
  expect(decideWith('delete', both, 1204).decision).toMatchObject({ terms: { rowCap: { rows: 500 } } })
  expect(decideWith('delete', both, 10).decision).toMatchObject({ terms: { rowCap: { rows: 15 } } })
  expect(decideWith('delete', both).decision).toMatchObject({ terms: { rowCap: { rows: 500, needsNumber: true } } })
  expect(decideWith('delete', both).scope.needsEstimate('delete')).toBe(true)
  expect(decideWith('delete', [hold('a', 500)]).scope.needsEstimate('delete')).toBe(false)
})

it('the fewest rows of all matching allows count; opening a session returns none', () => {
  const reads = [allow('a', ['connect', 'read'], 500), allow('b', ['read'], 40)]
  expect(decideWith('read', reads).decision).toMatchObject({ outcome: 'allow', rowsAtMost: 40 })
  expect(decideWith('connect', reads).decision).not.toHaveProperty('rowsAtMost')
})
