import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FewMap, FewSet } from './few.ts'

const KEYS = ['', 'a', 'b', 'c'] as const
const VALUES = [{ n: 1 }, { n: 2 }, { n: 3 }]

test('a set that holds what a Set would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('add', 'delete'), fc.constantFrom(...VALUES))), (steps) => {
      const few = new FewSet<object>()
      const plain = new Set<object>()
      for (const [step, value] of steps) {
        few[step](value)
        plain[step](value)
        expect(few.size).toBe(plain.size)
        expect(new Set(few)).toEqual(plain)
        expect([...few]).toHaveLength(plain.size)
      }
    }),
  )
})

test('what is deleted while a set is gone through does not come, and the rest does', () => {
  const few = new FewSet<object>()
  for (const value of VALUES) few.add(value)
  const seen: object[] = []
  for (const value of few) {
    seen.push(value)
    for (const other of VALUES.slice(0, 2)) few.delete(other)
  }
  expect(seen).toEqual([VALUES[0], VALUES[2]])
})

test('a map that holds what a Map would', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key: fc.constantFrom(...KEYS), value: fc.constantFrom(...VALUES) }),
    fc.record({ kind: fc.constant('delete' as const), key: fc.constantFrom(...KEYS) }),
    fc.record({ kind: fc.constant('clear' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const few = new FewMap<string, object>()
      const plain = new Map<string, object>()
      for (const one of steps) {
        if (one.kind === 'set') for (const map of [few, plain]) map.set(one.key, one.value)
        else if (one.kind === 'delete') for (const map of [few, plain]) map.delete(one.key)
        else for (const map of [few, plain]) map.clear()
        expect(few.size).toBe(plain.size)
        for (const key of KEYS) expect(few.get(key)).toBe(plain.get(key))
      }
    }),
  )
})
