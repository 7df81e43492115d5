import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Owed } from './owed.ts'
import type { Expected } from './target-line.ts'

it('is a queue, whatever its length and however it is used', () => {
  const kinds = ['parse', 'bind', 'execute', 'sync', 'query'] as const
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ push: fc.constantFrom(...kinds), times: fc.integer({ min: 1, max: 90 }) }) },
    { weight: 5, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 120 }) }) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const owed = new Owed()
      const slow: Expected[] = []
      for (const one of steps) {
        const taken: [Expected | undefined, Expected | undefined][] = []
        if (one === 'clear') {
          owed.clear()
          slow.length = 0
        } else if ('push' in one) {
          for (let i = 0; i < one.times; i++) {
            const expected: Expected = { kind: one.push }
            owed.push(expected)
            slow.push(expected)
          }
        } else for (let i = 0; i < one.shift; i++) taken.push([owed.shift(), slow.shift()])
        expect(taken.filter(([one, other]) => one !== other)).toEqual([])
        expect(owed.length).toBe(slow.length)
        expect(owed.first).toBe(slow[0])
        expect(owed.last).toBe(slow.at(-1))
        expect(owed.opens).toBe(slow.some(({ kind }) => kind === 'bind' || kind === 'execute'))
      }
    }),
  )
})
