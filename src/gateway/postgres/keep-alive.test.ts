import { execFile } from 'node:child_process'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld, Held } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/** A client that waits for people hears something, again and again, and nothing of it surfaces. */
let db: TestDatabase
let world: GatewayWorld
beforeAll(async () => {
  db = await testServer()
  await db.query('CREATE TABLE carts (id int)')
  await db.query('INSERT INTO carts SELECT generate_series(1, 100)')
  world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { limits: { keepAliveMs: 15 } })
})
beforeEach(() => {
  world.app.rule = (action) => (action.verb === 'delete' ? 'hold' : 'allow')
})
afterEach(() => {
  expect(world.app.faults).toEqual([])
})
afterAll(async () => {
  await world.close()
  await db.close()
})

/** Approves the next hold once about so many messages have gone out. */
const approveLater = (): Promise<Held> =>
  world.app.nextHold().then(async (held) => {
    const client = await rawClient(world.connection)
    client.send(encodeQuery('SELECT pg_sleep(0.3)'))
    await client.until('Z')
    client.close()
    held.approve()
    return held
  })
const KNOWN = Buffer.from('S\0\0\0\x23standard_conforming_strings\0on\0', 'latin1')

it('a parameter that it knows already, between whole messages, and only while it waits', async () => {
  const client = await rawClient(world.connection)
  client.send(encodeQuery('BEGIN'))
  await client.until('Z')
  const ways = [
    [encodeQuery('DELETE FROM carts WHERE id = 1')],
    [encodeParse('', 'DELETE FROM carts WHERE id = 2'), encodeBind('', ''), encodeExecute(''), SYNC],
  ]
  for (const way of ways) {
    const next = world.app.nextHold()
    client.send(...way)
    const held = await next
    for (let heard = 0; heard < 5; heard++) {
      const messages = await client.until('S')
      expect(messages.at(-1)?.bytes).toEqual(KNOWN)
    }
    held.approve()
    const answer = await client.until('Z')
    expect(brief(answer.filter(({ type }) => type !== 'S'))).toMatch(/^(1 2 )?C\(DELETE 1\) Z\(T\)$/)
  }
  // The answer was the last: nothing more comes by itself.
  client.send(encodeQuery('SELECT pg_sleep(0.1)'))
  expect(brief(await client.until('Z'))).toBe('T D() C(SELECT 1) Z(T)')
  client.close()
})

it('while the connection itself waits, too', async () => {
  world.app.rule = (action) => (action.verb === 'connect' ? 'hold' : 'allow')
  const next = world.app.nextHold()
  const coming = rawClient(world.connection)
  const held = await next
  // Several have gone out by the time that another client has come and gone.
  world.app.rule = () => 'allow'
  const other = await rawClient(world.connection)
  other.send(encodeQuery('SELECT pg_sleep(0.1)'))
  await other.until('Z')
  other.close()
  held.approve()
  const client = await coming
  client.close()
})

it('pg, postgres and psql wait and go on', async () => {
  const one = new pg.Client(world.connection)
  await one.connect()
  const notices: unknown[] = []
  one.on('notice', (message) => notices.push(message.message))
  let approved = approveLater()
  expect((await one.query('DELETE FROM carts WHERE id = $1', [10])).rowCount).toBe(1)
  await approved
  expect(notices).toHaveLength(2)
  await one.end()

  const sql = postgres({ ...world.connection, username: 'ana', max: 1, onnotice: () => undefined })
  approved = approveLater()
  const [deleted, count] = await Promise.all([
    sql`DELETE FROM carts WHERE id = ${11}`,
    sql`SELECT count(*)::int AS n FROM carts WHERE id IN (10, 11)`,
  ])
  await approved
  expect([deleted.count, count[0]]).toEqual([1, { n: 0 }])
  await sql.end()

  approved = approveLater()
  const { host, port, password } = world.connection
  const said = await new Promise<string>((resolve) => {
    const env = { PATH: process.env['PATH'], PGPASSWORD: password }
    const args = [
      '-Xc',
      'DELETE FROM carts WHERE id = 12',
      `host=${host} port=${port} dbname=shop-db user=ana sslmode=require`,
    ]
    execFile('psql', args, { env }, (_, out, err) => resolve(out + err))
  })
  await approved
  expect(said).toMatch(
    /^DELETE 1\nNOTICE: {2}held .*\nDETAIL: .*\nHINT: .*\nNOTICE: {2}HP-\d+ approved by mia .*; running\n$/,
  )
})
