import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import type { Store } from '../app/ports/store.ts'
import type { RequestId } from '../domain/ids.ts'
import { instant } from '../domain/time.ts'
import { startJobRunner } from './jobs-runner.ts'
import type { Workers } from './jobs-runner.ts'
import { openStore } from './open-store.ts'
import type { OpenStore } from './open-store.ts'

let database: TestDatabase
let opened: OpenStore
let store: Store
beforeAll(async () => {
  database = await testDatabase()
  opened = await openStore(database.url, () => undefined)
  store = opened.store
})
afterAll(async () => {
  await opened.close()
  await database.close()
})

const step = (id: string) => ({ queue: 'request-step' as const, data: { request: id as RequestId } })
const delivery = (webhook: string) => ({
  queue: 'delivery' as const,
  data: { webhook, event: 'e', type: 'request.opened', at: instant(1), subject: 'request/HP-1', facts: {} },
})
const idle: Workers = { 'request-step': () => Promise.resolve(), delivery: () => Promise.resolve() }
async function running(workers: Partial<Workers>): Promise<unknown[]> {
  const faults: unknown[] = []
  const runner = await startJobRunner({
    url: database.url,
    workers: { ...idle, ...workers },
    onFault: (_, error) => faults.push(error),
    every: 0.5,
  })
  onTestFinished(() => runner.stop())
  return faults
}
const eventually = (what: () => Promise<void> | void) => vi.waitFor(what, { timeout: 15_000, interval: 50 })
const instanceOf = () =>
  new PgBoss({
    connectionString: database.url,
    schema: 'pgboss',
    migrate: false,
    supervise: false,
    schedule: false,
    registerInstance: false,
  })

test('the schema that our migration makes is the one that pg-boss expects', async () => {
  const boss = instanceOf()
  await boss.start()
  onTestFinished(() => boss.stop())
  expect(await boss.detectSchemaDrift()).toMatchObject({ ok: true })
})

test('a job of ours is the row that pg-boss would have written', async () => {
  const boss = instanceOf()
  await boss.start()
  onTestFinished(() => boss.stop())
  const theirs = await boss.send('request-step', { request: 'HP-2' }, { startAfter: 3600 })
  await store.transaction((tx) => tx.jobs.enqueue([{ ...step('HP-2'), at: instant(tx.now + 3_600_000) }]))
  const rows = await database.query(`SELECT id, to_jsonb(j) - '{id,start_after,created_on,keep_until}'::text[] AS rest,
    round(extract(epoch FROM start_after - created_on)) AS wait, round(extract(epoch FROM keep_until - start_after)) AS kept
    FROM pgboss.job j WHERE data->>'request' = 'HP-2'`)
  expect(rows).toHaveLength(2)
  const mine = rows.find((row) => row['id'] !== theirs)
  const own = rows.find((row) => row['id'] === theirs)
  expect({ ...mine, id: '' }).toEqual({ ...own, id: '' })
})

test('a job stands and falls with the transaction that causes it', async () => {
  await expect(
    store.transaction(async (tx) => {
      await tx.jobs.enqueue([step('HP-3')])
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  expect(await database.query("SELECT FROM pgboss.job WHERE data->>'request' = 'HP-3'")).toEqual([])
})

test('what is due is done once, what is not waits, what fails is tried again and becomes a dead letter that can be retried', async () => {
  await database.query("UPDATE pgboss.queue SET retry_limit = 1, retry_delay = 0 WHERE name = 'delivery'")
  const seen: string[] = []
  let broken = true
  await store.transaction((tx) =>
    tx.jobs.enqueue([step('HP-4'), { ...step('HP-5'), at: instant(tx.now + 3_600_000) }, delivery('w-dead')]),
  )
  const attempts: number[] = []
  const faults = await running({
    'request-step': async ({ request }) => void seen.push(request),
    delivery: async () => {
      attempts.push(1)
      if (broken) throw new Error('the receiver answered 500\nwith a body')
    },
  })
  await eventually(async () => {
    const [letter] = await opened.jobs.list({ state: 'failed', limit: 10 })
    expect(letter).toMatchObject({ queue: 'delivery', attempts: 2, error: 'the receiver answered 500' })
  })
  expect(seen).toEqual(['HP-4'])
  expect(attempts).toHaveLength(2)
  const [letter] = await opened.jobs.list({ state: 'failed', limit: 10 })
  expect(letter?.about).toBe('w-dead request.opened request/HP-1')
  expect((await opened.jobs.counts()).failed).toBe(1)

  broken = false
  const id = letter?.id ?? ''
  expect(await opened.jobs.retry(id)).toBe(true)
  expect(await opened.jobs.retry(id)).toBe(false)
  await eventually(async () => expect(await opened.jobs.find(id)).toMatchObject({ state: 'done', attempts: 3 }))
  expect(
    (await opened.jobs.list({ state: 'waiting', queue: 'request-step', limit: 10 })).map((j) => j.about),
  ).toContain('HP-5')
  expect(faults).toEqual([])
})

test('the job of a worker that died is done by another, and a retry that was exhausted is not lost', async () => {
  await store.transaction((tx) => tx.jobs.enqueue([step('HP-6')]))
  // A worker that took it and was killed: nobody will ever say how it went.
  const boss = instanceOf()
  await boss.start()
  await eventually(async () => expect(await boss.fetch('request-step')).toHaveLength(1))
  await boss.stop({ graceful: false })
  await database.query("UPDATE pgboss.job SET expire_seconds = 1, retry_delay = 0 WHERE data->>'request' = 'HP-6'")
  const seen: string[] = []
  await running({ 'request-step': async ({ request }) => void seen.push(request) })
  await eventually(() => expect(seen).toEqual(['HP-6']))
})

test('it keeps to few connections', async () => {
  await running({})
  await eventually(async () => {
    const [row] = await database.query<{ count: string }>(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdpoint jobs'",
    )
    expect(Number(row?.count)).toBeGreaterThan(0)
    expect(Number(row?.count)).toBeLessThanOrEqual(2)
  })
})

test('a program that expects another schema of pg-boss does not begin', async () => {
  const other = await testDatabase()
  onTestFinished(() => other.close())
  await other.query('UPDATE pgboss.version SET version = version + 1')
  await expect(startJobRunner({ url: other.url, workers: idle, onFault: () => undefined })).rejects.toThrow(
    'migrations',
  )
})
