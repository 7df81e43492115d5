import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import pg from 'pg'
import {
  encodeBind,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FRONTEND,
  SYNC,
} from '../../src/wire/postgres/frontend.ts'
import { installation, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'

/** What is large, slow or much: the whole installation stays quick, bounded and awake. */
let world: Installation
beforeAll(async () => {
  world = await installation({
    tables: [
      'CREATE TABLE carts (id int, note text)',
      'CREATE TABLE loaded (id int, note text)',
      // As a schema of somebody's own may have it: a check that writes.
      'CREATE TABLE trace (what text)',
      'CREATE FUNCTION note_it(v text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trace VALUES (v); RETURN true; END $$',
      'CREATE DOMAIN noted AS text CHECK (note_it(VALUE))',
    ],
  })
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.target.query('TRUNCATE carts, loaded, trace')
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
})
afterEach(() => expect(world.logged).toEqual([]))
const count = async (table = 'carts') =>
  (await world.target.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Bytes in buffers that somebody still holds. */
const kept = (): number => {
  collect()
  return process.memoryUsage().arrayBuffers
}
const framed = (tag: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt8(tag, 0)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

describe('much at once', () => {
  it('a session with a great many prepared statements goes on after its state changed', () =>
    withClient(world.connection, async (client) => {
      for (let i = 0; i < 120; i++) {
        await client.query({ name: `s${i}`, text: `SELECT ${i} AS n /* ${'x'.repeat(2000)} */`, values: [] })
      }
      await client.query('SET search_path = public')
      expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
      expect((await client.query({ name: 's7', text: `SELECT 7 AS n /* ${'x'.repeat(2000)} */` })).rows).toEqual([
        { n: 7 },
      ])
    }))

  it('rows sent behind COPY FROM STDIN without waiting for its answer arrive, however many', async () => {
    const raw = await rawClient(world.connection)
    const row = Buffer.from(`1\t${'y'.repeat(1000)}\n`)
    const rows = Array.from({ length: 12_000 }, () => framed(FRONTEND.CopyData, row))
    raw.send(encodeQuery('COPY loaded FROM STDIN'), ...rows, framed(FRONTEND.CopyDone, Buffer.alloc(0)))
    raw.send(encodeQuery('SELECT 1'))
    await world.approve()
    expect(brief(await raw.until('Z'))).toBe('G C(COPY 12000) Z(I)')
    expect(brief(await raw.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    raw.close()
    expect(await count('loaded')).toBe(12_000)
  })

  it('much of everything behind a hold waits in bounds, and runs in order when the hold ends', async () => {
    const raw = await rawClient(world.connection)
    const pad = `/* ${'z'.repeat(10_000)} */`
    raw.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    const behind = Array.from({ length: 1000 }, (_, i) => encodeQuery(`SELECT ${i} ${pad}`))
    raw.send(...behind)
    await world.pending()
    expect(await count()).toBe(20)
    await world.approve()
    expect(brief(await raw.until('Z'))).toBe('C(DELETE 1) Z(I)')
    for (let i = 0; i < 1000; i++) expect(brief(await raw.until('Z'))).toBe(`T D(${i}) C(SELECT 1) Z(I)`)
    raw.close()
  })

  it('a client that leaves while more waits behind its hold than is read ahead is noticed', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    const { id } = await world.pending()
    const query = encodeQuery(`SELECT 1 /* ${'z'.repeat(100_000)} */`)
    let sent = 0
    const more = (): void => void raw.socket.write(query, () => ++sent < 200 && more())
    more()
    await expect.poll(() => sent * query.length).toBeGreaterThan(4.5 * 1024 * 1024)
    raw.close()
    const state = async () => (await world.as('mia').call('getRequest', { params: { id } })).state
    await expect.poll(state, { timeout: 15_000 }).toBe('withdrawn')
    expect(await count()).toBe(20)
  })

  it('a storm of small messages behind a hold blocks nobody else', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    await world.pending()
    raw.send(Buffer.concat(Array.from({ length: 700_000 }, () => SYNC)))
    // Somebody else's work goes on meanwhile; a blocked process would take longer than this connection may.
    await withClient({ ...world.connection, query_timeout: 4000 }, async (client) => {
      for (let i = 0; i < 20; i++) await client.query('SELECT 1')
    })
    raw.close()
    await expect.poll(async () => (await world.as('mia').call('getInbox', {})).needsMe, { timeout: 15_000 }).toEqual([])
  })

  it('a client that reads nothing of a large answer costs no memory, and gets all of it in the end', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('SELECT 1'))
    await raw.until('Z')
    raw.socket.pause()
    const before = kept()
    raw.send(encodeQuery("SELECT repeat('x', 100000) FROM generate_series(1, 1500)"))
    const stuck =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite' AND query LIKE '%generate_series(1, 1500)%'"
    let times = 0
    await expect
      .poll(async () => (times = (await world.target.query(stuck)).length === 1 ? times + 1 : 0), { timeout: 15_000 })
      .toBe(5)
    expect(kept() - before).toBeLessThan(24 * 1024 * 1024)
    let bytes = 0
    raw.socket.prependListener('data', (chunk: Buffer) => (bytes += chunk.length))
    raw.socket.resume()
    await raw.until('Z')
    expect(bytes).toBeGreaterThan(150_000_000)
    raw.close()
  })

  it('a target that reads slowly costs no memory, and gets all of it in the end', async () => {
    await world.target.query(
      'CREATE OR REPLACE FUNCTION wait_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 THEN PERFORM pg_advisory_lock(4711); PERFORM pg_advisory_unlock(4711); END IF; RETURN NEW; END $$',
    )
    await world.target.query('CREATE TRIGGER slow BEFORE INSERT ON loaded FOR EACH ROW EXECUTE FUNCTION wait_once()')
    const lock = new pg.Client(world.target.url)
    await lock.connect()
    await lock.query('SELECT pg_advisory_lock(4711)')
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('COPY loaded FROM STDIN'))
    await world.approve()
    await raw.until('G')
    const before = kept()
    const row = (id: number) => framed(FRONTEND.CopyData, Buffer.from(`${id}\t${'y'.repeat(100_000)}\n`))
    let sent = 0
    let done = false
    const more = (): void => {
      sent += 1
      if (sent <= 600) raw.socket.write(row(sent), more)
      else done = true
    }
    more()
    const blocked = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await expect.poll(() => world.target.query(blocked), { timeout: 10_000 }).toHaveLength(1)
    let last = -1
    await expect.poll(() => last === (last = sent), { interval: 300, timeout: 10_000 }).toBe(true)
    expect(done).toBe(false)
    expect(kept() - before).toBeLessThan(24 * 1024 * 1024)
    await lock.query('SELECT pg_advisory_unlock(4711)')
    await lock.end()
    await expect.poll(() => done, { timeout: 20_000 }).toBe(true)
    raw.send(framed(FRONTEND.CopyDone, Buffer.alloc(0)))
    expect(brief(await raw.until('Z'))).toBe('C(COPY 600) Z(I)')
    raw.close()
    await world.target.query('DROP TRIGGER slow ON loaded')
  })

  it('200 sign-ins at once all succeed', async () => {
    const clients = Array.from({ length: 200 }, () => new pg.Client(world.connection))
    try {
      await Promise.all(clients.map((client) => client.connect()))
      const answers = await Promise.all(clients.map((client, i) => client.query(`SELECT ${i} AS n`)))
      expect(answers.map(({ rows }) => (rows[0] as { n: number }).n)).toEqual(clients.map((_, i) => i))
    } finally {
      await Promise.all(clients.map((client) => client.end()))
    }
  }, 60_000)
})

describe('52: a parameter whose type runs code when it is bound', () => {
  it('is held, although the text names no such type', async () => {
    const [type] = await world.target.query<{ oid: number }>("SELECT 'noted'::regtype::oid::int AS oid")
    const parse = encodeParse('', 'SELECT $1')
    const types = Buffer.alloc(6)
    types.writeUInt16BE(1, 0)
    types.writeUInt32BE(type?.oid ?? 0, 2)
    const typed = framed(FRONTEND.Parse, Buffer.concat([parse.subarray(5, parse.length - 2), types]))
    const plain = encodeBind('', '')
    const value = Buffer.from([0, 1, 0, 0, 0, 1, 0x41, 0, 0])
    const bind = framed(FRONTEND.Bind, Buffer.concat([plain.subarray(5, plain.length - 4), value]))
    const raw = await rawClient(world.connection)
    raw.send(typed, bind, encodeExecute(''), SYNC)
    const answered = raw.until('Z')
    const held = await Promise.race([world.pending('sam'), answered.then(() => undefined)])
    expect(held?.verbs).toEqual(['unknown'])
    expect(await count('trace')).toBe(0)
    raw.close()
  })
})
