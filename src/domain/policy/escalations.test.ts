import fc from 'fast-check'
import { expect, it } from 'vitest'
import { millis } from '../time.ts'
import type { Escalation, ReviewerPool } from './decision.ts'
import { agreedEscalations } from './escalations.ts'
import { checkSet } from './check-set.ts'
import { loadDocuments } from './documents.ts'

/* An escalation adds people, so it must never come of one rule against another, whatever their order. */

const KEYS = ['team:payments', 'team:database', 'sponsor:ana']
const POOLS: readonly ReviewerPool[] = ['lee', 'sam', 'dev'].map((user) => ({ kind: 'user', user: user as never }))
const part = fc
  .record({
    keys: fc.subarray(KEYS, { minLength: 1 }),
    wanted: fc.array(
      fc.record({
        key: fc.constantFrom(...KEYS),
        after: fc.integer({ min: 1, max: 9 }),
        pool: fc.constantFrom(...POOLS),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ keys, wanted }) => ({
    keys: new Set(keys),
    escalations: wanted
      .filter((one) => keys.includes(one.key))
      .map((one): Escalation => ({ ...one, after: millis(one.after) })),
  }))

it('may answer early only who every rule that asks the same people lets answer by then', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), fc.integer({ min: 0, max: 10 }), (parts, now) => {
      const agreed = agreedEscalations(parts)
      for (const key of KEYS)
        for (const pool of POOLS) {
          const asking = parts.filter((one) => one.keys.has(key))
          const all = asking.every((one) =>
            one.escalations.some((e) => e.key === key && e.pool === pool && e.after <= now),
          )
          const may = agreed.some((e) => e.key === key && e.pool === pool && e.after <= now)
          expect(may).toBe(asking.length > 0 && all)
        }
    }),
  )
})

it('does not depend on the order of rules', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      expect(agreedEscalations(parts.toReversed())).toEqual(agreedEscalations(parts))
    }),
  )
})

const TEAMS = 'kind: Team\nname: payments\nmembers: [mia]\n---\nkind: Team\nname: security\nmembers: [sam, lee]\n---\n'
function problemsIn(text: string): readonly string[] {
  const { documents, findings } = loadDocuments([{ path: 'a.yaml', text: TEAMS + text }])
  return [...findings, ...checkSet(documents)].flatMap((one) => (one.severity === 'error' ? [one.code] : []))
}
const problems = (hold: string): readonly string[] =>
  problemsIn(`kind: Rule\nname: r\nhold: {reviews: [{from: "team:payments"}], ${hold}}\n`)

it.each([
  ['escalate: {after: 10m, to: "team:security"}', []],
  ['escalate: {after: 10m, to: "team:nobody"}', ['unknown_team']],
  ['timeout: 5m\nescalate: {after: 10m, to: "user:lee"}', ['never_in_time']],
])('settings: %s', (settings, codes) => {
  expect(problemsIn(`kind: Settings\n${settings}\n`)).toEqual(codes)
})

it.each([
  ['escalate: {after: 10m, to: "team:payments"}', []],
  ['nudge: 1m, escalate: [{after: 5m, to: "user:lee"}, {after: 10m, to: owners}]', []],
  ['escalate: {after: 15m, to: "team:payments"}', ['never_in_time']],
  ['timeout: 5m, nudge: 5m', ['never_in_time']],
  ['escalate: {after: 10m, to: "team:nobody"}', ['unknown_team']],
])('%s', (hold, codes) => {
  expect(problems(hold)).toEqual(codes)
})

it.each([
  'escalate: {after: 10m, to: sponsor}',
  'escalate: {after: 10m}',
  'escalate: {after: never, to: "team:payments"}',
  'escalate: {after: -1m, to: "team:payments"}',
  'escalate: []',
  'escalate: true',
])('%s is not read', (hold) => {
  expect(problems(hold)).not.toEqual([])
})
