import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testServer, type TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, FLUSH, SYNC } from '../../wire/postgres/frontend.ts'

/** What drivers, ORMs and dumps send in one statement, through the gateway to a real server. */
describe('a long or deep statement', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: pg.Client
  const asked: string[] = []

  beforeAll(async () => {
    db = await testServer()
    await db.query('create table carts (id int, note text, at int)')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = new pg.Client({ ...world.connection, ssl: false })
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  beforeEach(() => {
    asked.length = 0
    world.app.rule = ({ verb }) => {
      asked.push(verb)
      return verb === 'unknown' || verb === 'delete' ? 'deny' : 'allow'
    }
  })
  const many = (n: number, one: (i: number) => string, by = ', '): string =>
    Array.from({ length: n }, (_, i) => one(i)).join(by)
  const count = async () => (await db.query<{ n: number }>('select count(*)::int as n from carts'))[0]?.n

  it('runs when policy allows what it does, again at once, and beside what others do', async () => {
    const other = new pg.Client({ ...world.connection, ssl: false })
    await other.connect()
    const rows = `insert into carts values ${many(21_845, (i) => `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`)}`
    const values = Array.from({ length: 65_535 }, (_, i) => (i % 3 === 1 ? `note ${i}` : i))
    const [inserted, beside] = await Promise.all([client.query(rows, values), other.query('select 1 as one')])
    await other.end()
    expect([inserted.rowCount, beside.rows]).toEqual([21_845, [{ one: 1 }]])
    expect((await client.query({ name: 'kept', text: rows, values })).rowCount).toBe(21_845)
    expect((await client.query({ name: 'kept', text: rows, values })).rowCount).toBe(21_845)
    expect(await count()).toBe(3 * 21_845)
    const list = `select count(*)::int as n from carts where id in (${many(10_000, (i) => String(i * 3))})`
    expect((await client.query<{ n: number }>(list)).rows).toEqual([{ n: 30_000 }])
    const deep = `select ${many(2000, () => '1', '+')} as sum`
    expect((await client.query<{ sum: number }>(deep)).rows).toEqual([{ sum: 2000 }])
    const script = many(2000, (i) => `INSERT INTO public.carts VALUES (${i}, 'it''s note ${i}', NULL);`, '\n')
    await client.query(script)
    expect(await count()).toBe(3 * 21_845 + 2000)
    expect(asked).not.toContain('unknown')
  })

  it('is refused for what stands at its end', async () => {
    const before = await count()
    const script = `${many(2000, (i) => `insert into carts values (${i});`, '\n')} delete from carts`
    await expect(client.query(script)).rejects.toMatchObject({ code: '42501' })
    const deep = `with d as (delete from carts returning id) select ${many(2000, () => '1', '+')} from d`
    await expect(client.query(deep)).rejects.toMatchObject({ code: '42501' })
    expect(await count()).toBe(before)
  })

  it('is asked about once, at its Bind, when it was prepared before', async () => {
    const raw = await rawClient(world.connection)
    const text = `insert into carts values ${many(5000, (i) => `(${i}, 'x', 2)`)}`
    asked.length = 0
    raw.send(encodeParse('p', text), FLUSH)
    expect(brief(await raw.until('1'))).toBe('1')
    expect(asked).toEqual([])
    raw.send(encodeBind('', 'p'), encodeExecute(''), SYNC)
    expect(brief(await raw.until('Z'))).toBe('2 C(INSERT 0 5000) Z(I)')
    expect(new Set(asked)).toEqual(new Set(['write']))
    raw.send(encodeQuery(`prepare r as ${text}`))
    expect(brief(await raw.until('Z'))).toBe('C(PREPARE) Z(I)')
    asked.length = 0
    raw.send(encodeQuery('execute r'))
    expect(brief(await raw.until('Z'))).toBe('C(INSERT 0 5000) Z(I)')
    expect(new Set(asked)).toEqual(new Set(['write']))
    raw.close()
  })
})
