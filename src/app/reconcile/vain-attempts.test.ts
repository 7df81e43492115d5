import { expect, test } from 'vitest'
import type { ResourceName } from '../../domain/ids.ts'
import { instant } from '../../domain/time.ts'
import { createVainAttempts } from './vain-attempts.ts'

const SHOP = 'shop-db' as ResourceName

function vain() {
  let now = 0
  const said: string[] = []
  const faults: string[] = []
  const attempts = createVainAttempts({
    clock: { now: () => instant(now) },
    say: (message) => said.push(message),
    onFault: (what) => faults.push(what),
  })
  return { attempts, said, faults, wait: (ms: number) => void (now += ms) }
}
const refused = () => Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5433'), { code: 'ECONNREFUSED' })

test('a target that is away is said once, then once a minute with a count, and once when it is back', () => {
  const { attempts, said, faults, wait } = vain()
  const keys = ['G-1', 'G-2', 'S-7']
  for (let second = 0; second < 150; second++) {
    attempts.keepOnly(new Set(keys))
    for (const key of keys) attempts.failed(key, SHOP, refused())
    wait(1_000)
  }
  expect(said).toEqual([
    'shop-db: the end of access cannot be confirmed (G-1; tried until it can): connect ECONNREFUSED 127.0.0.1:5433',
    'shop-db: the end of access cannot be confirmed (G-1; 181 attempts in vain so far): connect ECONNREFUSED 127.0.0.1:5433',
    'shop-db: the end of access cannot be confirmed (G-1; 361 attempts in vain so far): connect ECONNREFUSED 127.0.0.1:5433',
  ])
  for (const key of keys) attempts.went(key, SHOP)
  attempts.keepOnly(new Set())
  expect(said.slice(3)).toEqual(['shop-db: the end of access can be confirmed again, after 450 attempts in vain'])
  expect(faults).toEqual([])
})

test('what is not tried any more is over; what comes and goes is not told each time', () => {
  const { attempts, said, wait } = vain()
  for (let n = 0; n < 30; n++) {
    attempts.failed('G-1', SHOP, refused())
    wait(500)
    attempts.keepOnly(new Set())
    wait(500)
  }
  expect(said).toHaveLength(2)
  expect(said[1]).toMatch(/again, after 1 attempt in vain$/)
})

test('what may be a mistake of the program is a fault with its stack, as seldom', () => {
  const { attempts, said, faults, wait } = vain()
  for (let second = 0; second < 61; second++) {
    attempts.failed('G-1', SHOP, new TypeError('cannot read properties of undefined'))
    wait(1_000)
  }
  expect(said).toEqual([])
  expect(faults).toHaveLength(2)
})

test('both addresses of a name refuse: the first is named', () => {
  const { attempts, said } = vain()
  attempts.failed('G-1', SHOP, Object.assign(new AggregateError([refused(), refused()]), { code: 'ECONNREFUSED' }))
  expect(said[0]).toMatch(/: connect ECONNREFUSED 127\.0\.0\.1:5433$/)
})
