import { expect, it } from 'vitest'
import type { RequestId } from '../../domain/ids.ts'
import { instant } from '../../domain/time.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { GatewayDeps } from './deps.ts'
import { outcome } from './hold.ts'

const START = 1_795_000_000_000
/** A store that answers once and then is away for so many looks, a second apart. */
function waits(expiresInMs: number, awayFor: number) {
  let [looks, now, faults] = [0, START, 0]
  const pending = { id: 'HP-1', state: 'pending', requirements: [], expiresAt: instant(START + expiresInMs) }
  const deps = {
    clock: { now: () => instant(now) },
    wake: { subscribe: () => () => undefined },
    timer: {
      after(ms: number, run: () => void) {
        now += ms
        queueMicrotask(run)
        return () => undefined
      },
    },
    policy: () => undefined,
    onFault: () => faults++,
    store: {
      requests: {
        findRequest: async () => {
          if (++looks === 1) return pending
          if (looks <= awayFor + 1) throw new Error('the store is away')
          return { ...pending, state: 'denied', by: 'mia', words: 'no', at: now } as unknown as AccessRequest
        },
      },
    },
  } as unknown as GatewayDeps
  return { answer: outcome(deps)('HP-1' as RequestId, new AbortController().signal), faults: () => faults }
}

it('a hold stays held while the store is away, until its time is up', async () => {
  const held = waits(600_000, 500)
  expect(await held.answer).toMatchObject({ kind: 'denied' })
  expect(held.faults()).toBe(500)
  await expect(waits(600_000, 700).answer).rejects.toThrow('the store is away')
  await expect(waits(5_000, 60).answer).rejects.toThrow('the store is away')
})
