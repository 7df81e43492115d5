import fc from 'fast-check'
import { expect, it } from 'vitest'
import { WaitingRoom } from './waiting-room.ts'

it('when it is full the oldest of the most crowded address makes room, once it had its time', () => {
  let now = 0
  const room = new WaitingRoom(4, () => now)
  const out: string[] = []
  const enter = (who: string) => room.enter(who.slice(0, 1), () => out.push(who))
  enter('a1')
  const leave = enter('b1')
  enter('b2')
  enter('b3')
  expect(enter('c1')).toBeUndefined()
  now = 999
  expect(enter('c1')).toBeUndefined()
  now = 1000
  expect(enter('c1')).toBeDefined()
  expect(out).toEqual(['b1'])
  // Whoever was turned out leaves, too, and takes no place with it.
  leave?.()
  expect(enter('b4')).toBeDefined()
  expect(out).toEqual(['b1', 'b2'])
  now = 1500
  // All are alone or new now.
  expect(enter('d1')).toBeDefined()
  expect(out).toEqual(['b1', 'b2', 'b3'])
})

it('never holds more than it may, and whoever comes alone from an address gets in beside a crowd that says nothing', () => {
  const step = fc.record({ address: fc.constantFrom('a', 'b', 'c'), after: fc.nat(800), leaves: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = 0
      const room = new WaitingRoom(5, () => now)
      const inside = new Set<object>()
      const ways: (() => void)[] = []
      for (const { address, after, leaves } of steps) {
        now += after
        const one = {}
        const way = room.enter(address, () => void inside.delete(one))
        if (way !== undefined) {
          inside.add(one)
          ways.push(() => {
            way()
            inside.delete(one)
          })
        }
        if (leaves) ways.shift()?.()
        expect(inside.size).toBeLessThanOrEqual(5)
      }
      now += 1000
      expect(room.enter('new', () => undefined)).toBeDefined()
    }),
  )
})
