import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootOn } from '../support/boot-on.ts'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'

/* Abuse case 120: the database's clock steps back an hour. No grant is extended by it, also not across a restart. */

const HOUR = 3_600_000
let store: TestDatabase
let world: Installation
beforeAll(async () => {
  store = await testDatabase()
  // The server's own clock cannot be set in a test: a function in front of it can.
  await setClock(0)
  await store.query(`ALTER DATABASE ${store.target.database} SET search_path = public, pg_catalog`)
  world = await installation({ store, documents: [RULES.replace('scope: once', 'scope: window')] })
})
afterAll(() => world[Symbol.asyncDispose]())

const setClock = (by: number) =>
  store.query(`CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '${by} ms' $$`)
const states = () => store.query<{ state: string; why: string }>('SELECT state, why FROM access_grant ORDER BY number')
const window = async () => {
  await world.as('ana').call('requestWindow', { body: { resource: 'shop-db', verbs: ['write'], for: '6s' } })
  await world.approve()
}

test('a live window ends when its time is up, and its session is cut, however far the clock steps back', async () => {
  await window()
  await withClient(world.connection, async (client) => {
    await client.query("INSERT INTO carts VALUES (1, 'in time')")
    const cut = new Promise<unknown>((resolve) => client.once('error', resolve))
    await setClock(-HOUR)
    expect(await cut).toMatchObject({
      message: expect.stringMatching(/HP-1 ended \(expired\)|the approved time .* up|expired/),
    })
  })
  await expect.poll(states, { timeout: 20_000 }).toEqual([{ state: 'ended', why: 'expired' }])
}, 60_000)

test('nor by a restart on the clock that stepped back', async () => {
  await setClock(0)
  await window()
  await world.running.stop()
  await setClock(-HOUR)
  const again = await bootOn(store.url, world.dataDir)
  try {
    await expect.poll(async () => (await states())[1], { timeout: 30_000 }).toEqual({ state: 'ended', why: 'expired' })
  } finally {
    await again.stop()
  }
}, 60_000)
