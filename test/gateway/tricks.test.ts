import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
} from '../../src/wire/postgres/frontend.ts'
import { encodeCancelRequest } from '../../src/wire/postgres/startup.ts'
import { installation, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'

/** What a clever client tries, against the whole installation. */
let world: Installation
beforeAll(async () => {
  world = await installation()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.target.query('TRUNCATE carts')
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
})
afterEach(async () => {
  expect(world.logged).toEqual([])
  // Whatever was tried: nothing of it waits, and no session of it is left.
  await expect.poll(async () => (await world.as('mia').call('getInbox', {})).needsMe, { timeout: 10_000 }).toEqual([])
})
const count = async () => (await world.target.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n
const limited = (portal: string, rows: number): Buffer => {
  const frame = encodeExecute(portal)
  frame.writeInt32BE(rows, frame.length - 4)
  return frame
}
/** Send bytes on a fresh connection; everything that comes back until it is closed. */
const speak = (bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(world.connection.port, '127.0.0.1')
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks)))
    socket.write(bytes)
  })
describe('names', () => {
  it.each([
    '../x',
    'shop-db/../x',
    'shop-db/',
    '/shop-db',
    'SHOP-DB',
    'shop-db\u200b',
    'shop‑db',
    'x'.repeat(9000),
    '*',
  ])('dbname %s leads nowhere', async (database) => {
    const connection = { ...world.connection, database }
    await expect(rawClient(connection)).rejects.toThrow(/there is no resource|dbname names|startup packet/)
  })

  it.each(['Ana', 'ana ', 'аna', 'ana\u0301', 'a'.repeat(5000), "ana'; --", 'nobody'])(
    'user %s is nobody, and learns no more than a wrong password would',
    async (user) => {
      await expect(rawClient({ ...world.connection, user })).rejects.toThrow(/sign-in failed for user|startup packet/)
    },
  )
})

describe('cancel', () => {
  it('with wrong keys, in great numbers, ends nothing; a flood with the right one is one cancel at a time', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('DELETE FROM carts'))
    const { id } = await world.pending()
    const wrong = Array.from({ length: 200 }, (_, i) => {
      const secret = Buffer.from(raw.key.secret)
      secret.writeUInt8((secret.readUInt8(0) + 1 + (i % 255)) & 0xff, 0)
      return speak(encodeCancelRequest(raw.key.pid, secret))
    })
    await Promise.all([...wrong, speak(encodeCancelRequest(raw.key.pid + 1, raw.key.secret))])
    expect((await world.pending()).id).toBe(id)
    await speak(encodeCancelRequest(raw.key.pid, raw.key.secret))
    expect(brief(await raw.until('Z'))).toBe('E(57014) Z(I)')
    raw.send(encodeQuery('SELECT count(*) FROM generate_series(1, 100000000000)'))
    const running =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%(1, 1000000000%' AND pid <> pg_backend_pid()"
    await expect.poll(() => world.target.query(running)).toHaveLength(1)
    await Promise.all(Array.from({ length: 50 }, () => speak(encodeCancelRequest(raw.key.pid, raw.key.secret))))
    expect(brief(await raw.until('Z'))).toBe('T E(57014) Z(I)')
    raw.close()
  })
})

describe('portals and statements', () => {
  it('49: what was approved goes on by row limits, and does not begin again', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('BEGIN'))
    await raw.until('Z')
    raw.send(
      encodeParse('', 'DELETE FROM carts WHERE id <= 3 RETURNING id'),
      encodeBind('p', ''),
      limited('p', 2),
      FLUSH,
    )
    await world.approve()
    expect(brief(await raw.until('s'))).toBe('1 2 D(1) D(2) s')
    raw.send(limited('p', 2), FLUSH)
    expect(brief(await raw.until('C'))).toBe('D(3) C(DELETE 1)')
    raw.send(limited('p', 2), SYNC)
    expect(brief(await raw.until('Z'))).toBe('E(55000) Z(E)')
    raw.close()
    await expect.poll(count).toBe(20)
  })

  it('48, 49: an approved portal is not bound to another text, whatever is parsed or closed behind its back', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('BEGIN'))
    await raw.until('Z')
    raw.send(encodeParse('s', 'DELETE FROM carts WHERE id = 1'), encodeBind('p', 's'), FLUSH)
    await world.approve()
    expect(brief(await raw.until('2'))).toBe('1 2')
    raw.send(encodeClose('statement', 's'), encodeParse('s', 'DELETE FROM carts'), encodeBind('q', 's'), FLUSH)
    expect((await world.pending()).subject).toMatchObject({ text: 'DELETE FROM carts' })
    await world.deny('no')
    expect(brief(await raw.until('E'))).toBe('3 E(42501)')
    raw.send(encodeExecute('p'), SYNC)
    expect(brief(await raw.until('Z'))).toBe('Z(E)')
    raw.close()
    expect(await count()).toBe(20)
  })

  it('DISCARD ALL and DEALLOCATE of a pool forget what the target forgets', () =>
    withClient(world.connection, async (client) => {
      await client.query({ name: 'a', text: 'SELECT 1 AS n', values: [] })
      await client.query('DISCARD ALL')
      await expect(client.query({ name: 'a', text: 'SELECT 1 AS n', values: [] })).rejects.toMatchObject({
        code: '26000',
      })
      await client.query({ name: 'b', text: 'SELECT 2 AS n', values: [] })
      await client.query('DEALLOCATE ALL')
      await expect(client.query({ name: 'b', text: 'SELECT 2 AS n', values: [] })).rejects.toMatchObject({
        code: '26000',
      })
      expect((await client.query('SELECT 3 AS n')).rows).toEqual([{ n: 3 }])
    }))

  it('a storm of Flush and Sync is answered, and statements in between too', async () => {
    const raw = await rawClient(world.connection)
    raw.send(...Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? FLUSH : SYNC)), encodeQuery('SELECT 1'))
    let ready = 0
    for (let left = 10_001; left > 0; left--) ready += (await raw.until('Z')).length
    expect(ready).toBe(10_004)
    raw.close()
  })
})

describe('the session', () => {
  it('does not drift by functions or other roles', () =>
    withClient(world.connection, async (client) => {
      await world.target.query('CREATE SCHEMA IF NOT EXISTS evil')
      await world.target.query('CREATE TABLE IF NOT EXISTS evil.carts (id int)')
      for (const text of [
        "SELECT set_config('role', 'pg_read_all_data', false)",
        'SET ROLE pg_read_all_data',
        'SET SESSION AUTHORIZATION DEFAULT',
        'RESET SESSION AUTHORIZATION',
        'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; SET ROLE pg_read_all_data',
      ]) {
        const answer = client.query(text).then(
          () => 'ran',
          (error: { code?: string }) => error.code ?? 'failed',
        )
        expect([text, await Promise.race([answer, world.pending('sam').then(() => 'held')])]).toEqual([
          text,
          expect.stringMatching(/42501|held/),
        ])
        if ((await Promise.race([answer, Promise.resolve('held')])) === 'held') {
          await world.deny('no', 'sam')
          await answer
        }
      }
      await client.query('SET search_path = evil')
      const running = client.query('DELETE FROM carts')
      expect((await world.pending()).subject).toMatchObject({
        state: { searchPath: 'evil' },
      })
      await world.approve()
      await running
      expect(await count()).toBe(20)
    }))

  it('hears notifications while a statement of it is held', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('LISTEN news'))
    await world.approve()
    expect(brief(await raw.until('Z'))).toBe('C(LISTEN) Z(I)')
    raw.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    await world.pending()
    await world.target.query("NOTIFY news, 'hello'")
    expect(brief(await raw.until('A'))).toBe('A')
    await world.approve()
    expect(brief(await raw.until('Z'))).toBe('C(DELETE 1) Z(I)')
    raw.close()
  })
})
