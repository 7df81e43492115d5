import { expect, test } from 'vitest'
import { instant } from '../../domain/time.ts'
import type { Store } from '../ports/store.ts'
import { createReplica, SILENCE_MS } from './replica.ts'

/** A store that takes heartbeats, as long as it does and the process counts as alive. */
function world() {
  let now = 1_000
  const store = { up: true, alive: true }
  const requests = {
    startReplica: async () => undefined,
    heartbeat: async () => store.alive,
    endReplica: async () => undefined,
  }
  const transaction = async <T>(work: (tx: unknown) => Promise<T>): Promise<T> => {
    if (!store.up) throw new Error('the store is away')
    return await work({ requests, now: instant(0) })
  }
  let count = 0
  const replica = createReplica(
    { transaction } as unknown as Store,
    () => `r${++count}`,
    undefined,
    () => now,
  )
  return { store, replica, pass: (ms: number) => void (now += ms) }
}

test('a process is entitled from its first heartbeat on, for as long as nobody can have taken it for dead', async () => {
  const { store, replica, pass } = world()
  expect(() => replica.id()).toThrow(/not registered/)
  await replica.start()
  pass(SILENCE_MS)
  expect(replica.id()).toBe('r1')
  pass(1)
  expect(() => replica.id()).toThrow(/not been heard/)
  expect(await replica.beat()).toBe(true)
  expect(replica.id()).toBe('r1')
  store.up = false
  pass(SILENCE_MS + 1)
  await expect(replica.beat()).rejects.toThrow()
  expect(() => replica.id()).toThrow(/not been heard/)
})

test('one that was declared dead never is again; it begins anew under another name', async () => {
  const { store, replica } = world()
  await replica.start()
  store.alive = false
  expect(await replica.beat()).toBe(false)
  expect(() => replica.id()).toThrow(/not registered/)
  await replica.start()
  expect(replica.id()).toBe('r2')
})
