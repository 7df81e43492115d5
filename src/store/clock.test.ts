import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import type { StoreClock } from './clock.ts'
import { openClock } from './clock.ts'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { createStore } from './store.ts'

const HOUR = 3_600_000
let database: TestDatabase
let replicas: { readonly open: Database; readonly clock: StoreClock }[] = []
beforeEach(async () => {
  database = await testDatabase()
  replicas = []
})
afterEach(async () => {
  for (const replica of replicas) {
    await replica.clock.close()
    await replica.open.close()
  }
  await database.close()
})

async function replica(said: string[] = [], local?: Parameters<typeof openClock>[2]) {
  const open = openDatabase({ url: database.url, connections: 2, log: () => undefined })
  const clock = await openClock(open.executor, (line) => said.push(line), local)
  replicas.push({ open, clock })
  return { clock, store: createStore(open, () => undefined, clock) }
}

/** The server's own clock cannot be set in a test: a function in front of it can. */
const setClock = (by: number) =>
  database.query(`CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '${by} ms' $$;
    ALTER DATABASE ${database.target.database} SET search_path = public, pg_catalog`)

test('it is the time of the database, and a transaction has one time throughout', async () => {
  const { clock, store } = await replica()
  const [row] = await database.query<{ now: string }>('SELECT holdpoint_now() AS now')
  expect(Math.abs(clock.now() - Number(row?.now))).toBeLessThan(2_000)
  expect(clock.age()).toBeLessThan(2_000)
  expect(clock.check()).toEqual({ ok: true })
  expect(await store.transaction(async (tx) => tx.now)).toBeGreaterThanOrEqual(Number(row?.now))
})

test("the server's clock steps back an hour: no replica's time does, and it goes on at its ordinary pace", async () => {
  await setClock(0)
  const said: string[] = []
  const first = await replica(said)
  const second = await replica(said)
  const times: [number[], number[], number[]] = [[], [], []]
  const look = async (): Promise<void> => {
    times[0].push(first.clock.now(), await first.store.transaction(async (tx) => tx.now))
    times[1].push(second.clock.now())
    times[2].push(await second.store.transaction(async (tx) => tx.now))
  }
  await look()
  await setClock(-HOUR)
  await look()
  await expect
    .poll(
      async () => {
        await look()
        return said.join()
      },
      { timeout: 10_000 },
    )
    .toMatch(/36\d{5} ms ahead of it/)
  for (const seen of times) expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  const [row] = await database.query<{ ahead: string }>('SELECT ahead FROM clock')
  expect(Math.abs(Number(row?.ahead) - HOUR)).toBeLessThan(5_000)
  // Passing time counts again: it is not frozen until the hour is made up.
  const after = await first.store.transaction(async (tx) => tx.now)
  await expect.poll(() => first.store.transaction(async (tx) => tx.now)).toBeGreaterThan(after)
  // A replica that starts only now, with no memory of its own, is told the same time.
  const third = await replica(said)
  expect(Math.abs(third.clock.now() - first.clock.now())).toBeLessThan(2_000)
})

test('the time never falls behind what was recorded, whatever the clock says', async () => {
  const { store } = await replica()
  await database.query(
    `INSERT INTO record (at, kind, subject, body, salt, leaf)
      VALUES (${Date.now() + HOUR}, 'k', 's', '{}', repeat('s', 16)::bytea, '{}')`,
  )
  expect(await store.transaction(async (tx) => tx.now)).toBeGreaterThan(Date.now() + HOUR - 5_000)
})

test("a machine whose clock is off by more than two seconds says so; the database's time stands all the same", async () => {
  const { clock } = await replica([], { monotonic: () => performance.now(), wall: () => Date.now() + 2_500 })
  expect(clock.check()).toEqual({
    ok: false,
    detail: expect.stringMatching(/clock is 2\d{3} ms ahead of the database's/),
  })
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(2_000)
})

test('while the database does not answer the age grows and the time goes on', async () => {
  let elapsed = 0
  const local = { monotonic: () => elapsed, wall: () => Date.now() }
  const { clock } = await replica([], local)
  const before = clock.now()
  elapsed += 10
  expect(clock.now() - before).toBe(10)
  elapsed += 5_000
  expect(clock.age()).toBeGreaterThan(2_000)
  expect(clock.now() - before).toBe(5_010)
  elapsed -= 4_000
  expect(clock.now() - before).toBe(5_010)
})
