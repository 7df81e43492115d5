import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import type { OpenStore } from './open-store.ts'
import { openStore } from './open-store.ts'

let database: TestDatabase
let replicas: OpenStore[]
beforeEach(async () => {
  database = await testDatabase()
  replicas = [await openStore(database.url, () => undefined), await openStore(database.url, () => undefined)]
})
afterEach(async () => {
  for (const replica of replicas) await replica.close()
  await database.close()
})

const on = (replica: number) => {
  const found = replicas[replica]
  if (found === undefined) throw new Error('no such replica')
  return found.idempotency
}
const call = { principal: 'ana', key: 'k-1', digest: 'a'.repeat(64) }
const answer = { status: 201, body: { id: 'HP-1', text: 'ö\u0000' } }

test('of fifty at once on two replicas one is told to work; then all are given its answer', async () => {
  const begun = await Promise.all(Array.from({ length: 50 }, (_, n) => on(n % 2).begin(call)))
  expect(begun.filter((one) => one.kind === 'mine').length).toBe(1)
  expect(begun.filter((one) => one.kind === 'running').length).toBe(49)
  await on(0).finish(call, answer)
  expect(await on(1).begin(call)).toEqual({ kind: 'answered', answer })
})

test('another body under the same key is told so, before and after the answer; keys are each person’s own', async () => {
  await on(0).begin(call)
  expect(await on(1).begin({ ...call, digest: 'b'.repeat(64) })).toEqual({ kind: 'other_body' })
  await on(0).finish(call, answer)
  expect(await on(1).begin({ ...call, digest: 'b'.repeat(64) })).toEqual({ kind: 'other_body' })
  expect(await on(1).begin({ ...call, principal: 'mia' })).toEqual({ kind: 'mine' })
})

test('an abandoned key is free; an answered one cannot be abandoned', async () => {
  await on(0).begin(call)
  await on(0).abandon(call)
  expect(await on(1).begin(call)).toEqual({ kind: 'mine' })
  await on(1).finish(call, answer)
  await on(1).abandon(call)
  expect(await on(0).begin(call)).toEqual({ kind: 'answered', answer })
})

test('a claim whose process died lapses, for the same call only; an answer is kept for a day', async () => {
  await on(0).begin(call)
  await database.query('UPDATE idempotency SET busy_until = busy_until - 60001, made_at = made_at - 60001')
  expect(await on(1).begin({ ...call, digest: 'b'.repeat(64) })).toEqual({ kind: 'other_body' })
  expect(await on(1).begin(call)).toEqual({ kind: 'mine' })
  expect(await on(0).begin(call)).toEqual({ kind: 'running' })
  await on(1).finish(call, answer)
  await database.query('UPDATE idempotency SET made_at = made_at - 86400001')
  expect(await on(0).begin({ ...call, digest: 'b'.repeat(64) })).toEqual({ kind: 'mine' })
})
