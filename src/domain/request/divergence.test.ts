import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PrincipalId } from '../ids.ts'
import { divergences, divergenceWords, lookers } from './divergence.ts'
import type { Done, Touched } from './divergence.ts'

const touched = (object: string, deleted: number, within: readonly string[] = []): Touched => ({
  object,
  within,
  inserted: 0,
  updated: 0,
  deleted,
})
const kinds = (estimated: number | undefined, done: Done, objects = ['public.carts']) =>
  divergences({ objects, ...(estimated === undefined ? {} : { estimate: { rows: estimated, cost: 1 } }) }, done).map(
    (one) => one.kind,
  )
const done = (...all: Touched[]): Done => ({ outcome: 'succeeded', touched: all })

describe('a divergence', () => {
  it('is more than twice the estimate, and at least ten rows above it', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(300), (estimated, rows) => {
        const differs = rows > 2 * estimated && rows >= estimated + 10
        expect(kinds(estimated, done(touched('public.carts', rows)))).toEqual(differs ? ['more_rows'] : [])
      }),
    )
    // Without an estimate there is nothing to be more than.
    expect(kinds(undefined, done(touched('public.carts', 1_000_000)))).toEqual([])
  })

  it('is an object that was not named, as itself or as what it is part of', () => {
    expect(kinds(1, done(touched('public.orders', 1)))).toEqual(['other_objects'])
    expect(kinds(1, done(touched('public.carts_2026', 1, ['public.carts'])))).toEqual([])
    expect(kinds(1, done(touched('pg_temp_3.scratch', 1)))).toEqual([])
    expect(kinds(1, done(touched('public.orders', 1)), ['public.carts', 'public.orders'])).toEqual([])
  })

  it('is a run that nobody knows the end of, that failed in part, or that was rolled back for its rows', () => {
    expect(kinds(1, { outcome: 'unknown' })).toEqual(['unknown'])
    expect(kinds(1, { outcome: 'failed', partly: true })).toEqual(['in_part'])
    expect(kinds(1, { outcome: 'failed', overCap: true, touched: [touched('public.orders', 5)] })).toEqual(['over_cap'])
    // A run that failed as a whole left nothing behind, and what could not be counted is not held against anybody.
    expect(kinds(1, { outcome: 'failed', touched: [touched('public.orders', 5)] })).toEqual([])
    expect(kinds(1, { outcome: 'succeeded' })).toEqual([])
  })

  it('is told with its numbers', () => {
    expect(divergenceWords({ kind: 'over_cap', touched: 5003, agreed: 1806 })).toBe(
      'it would have touched 5,003 rows; 1,806 were agreed; rolled back',
    )
  })
})

it('those who approved look afterwards, never the one who asked; when they are gone, whoever could have', () => {
  const id = (name: string) => name as PrincipalId
  const names = fc.subarray(['ana', 'mia', 'dev', 'sam'])
  fc.assert(
    fc.property(names, names, names, (approvers, eligible, gone) => {
      const reviews = approvers.map((by) => ({
        by: id(by),
        verdict: 'approve' as const,
        digest: '' as never,
        at: 0 as never,
      }))
      const found = lookers({ requester: id('ana'), reviews, requirements: [{ eligible: eligible.map(id) }] }, (who) =>
        gone.includes(who),
      )
      const may = (all: readonly string[]) => all.filter((name) => name !== 'ana' && !gone.includes(name))
      expect(found).toEqual(may(approvers).length > 0 ? may(approvers) : may(eligible))
    }),
  )
})
