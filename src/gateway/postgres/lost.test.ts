import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, plainControl } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { rawClient, textOf } from '../../../test/support/raw-client.ts'
import { severedLine } from '../../../test/support/severed-line.ts'
import type { SeveredLine } from '../../../test/support/severed-line.ts'
import { encodeQuery } from '../../wire/postgres/frontend.ts'

/** What a session says and records when the target, or the way to it, is lost in the middle. */
let db: TestDatabase
let line: SeveredLine
beforeAll(async () => {
  db = await testServer()
  await db.query('CREATE TABLE carts (id int)')
  await db.query('INSERT INTO carts SELECT generate_series(1, 10)')
  line = await severedLine(db.target)
})
afterAll(async () => {
  await line.close()
  await db.close()
})

const active = (like: string) =>
  db.query(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
    [like],
  )

async function inWorld(play: (world: GatewayWorld) => Promise<void>, control = plainControl(db.target.port)) {
  const { host, user, password, database } = db.target
  const target = { host, port: line.port, user, password, database, sslmode: 'disable' as const }
  const world = await gatewayWorld(target, { control })
  try {
    await play(world)
  } finally {
    await world.close()
  }
}

describe('a target that goes away without a word', () => {
  it('is told to the client; whether its approved statement ran is not known, and nobody says that it failed', () =>
    inWorld(async (world) => {
      const client = await rawClient(world.connection)
      const holds = world.app.nextHold()
      client.send(encodeQuery('DELETE FROM carts WHERE pg_sleep(60) IS NULL'))
      const held = await holds
      held.approve()
      await expect.poll(async () => (await active('DELETE FROM carts%')).length).toBe(1)
      line.sever()
      const last = (await client.toEnd()).at(-1)
      expect(textOf(last)).toBe('shop-db: the target closed the connection; whether what ran was done is not known')
      await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'target_left' }])
      expect(world.app.finished).toEqual([])
      expect(world.app.entries.map(({ outcome }) => outcome)).toEqual(['cut'])
      expect(await active('DELETE FROM carts%')).toEqual([])
    }))

  it('is told to a client that runs nothing', () =>
    inWorld(async (world) => {
      const client = await rawClient(world.connection)
      line.sever()
      expect(textOf((await client.toEnd()).at(-1))).toBe('shop-db: the target closed the connection')
    }))
})

describe('a gateway that dies', () => {
  it('leaves nothing running: the server itself sees that nobody is there', async () => {
    const released = Promise.withResolvers<boolean>()
    const control = { ...plainControl(db.target.port), terminate: () => released.promise }
    await inWorld(async (world) => {
      try {
        const client = await rawClient(world.connection)
        const holds = world.app.nextHold()
        client.send(encodeQuery('DELETE FROM carts WHERE pg_sleep(60) IS NULL'))
        const held = await holds
        held.approve()
        await expect.poll(async () => (await active('DELETE FROM carts%')).length).toBe(1)
        // To the target it is the same: the connection ends, and nobody comes to terminate what it carried.
        line.sever()
        await expect.poll(() => active('DELETE FROM carts%'), { timeout: 10_000 }).toEqual([])
        expect(await db.query('SELECT FROM carts')).toHaveLength(10)
      } finally {
        released.resolve(true)
      }
    }, control)
  })
})

describe('a session that is cut while its target takes no other connection', () => {
  it('ends there all the same: nothing keeps its locks', async () => {
    const released = Promise.withResolvers<boolean>()
    const control = { ...plainControl(db.target.port), terminate: () => released.promise }
    await inWorld(async (world) => {
      try {
        const client = await rawClient(world.connection)
        client.send(encodeQuery('BEGIN; SELECT 1 FROM carts'))
        await client.until('Z')
        const inTransaction = () =>
          db.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND datname = pg_catalog.current_database()",
          )
        expect(await inTransaction()).toHaveLength(1)
        world.app.cut({ reason: 'expired', why: 'HP-150 ended (expired)' })
        await expect.poll(inTransaction).toEqual([])
        expect(textOf((await client.toEnd()).at(-1))).toBe('HP-150 ended (expired)')
      } finally {
        released.resolve(true)
      }
    }, control)
  })
})

describe('an approval whose start cannot be recorded', () => {
  it('is given back: nothing ran, and nothing of it stays open', () =>
    inWorld(async (world) => {
      world.app.onStart = () => {
        throw new Error('the store is down')
      }
      const client = await rawClient(world.connection)
      const holds = world.app.nextHold()
      client.send(encodeQuery('DELETE FROM carts'))
      const held = await holds
      held.approve()
      const answer = await client.until('Z')
      expect(textOf(answer.find(({ type }) => type === 'E'))).toContain('(failure); nothing reached the database')
      await expect.poll(() => world.app.withdrawals).toEqual([{ request: held.id, why: 'the gateway failed' }])
      expect(world.app.finished).toEqual([{ request: held.id, outcome: 'failed', sqlstate: '58000' }])
      expect(await db.query('SELECT FROM carts')).toHaveLength(10)
      client.close()
    }))
})
