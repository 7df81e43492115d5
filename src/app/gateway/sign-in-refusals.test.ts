import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGround } from '../../../test/support/app.ts'
import { testGround } from '../../../test/support/app.ts'
import { instant } from '../../domain/time.ts'
import type { SignInRefusal } from '../ports/gateway.ts'
import { createSignInRefusals } from './sign-in-refusals.ts'

let ground: TestGround
beforeAll(async () => {
  ground = await testGround()
})
afterAll(() => ground.close())

test('an address that tries without end is listed thirty times a minute, and counted from there', async () => {
  const { store } = ground.open
  let now = 0
  let ring = (): void => undefined
  const timer = { after: (_: number, run: () => void) => ((ring = run), () => undefined) }
  const onFault = (what: string): never => {
    throw new Error(what)
  }
  const refusals = createSignInRefusals({ store, clock: { now: () => instant(now) }, timer, onFault })
  const attempt = (n: number, more: Partial<SignInRefusal> = {}): void =>
    refusals.refused({
      user: `name${n}`,
      principal: undefined,
      proven: false,
      refusal: 'wrong_credentials',
      sourceAddress: '192.0.2.1',
      ...more,
    })
  for (let n = 0; n < 1_000; n++) attempt(n)
  attempt(1_000, { sourceAddress: '192.0.2.2' })
  ring()
  now = 60_000
  attempt(1_001)
  await refusals.close()
  const found = await store.recorded.after(undefined, 500, { subject: 'access/unknown' })
  const users = found.flatMap(({ body }) => (body['user'] === undefined ? [] : [body['user']]))
  expect(users).toEqual([...Array.from({ length: 30 }, (_, n) => `name${n}`), 'name1000', 'name1001'])
  expect(found.filter(({ body }) => body['user'] === undefined).map(({ body }) => body)).toEqual([
    {
      what: 'sign-in at the PostgreSQL gateway',
      why: 'more than are listed',
      refusal: 'wrong_credentials',
      sourceAddress: '192.0.2.1',
      count: 970,
    },
  ])
})
