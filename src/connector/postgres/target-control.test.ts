import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testServer, type TestDatabase } from '../../../test/support/database.ts'
import type { OpenTarget, TargetControl } from '../../app/ports/target.ts'
import type { Backend } from '../../domain/session/session.ts'
import { rowsOf } from './estimate.ts'
import { createTargetControl } from './target-control.ts'

let database: TestDatabase
let control: TargetControl
let target: OpenTarget

beforeAll(async () => {
  database = await testServer()
  await database.query(
    `create table carts (id int primary key, age_days int); create table items (cart int);
     insert into carts select i, i % 100 from generate_series(1, 1000) i; create sequence touched`,
  )
  await database.query('analyze carts')
  const { host, port, user, password } = database.target
  target = { host, port, user, password, database: database.target.database, sslmode: 'disable' }
  control = createTargetControl()
})
afterAll(async () => {
  await control.close()
  await database.close()
})

async function session(): Promise<{ client: pg.Client; backend: Backend; ended: Promise<void> }> {
  const client = new pg.Client(database.url)
  await client.connect()
  const ended = new Promise<void>((resolve) => void client.on('end', () => resolve()))
  client.on('error', () => undefined)
  const { rows } = await client.query<Backend>(
    'select pid, backend_start::text as "startedAt" from pg_stat_activity where pid = pg_backend_pid()',
  )
  const [backend] = rows
  if (backend === undefined) throw new Error('no backend')
  return { client, backend, ended }
}

test('cancels a running statement, and only that', async () => {
  const { client, backend } = await session()
  const running = client.query('select pg_sleep(60)').catch((error: unknown) => (error as pg.DatabaseError).code)
  await until(
    async () =>
      (await database.query("select from pg_stat_activity where pid = $1 and state = 'active'", [backend.pid]))
        .length === 1,
  )
  await control.cancel(target, backend)
  expect(await running).toBe('57014')
  expect(await control.isGone(target, backend)).toBe(false)
  await client.end()
})

test('terminates a backend in the middle of a transaction and sees it gone', async () => {
  const { client, backend, ended } = await session()
  await client.query('begin; insert into items values (1)')
  const running = client.query('select pg_sleep(60)').catch(() => 'cut')
  expect(await control.terminate(target, backend, 5000)).toBe(true)
  expect(await control.isGone(target, backend)).toBe(true)
  expect(await running).toBe('cut')
  await ended
  expect(await database.query('select * from items')).toEqual([])
})

test('terminates at once, however many estimates wait for a lock', async () => {
  const { client, backend, ended } = await session()
  await client.query('begin; lock table carts in access exclusive mode')
  const estimates = Array.from({ length: 12 }, () =>
    control.estimate(target, target.database, 'DELETE FROM carts', 'public'),
  )
  await until(
    async () =>
      (
        await database.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'EXPLAIN%'",
        )
      ).length > 0,
  )
  expect(await control.terminate(target, backend, 5000)).toBe(true)
  await ended
  // Planning gives up on a lock after two seconds: that each had its answer means that the lock went before.
  expect(await Promise.all(estimates)).not.toContain(undefined)
})

test('leaves another backend with the same pid alone', async () => {
  const { client, backend } = await session()
  const other = { pid: backend.pid, startedAt: '2001-01-01 00:00:00+00' }
  expect(await control.terminate(target, other, 1000)).toBe(true)
  await control.cancel(target, other)
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(await control.isGone(target, backend)).toBe(false)
  await client.end()
})

test('one that is gone already is gone at once', async () => {
  const { client, backend } = await session()
  await client.end()
  await until(() => control.isGone(target, backend))
  expect(await control.terminate(target, backend, 1000)).toBe(true)
})

test.each([
  ['DELETE FROM carts WHERE age_days = 5', 10],
  ['DELETE FROM carts', 1000],
  ['UPDATE carts SET age_days = 1 RETURNING id', 1000],
  ['INSERT INTO items SELECT id FROM carts', 1000],
  ['INSERT INTO items VALUES (1), (2)', 2],
  ['SELECT * FROM carts', 1000],
  ['WITH d AS (DELETE FROM carts RETURNING id) SELECT count(*) FROM d', 1000],
])('estimates %s', async (sql, rows) => {
  const estimate = await control.estimate(target, target.database, sql, 'public')
  expect(estimate?.rows).toBe(rows)
  expect(estimate?.cost).toBeGreaterThan(0)
})

test('estimates leave nothing, whatever the text is', async () => {
  for (const sql of [
    'SELECT 1; DELETE FROM carts',
    'COMMIT; DELETE FROM carts',
    'ANALYZE DELETE FROM carts',
    'nonsense',
    'SELECT $1; DELETE FROM carts',
    'DELETE FROM carts WHERE id = $1; COMMIT',
    'SELECT $9',
    "INSERT INTO items SELECT nextval('touched')",
    'DELETE FROM nothing',
    ')',
    '',
  ]) {
    await control.estimate(target, target.database, sql, 'public')
  }
  expect(await control.estimate(target, target.database, 'SELECT 1; DELETE FROM carts', 'public')).toBeUndefined()
  expect(await database.query('select count(*)::int as n from carts')).toEqual([{ n: 1000 }])
  expect(await database.query('select is_called from touched')).toEqual([{ is_called: false }])
})

test('estimates by the search path of the session, and with placeholders', async () => {
  expect(await control.estimate(target, target.database, 'SELECT * FROM carts', 'pg_catalog')).toBeUndefined()
  expect(
    (await control.estimate(target, target.database, 'DELETE FROM carts WHERE id = $1', '"$user", public'))?.rows,
  ).toBe(1)
})

const bound = (types: readonly number[], ...values: readonly (string | Buffer | null)[]) => ({
  types,
  values: values.map((value) => ({
    format: Buffer.isBuffer(value) ? 1 : 0,
    bytes: typeof value === 'string' ? Buffer.from(value) : value,
  })),
})
const guess = async (sql: string, values: ReturnType<typeof bound>) =>
  (await control.estimate(target, target.database, sql, 'public', values))?.rows

test('estimates the very values that are bound, in either format', async () => {
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([], '10'))).toBeLessThan(20)
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([], '990'))).toBeGreaterThan(900)
  const four = Buffer.alloc(4)
  four.writeInt32BE(990)
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([23], four))).toBeGreaterThan(900)
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([0], four))).toBeGreaterThan(900)
  expect(await guess('DELETE FROM carts WHERE id = ANY($1)', bound([1007], '{1,2,3,4,5}'))).toBe(5)
  expect(await guess('DELETE FROM carts WHERE id = $1', bound([], null))).toBeLessThan(2)
  expect(await guess('DELETE FROM carts WHERE id::text = $1', bound([25], "'; DROP TABLE carts; --"))).toBeDefined()
  // The same connections go on.
  for (let i = 0; i < 8; i++)
    expect(await guess('DELETE FROM carts WHERE id <= $1', bound([], '990'))).toBeGreaterThan(900)
})

test('no estimate where binding may run code, or the values do not fit', async () => {
  await database.query(
    "CREATE FUNCTION noted(v text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('touched'); RETURN true; END $$",
  )
  await database.query('CREATE DOMAIN checked AS text CHECK (noted(VALUE))')
  await database.query('CREATE TABLE notes (note checked)')
  const [type] = await database.query<{ oid: number }>("SELECT 'checked'::regtype::oid::int4 AS oid")
  expect(await guess('INSERT INTO notes VALUES ($1)', bound([], 'x'))).toBeUndefined()
  expect(await guess('SELECT $1', bound([type?.oid ?? 0], 'x'))).toBeUndefined()
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([], 'x'))).toBeUndefined()
  expect(await guess('DELETE FROM carts WHERE id <= $1', bound([], '1', '2'))).toBeUndefined()
  expect(await guess('DELETE FROM carts WHERE id <= $1; COMMIT', bound([], '1'))).toBeUndefined()
  expect(await guess('ANALYZE DELETE FROM carts WHERE id <= $1', bound([], '1'))).toBeUndefined()
  expect(await database.query('select is_called from touched')).toEqual([{ is_called: false }])
  expect(await database.query('select count(*)::int as n from carts')).toEqual([{ n: 1000 }])
})

test('counts the rows of every change in a plan', () => {
  expect(rowsOf({ 'Node Type': 'Seq Scan', 'Plan Rows': 7 })).toBe(7)
  expect(
    rowsOf({
      'Node Type': 'ModifyTable',
      'Plan Rows': 0,
      Plans: [
        { 'Plan Rows': 3, 'Parent Relationship': 'Outer' },
        { 'Plan Rows': 9, 'Parent Relationship': 'SubPlan' },
      ],
    }),
  ).toBe(3)
})

test('tells locks and who waits for them', async () => {
  const holder = await session()
  const waiter = await session()
  await holder.client.query('begin; update carts set age_days = 0 where id = 1')
  const waiting = waiter.client.query(
    "set application_name = 'web'; update carts set age_days = 1 where id = 1 -- 4711",
  )
  await until(async () => (await control.locks(target, holder.backend)).waiters === 1)
  const behind = await session()
  const last = behind.client.query('update carts set age_days = 2 where id = 1')
  await until(async () => (await control.locks(target, holder.backend)).waiters === 2)
  const { held, waiting: named } = await control.locks(target, holder.backend)
  expect(named).toEqual([
    {
      pid: waiter.backend.pid,
      user: target.user,
      application: 'web',
      database: target.database,
      forMs: expect.any(Number),
      statement: 'set application_name = ? ; update carts set age_days = ? where id = ?',
    },
    expect.objectContaining({ pid: behind.backend.pid, statement: 'update carts set age_days = ? where id = ?' }),
  ])
  expect(held).toContainEqual({ object: 'public.carts', mode: 'RowExclusive' })
  await holder.client.query('rollback')
  await waiting
  await last
  await behind.client.end()
  expect(await control.locks(target, holder.backend)).toEqual({ held: [], waiters: 0, waiting: [] })
  await holder.client.end()
  await waiter.client.end()
})

test('says why a target cannot be used, without its password', async () => {
  expect(await control.probe(target)).toMatchObject({ ok: true, account: { excess: ['is a superuser'] } })
  const unreachable = await control.probe({ ...target, port: 1 })
  expect(unreachable).toMatchObject({ ok: false, message: expect.stringContaining('connection refused') })
  const nobody = await control.probe({ ...target, database: 'nothing_here' })
  expect(nobody).toMatchObject({ ok: false, message: expect.stringContaining('no such database') })
  const wrong = await control.probe({ ...target, user: 'nobody', password: 'hunter2' })
  expect(wrong.ok).toBe(false)
  expect(JSON.stringify(wrong)).not.toContain('hunter2')
})

/** Looks again and again until it is so. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 10_000 }).toBe(true)
}

test('names what foreign keys do besides, all the way down, and nothing for an update', async () => {
  await database.query(`create schema shop; create table shop.orders (id int primary key, parent int references shop.orders on delete cascade);
    create table shop.lines (id int primary key, o int references shop.orders on delete cascade);
    create table shop.labels (line int references shop.lines on delete cascade);
    create table shop.visits (o int references shop.orders on delete set null, line int references shop.lines);
    create table shop.invoices (o int references shop.orders)`)
  const cascades = async (sql: string, path = 'shop') =>
    (await control.estimate(target, target.database, sql, path))?.cascades?.map((one) => `${one.does} ${one.table}`)
  const all = ['deletes shop.labels', 'deletes shop.lines', 'deletes shop.orders', 'updates shop.visits']
  expect(await cascades('DELETE FROM orders WHERE id = 1')).toEqual(all)
  expect(await cascades('WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING id) SELECT * FROM d')).toEqual(all)
  expect(await cascades('DELETE FROM shop.lines', 'public')).toEqual(['deletes shop.labels'])
  expect(await cascades('UPDATE orders SET id = 2')).toBeUndefined()
  expect(await cascades('SELECT * FROM orders')).toBeUndefined()
})

test('estimates values of enums and ranges, which nobody can have a say in', async () => {
  await database.query(`create schema "Odd"; create type "Odd"."Mood" as enum ('sad', 'happy');
    create table "Odd".people (m "Odd"."Mood", born daterange); insert into "Odd".people select 'sad' from generate_series(1, 100)`)
  const rows = async (sql: string, text: string) =>
    (
      await control.estimate(target, target.database, sql, 'public', {
        types: [],
        values: [{ format: 0, bytes: Buffer.from(text) }],
      })
    )?.rows
  expect(await rows('DELETE FROM "Odd".people WHERE m = $1', 'sad')).toBeGreaterThan(0)
  expect(await rows('DELETE FROM "Odd".people WHERE born && $1', '[2026-01-01,2026-02-01)')).toBeGreaterThan(0)
  expect(await rows('DELETE FROM "Odd".people WHERE m = $1', 'neither')).toBeUndefined()
})
