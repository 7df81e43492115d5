import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSegment } from '../../src/domain/session/segment.ts'
import type { StatementEntry } from '../../src/domain/session/session.ts'
import { encodeQuery } from '../../src/wire/postgres/frontend.ts'
import { installation, RULES, shopDb, TEAMS, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'

let world: Installation
beforeAll(async () => {
  world = await installation()
  await world.target.query('INSERT INTO carts SELECT n FROM generate_series(1, 20) n')
  const { host, port, user, database } = world.target.target
  const connect = `postgres://${user}@${host}:${port}/${database}?sslmode=disable`
  await world.apply(RULES, TEAMS, shopDb(connect, 'audit: sync'))
})
afterAll(() => world[Symbol.asyncDispose]())

/** How the statements of the newest session stand in the record now, past Holdpoint. */
async function lines(): Promise<readonly StatementEntry['outcome'][]> {
  const rows = await world.store.query<{ body: Buffer }>(
    'SELECT body FROM statement_segment WHERE session = (SELECT max(number) FROM session)',
  )
  const all = rows.flatMap(({ body }) => readSegment(body.toString('utf8')))
  return all.toSorted((a, b) => a.number - b.number).map(({ outcome }) => outcome)
}

it('what a client has read an answer of is in the record at that moment', async () => {
  const client = await rawClient(world.connection)
  for (let n = 1; n <= 20; n++) {
    client.send(encodeQuery(n % 5 === 0 ? 'SELECT 1/0' : `SELECT ${n} FROM carts`))
    await client.until('Z')
    const expected = Array.from({ length: n }, (_, i) => ((i + 1) % 5 === 0 ? 'failed' : 'succeeded'))
    expect(await lines()).toEqual(expected)
  }
  client.close()
})

it('the same of a driver’s pipeline, and of what is refused', () =>
  withClient(world.connection, async (client) => {
    const asked = [1, 2, 3].map((n) => client.query('SELECT $1::int FROM carts', [n]))
    expect((await Promise.all(asked)).map(({ rowCount }) => rowCount)).toEqual([20, 20, 20])
    await expect(client.query('CREATE ROLE x')).rejects.toThrow('Ask the database team')
    await client.query('SELECT 4')
    expect(await lines()).toEqual(['succeeded', 'succeeded', 'succeeded', 'refused', 'succeeded'])
  }))

it('rows of what has not ended yet come when it is in the record as begun', async () => {
  const client = await rawClient(world.connection)
  client.socket.pause()
  client.send(encodeQuery("SELECT repeat('x', 100000) FROM generate_series(1, 500)"))
  await expect.poll(lines).toEqual(['started'])
  client.socket.resume()
  expect(brief(await client.until('Z'))).toMatch(/C\(SELECT 500\) Z\(I\)$/)
  expect(await lines()).toEqual(['started', 'succeeded'])
  client.close()
  // Who reads it sees how it ended.
  const { items } = await world.as('mia').call('listSessions', { query: {} })
  const { items: read } = await world
    .as('mia')
    .call('listStatements', { params: { id: items[0]?.id ?? '' }, query: {} })
  expect(read.map(({ outcome, rows }) => [outcome, rows])).toEqual([['succeeded', 500]])
})

it('while the record cannot be written nothing is answered; then everything is', async () => {
  const lock = new pg.Client({ connectionString: world.store.url })
  await lock.connect()
  const client = await rawClient(world.connection)
  client.send(encodeQuery('SELECT 1'))
  await client.until('Z')
  await lock.query('BEGIN; LOCK TABLE statement_segment')
  client.send(encodeQuery('SELECT 2'))
  let answered = false
  const answer = client.until('Z').then((messages) => {
    answered = true
    return brief(messages)
  })
  const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
  await expect.poll(() => world.store.query(waiting)).toHaveLength(1)
  expect(answered).toBe(false)
  await lock.query('COMMIT')
  await lock.end()
  expect(await answer).toBe('T D(2) C(SELECT 1) Z(I)')
  client.close()
})
