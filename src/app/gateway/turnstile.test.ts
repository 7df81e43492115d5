import { expect, test } from 'vitest'
import { turnstile } from './turnstile.ts'

test('works wait for their turn, in order; one that fails gives its place to the next', async () => {
  const turn = turnstile(2)
  const begun: number[] = []
  const ends: (() => void)[] = []
  const works = Array.from({ length: 5 }, (_, i) =>
    turn(async () => {
      begun.push(i)
      await new Promise<void>((resolve) => (ends[i] = resolve))
      if (i === 0) throw new Error('failed')
      return i
    }),
  )
  const first = works[0]?.catch((error: Error) => error.message)
  expect(begun).toEqual([0, 1])
  ends[0]?.()
  expect(await first).toBe('failed')
  await expect.poll(() => begun).toEqual([0, 1, 2])
  ends[2]?.()
  await expect.poll(() => begun).toEqual([0, 1, 2, 3])
  ends[1]?.()
  await expect.poll(() => begun).toEqual([0, 1, 2, 3, 4])
  ends[3]?.()
  ends[4]?.()
  expect(await Promise.all(works.slice(1))).toEqual([1, 2, 3, 4])
})
