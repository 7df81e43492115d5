import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { ALLOW, gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld, Verdict } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient, RawMessage } from '../../../test/support/raw-client.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, FLUSH, SYNC } from '../../wire/postgres/frontend.ts'

describe('rows that a read may return', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: RawClient
  let onExport: Verdict

  beforeEach(async () => {
    db = await testServer()
    await db.query('CREATE TABLE carts (id int); INSERT INTO carts SELECT generate_series(1, 100000)')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = await rawClient(world.connection)
    onExport = 'hold'
    world.app.rule = ({ verb }) => (verb === 'export' ? onExport : { ...ALLOW, rowsAtMost: 10 })
  })
  afterEach(async () => {
    client.close()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const short = (messages: readonly RawMessage[]): string =>
    brief(messages)
      .replaceAll(/D\(\d+\)/g, 'D')
      .replaceAll(/(?:D ){2,}/g, (rows) => `${rows.length / 2}D `)
  const read = async (...parts: Buffer[]) => {
    client.send(...parts)
    return short(await client.until('Z'))
  }
  const ask = (sql: string) => read(encodeQuery(sql))
  const select = (rows: number) => `SELECT id FROM carts LIMIT ${rows}`
  const entries = () => world.app.entries.map(({ verbs, outcome, rows, sqlstate }) => [verbs, outcome, rows, sqlstate])
  const STOPPED = [['export', 'read'], 'refused', 10, '42501']

  it('are delivered up to the limit; the next one is an export, and stops it with a sentence', async () => {
    expect(await ask(select(10))).toBe('T 10D C(SELECT 10) Z(I)')
    client.send(encodeQuery('SELECT id FROM carts'))
    const messages = await client.until('Z')
    expect(short(messages)).toBe('T 10D E(42501) Z(I)')
    expect(textOf(messages.find(({ type }) => type === 'E'))).toBe(
      'more than 10 rows are an export, which needs a review (rule prod-writes); stopped there',
    )
    // However few there are: the target had done it all before anybody could stop it.
    expect(await ask(select(11))).toBe('T 10D E(42501) Z(I)')
    expect(await ask(select(3))).toBe('T 3D C(SELECT 3) Z(I)')
    expect(entries()).toEqual([
      [['read'], 'succeeded', 10, undefined],
      STOPPED,
      STOPPED,
      [['read'], 'succeeded', 3, undefined],
    ])
    expect(world.app.refusals).toHaveLength(2)
  })

  it.each([11, 100_000])('%i of them: the transaction has failed, as the status says', async (rows) => {
    await ask('BEGIN')
    expect(await ask(select(rows))).toBe('T 10D E(42501) Z(E)')
    expect(await ask('SELECT 1')).toBe('E(25P02) Z(E)')
    expect(await ask('COMMIT')).toBe('C(ROLLBACK) Z(I)')
    await ask('BEGIN')
    expect(await read(encodeParse('', select(rows)), encodeBind('', ''), encodeExecute(''), SYNC)).toBe(
      '1 2 10D E(42501) Z(E)',
    )
    await ask('ROLLBACK')
    // Flushed only: everything up to the Sync is skipped, as behind any error.
    client.send(encodeParse('', select(rows)), encodeBind('', ''), encodeExecute(''), FLUSH)
    expect(short(await client.until('E'))).toBe('1 2 10D E(42501)')
    expect(await read(encodeParse('', 'SELECT 1'), encodeBind('', ''), encodeExecute(''), SYNC)).toBe('Z(I)')
    expect(await ask('SELECT 1')).toBe('T D C(SELECT 1) Z(I)')
  })

  it('go on as an export where policy allows one, or a window stands for it', async () => {
    onExport = 'allow'
    expect(await ask(select(20))).toBe('T 20D C(SELECT 20) Z(I)')
    onExport = 'hold'
    world.app.covers = () => Date.now() + 900_000
    expect(await ask(select(20))).toBe('T 20D C(SELECT 20) Z(I)')
    onExport = 'deny'
    expect(await ask(select(20))).toBe('T 10D E(42501) Z(I)')
    expect(world.app.entries.map(({ decision, request, rows, verbs }) => [decision, request, rows, verbs])).toEqual([
      ['allow', undefined, 20, ['export', 'read']],
      ['hold', 'HP-9', 20, ['export', 'read']],
      ['allow', undefined, 10, ['export', 'read']],
    ])
  })

  it('add up over the parts of a portal, the FETCHes of a cursor and the statements of a text', async () => {
    const part = (rows: number) => {
      const execute = Buffer.from(encodeExecute(''))
      execute.writeInt32BE(rows, execute.length - 4)
      return execute
    }
    expect(await read(encodeParse('', select(50)), encodeBind('', ''), part(6), part(6), SYNC)).toBe(
      '1 2 6D s 4D E(42501) Z(I)',
    )
    await ask('BEGIN')
    await ask(`DECLARE c CURSOR FOR ${select(50)}`)
    await ask(`DECLARE d CURSOR FOR ${select(50)}`)
    expect(await ask('FETCH 6 FROM c')).toBe('T 6D C(FETCH 6) Z(T)')
    expect(await ask('FETCH FORWARD 6 FROM "d"')).toBe('T 6D C(FETCH 6) Z(T)')
    expect(await ask('FETCH 6 IN "c";')).toBe('T 4D E(42501) Z(E)')
    await ask('ROLLBACK')
    await ask('BEGIN')
    await ask(`DECLARE c CURSOR FOR ${select(50)}`)
    expect(await ask('FETCH 6 FROM c')).toBe('T 6D C(FETCH 6) Z(T)')
    await ask('ROLLBACK')
    expect(await ask(`${select(6)}; ${select(6)}`)).toBe('T 6D C(SELECT 6) T 4D E(42501) Z(I)')
  })

  it('are counted on over a DECLARE or CLOSE that fails, and however a FETCH is written', async () => {
    await ask(`DECLARE c CURSOR WITH HOLD FOR ${select(50)}`)
    expect(await ask('FETCH 6 FROM c')).toBe('T 6D C(FETCH 6) Z(I)')
    expect(await ask(`DECLARE c CURSOR WITH HOLD FOR ${select(50)}`)).toBe('E(42P03) Z(I)')
    await ask('BEGIN')
    await ask('SELECT 1/0')
    expect(await ask('CLOSE c')).toBe('E(25P02) Z(E)')
    await ask('ROLLBACK')
    expect(await ask('FETCH /* more */ 2 FROM c')).toBe('T 2D C(FETCH 2) Z(I)')
    await ask(`DECLARE /* another */ d CURSOR WITH HOLD FOR ${select(50)}`)
    expect(await ask('SELECT 1; FETCH 6 FROM c')).toBe('T D C(SELECT 1) T D E(42501) Z(I)')
    await ask('CLOSE c')
    await ask(`DECLARE c CURSOR WITH HOLD FOR ${select(50)}`)
    expect(await ask('FETCH 10 FROM c')).toBe('T 10D C(FETCH 10) Z(I)')
  })

  it('bound what is pipelined one by one', async () => {
    client.send(encodeQuery(select(50)), encodeQuery('SELECT 1'), encodeQuery(select(50)), encodeQuery('SELECT 2'))
    const said = [await client.until('Z'), await client.until('Z'), await client.until('Z'), await client.until('Z')]
    expect(said.map(short)).toEqual([
      'T 10D E(42501) Z(I)',
      'T D C(SELECT 1) Z(I)',
      'T 10D E(42501) Z(I)',
      'T D C(SELECT 1) Z(I)',
    ])
  })

  it('stop a driver with its rows in hand, and leave it usable', async () => {
    const driver = new pg.Client({ ...world.connection, ssl: { rejectUnauthorized: false } })
    await driver.connect()
    const rows: unknown[] = []
    const query = driver.query(new pg.Query('SELECT id FROM carts'))
    query.on('row', (row) => rows.push(row))
    const error = await new Promise<Error & { hint?: string }>((resolve) => query.on('error', resolve))
    expect(error.hint).toBe('Read fewer, or ask first: hp request shop-db --verb export --for 30m')
    expect(rows).toHaveLength(10)
    expect((await driver.query('SELECT $1::int AS n', [7])).rows).toEqual([{ n: 7 }])
    await driver.end()
  })
})
