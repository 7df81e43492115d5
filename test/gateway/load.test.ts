import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import pg from 'pg'
import { FrameReader, HEADER } from '../../src/wire/postgres/frame.ts'
import { encodeQuery, FRONTEND } from '../../src/wire/postgres/frontend.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'
import type { RawClient } from '../support/raw-client.ts'

/*
 * Many sessions, much data, and clients and targets that are slow: answers stay right, memory stays bounded, and nobody
 * else notices.
 */

const MIB = 1024 * 1024
/** Far more than sockets and the gateway hold between two sides, far less than what is sent. */
const BOUND = 40 * MIB
const ROWS = 65_536
const ROW_BYTES = 1_024

let world: Installation
beforeAll(async () => {
  const exports = 'kind: Rule\nname: exports\non: {verbs: [export], resource: shop-db}\nallow: {}\n'
  world = await installation({
    documents: [`${RULES}---\n${exports}`],
    tables: [
      'CREATE TABLE carts (id int, note text)',
      'CREATE TABLE much (id int, note text)',
      `INSERT INTO much SELECT n, rpad(md5(n::text), ${ROW_BYTES - 8}, 'x') FROM generate_series(1, ${ROWS}) n`,
      'CREATE TABLE much_too (LIKE much)',
      'CREATE TABLE stuck (id int, note text)',
      'CREATE FUNCTION wait_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 THEN PERFORM pg_advisory_lock(4712); PERFORM pg_advisory_unlock(4712); END IF; RETURN NEW; END $$',
      'CREATE TRIGGER slow BEFORE INSERT ON stuck FOR EACH ROW EXECUTE FUNCTION wait_once()',
    ],
  })
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.target.query('TRUNCATE carts, much_too, stuck')
  await world.target.query('INSERT INTO carts SELECT n FROM generate_series(1, 20) n')
})
afterEach(() => expect(world.logged).toEqual([]))

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Bytes in buffers that somebody still holds. */
const kept = (): number => {
  collect()
  return process.memoryUsage().arrayBuffers
}
const copyData = (rows: Buffer): Buffer => framed(FRONTEND.CopyData, rows)
const framed = (tag: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(HEADER)
  head.writeUInt8(tag, 0)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const COPY_DONE = framed(FRONTEND.CopyDone, Buffer.alloc(0))
const checksum = async (table: string) =>
  await world.target.query(`SELECT count(*)::int, sum(hashtextextended(t::text, 0)) FROM ${table} t`)

/** `count` clients, each with statements of its own, simple and prepared: their answers are theirs. */
async function busy(count: number, statements: number): Promise<void> {
  const one = (client: number): Promise<void> =>
    withClient(world.connection, async (session) => {
      for (let i = 0; i < statements; i++) {
        const n = client * statements + i
        expect((await session.query(`SELECT ${n} AS n`)).rows).toEqual([{ n }])
        const prepared = {
          name: 'own',
          text: 'SELECT $1::int AS n, repeat($2, 300) AS pad',
          values: [n, String(client)],
        }
        expect((await session.query(prepared)).rows).toEqual([{ n, pad: String(client).repeat(300) }])
      }
    })
  await Promise.all(Array.from({ length: count }, (_, client) => one(client)))
}

it('200 idle sessions stay open, and held and ordinary statements beside them are served', async () => {
  const idle: RawClient[] = []
  try {
    while (idle.length < 200) {
      idle.push(...(await Promise.all(Array.from({ length: 20 }, () => rawClient(world.connection)))))
    }
    await withClient(world.connection, async (client) => {
      const deleted = client.query('DELETE FROM carts WHERE id = 1')
      await world.pending()
      await busy(4, 10)
      await world.approve()
      expect((await deleted).rowCount).toBe(1)
    })
    for (const client of idle) client.send(encodeQuery('SELECT 1'))
    const answers = await Promise.all(idle.map(async (client) => brief(await client.until('Z'))))
    expect(new Set(answers)).toEqual(new Set(['T D(1) C(SELECT 1) Z(I)']))
  } finally {
    for (const client of idle) client.close()
  }
}, 60_000)

it('many busy clients at once read their own answers', () => busy(40, 25), 60_000)

it('64 MiB that are copied out and in again arrive whole, in bounded memory', async () => {
  const [out, into] = [await rawClient(world.connection), await rawClient(world.connection)]
  into.send(encodeQuery('COPY much_too FROM STDIN'))
  await world.approve()
  await into.until('G')
  // From here on every byte passes by: the raw client would keep them all.
  out.socket.removeAllListeners('data')
  const before = kept()
  out.send(encodeQuery('COPY much TO STDOUT'))
  const reader = new FrameReader(() => 1 << 30)
  const seen = createHash('sha256')
  let [bytes, most, ended] = [0, 0, false]
  for await (const chunk of out.socket as AsyncIterable<Buffer>) {
    reader.push(chunk)
    const rows: Buffer[] = []
    for (let piece = reader.next(); piece?.kind === 'piece'; piece = reader.next()) {
      if (piece.tag === FRONTEND.CopyData) rows.push(piece.bytes)
      ended ||= String.fromCharCode(piece.tag) === 'Z'
    }
    for (const row of rows) seen.update(row.subarray(HEADER))
    if (Math.floor(bytes / (8 * MIB)) < Math.floor((bytes += chunk.length) / (8 * MIB))) most = Math.max(most, kept())
    if (!into.socket.write(Buffer.concat(rows))) await once(into.socket, 'drain')
    if (ended) break
  }
  into.send(COPY_DONE)
  expect(brief(await into.until('Z'))).toBe(`C(COPY ${ROWS}) Z(I)`)
  expect(bytes).toBeGreaterThan(64 * MIB)
  expect(most - before).toBeLessThan(BOUND)
  expect(await checksum('much_too')).toEqual(await checksum('much'))
  const direct = createHash('sha256')
  const rows = await world.target.query<{ row: string }>("SELECT concat_ws(E'\\t', id, note) AS row FROM much")
  for (const { row } of rows) direct.update(`${row}\n`)
  expect(seen.digest('hex')).toBe(direct.digest('hex'))
  into.close()
}, 60_000)

it('a client that reads a byte at a time and a target that reads nothing hold up nobody, and cost no memory', async () => {
  const [slow, sender] = [await rawClient(world.connection), await rawClient(world.connection)]
  const lock = new pg.Client(world.target.url)
  await lock.connect()
  await lock.query('SELECT pg_advisory_lock(4712)')
  sender.send(encodeQuery('COPY stuck FROM STDIN'))
  await world.approve()
  await sender.until('G')
  const before = kept()

  slow.socket.removeAllListeners('data')
  slow.send(encodeQuery('SELECT repeat(note, 4) FROM much'))
  slow.socket.pause()
  let read = 0
  const sip = setInterval(() => (read += (slow.socket.read(1) as Buffer | null)?.length ?? 0), 1)
  let sent = 0
  const more = (): void => {
    sent += 1
    if (sent <= 640) sender.socket.write(copyData(Buffer.from(`${sent}\t${'y'.repeat(100_000)}\n`)), more)
  }
  more()
  try {
    const waits = (what: string) => `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND ${what}`
    const unread = waits("wait_event = 'ClientWrite' AND query LIKE 'SELECT repeat(note%'")
    await expect.poll(() => world.target.query(unread), { timeout: 15_000 }).toHaveLength(1)
    const untaken = waits("wait_event = 'advisory' AND query LIKE 'COPY stuck%'")
    await expect.poll(() => world.target.query(untaken), { timeout: 15_000 }).toHaveLength(1)
    let last = -1
    await expect.poll(() => last === (last = sent), { interval: 200, timeout: 15_000 }).toBe(true)
    expect(sent).toBeLessThan(640)

    await busy(10, 20)
    await expect.poll(() => read).toBeGreaterThan(50)
    expect(kept() - before).toBeLessThan(BOUND)
    expect(await world.target.query(unread)).toHaveLength(1)
  } finally {
    clearInterval(sip)
    await lock.end()
  }
  await expect.poll(() => sent, { timeout: 20_000 }).toBeGreaterThan(640)
  sender.send(COPY_DONE)
  expect(brief(await sender.until('Z'))).toBe('C(COPY 640) Z(I)')
  sender.close()
  slow.close()
}, 60_000)
