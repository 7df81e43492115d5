import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { targetServers, testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'

/** Two ordinary drivers do their everyday work, unchanged, on every server there is. */
describe.each(targetServers())('PostgreSQL $version', ({ url }) => {
  let db: TestDatabase
  let world: GatewayWorld
  beforeAll(async () => {
    db = await testServer(url)
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    world.app.rule = () => 'allow'
  })
  afterAll(async () => {
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })

  describe('pg', () => {
    it('works: parameters, prepared statements, transactions, errors, types, many at once', async () => {
      const client = new pg.Client(world.connection)
      await client.connect()
      await client.query('CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL, born date, data jsonb)')
      const inserted = await client.query(
        'INSERT INTO people (name, born, data) VALUES ($1, $2, $3), ($4, NULL, NULL) RETURNING id',
        ['Ana', '1990-02-03', { a: [1, '✓'] }, 'Mia'],
      )
      expect(inserted.rows).toEqual([{ id: 1 }, { id: 2 }])
      for (let i = 0; i < 5; i++) {
        expect(
          (await client.query({ name: 'by-id', text: 'SELECT name FROM people WHERE id = $1', values: [1] })).rows,
        ).toEqual([{ name: 'Ana' }])
      }
      await client.query('BEGIN')
      await client.query("UPDATE people SET name = 'x'")
      await expect(client.query('SELECT nonsense')).rejects.toMatchObject({ code: '42703', position: '8' })
      await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' })
      await client.query('ROLLBACK')
      expect((await client.query('SELECT name, data FROM people ORDER BY id')).rows).toEqual([
        { name: 'Ana', data: { a: [1, '✓'] } },
        { name: 'Mia', data: null },
      ])
      const many = await Promise.all(Array.from({ length: 50 }, (_, i) => client.query('SELECT $1::int AS n', [i])))
      expect(many.map(({ rows }) => (rows[0] as { n: number }).n)).toEqual(Array.from({ length: 50 }, (_, i) => i))
      expect((await client.query('SELECT repeat($1, 300000) AS long', ['ab'])).rows[0]).toEqual({
        long: 'ab'.repeat(300_000),
      })
      expect((await client.query('SELECT length($1) AS n', ['x'.repeat(2_000_000)])).rows).toEqual([{ n: 2_000_000 }])
      await client.end()
    })

    it.each([false, { rejectUnauthorized: false }])(
      'reads what is too large, and sends what is not (TLS: %j)',
      async (ssl) => {
        const client = new pg.Client({ ...world.connection, ssl })
        await client.connect()
        const length = 40_000_000
        expect((await client.query('SELECT length($1) AS n', ['x'.repeat(length)])).rows).toEqual([{ n: length }])
        client.on('error', () => undefined)
        await expect(client.query(`SELECT length('${'x'.repeat(20_000_000)}')`)).rejects.toMatchObject({
          code: '54000',
          message: 'a message larger than this gateway takes: 20,000,018 bytes (type Q)',
        })
      },
    )

    it('listens and is notified', async () => {
      const client = new pg.Client(world.connection)
      await client.connect()
      const heard = new Promise((resolve) => client.once('notification', (message) => resolve(message.payload)))
      await client.query('LISTEN news')
      await client.query("NOTIFY news, 'hello'")
      expect(await heard).toBe('hello')
      await client.end()
    })

    it('a pool is used by many', async () => {
      const pool = new pg.Pool({ ...world.connection, max: 5 })
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => pool.query('SELECT $1::int AS n', [i])))
      expect(answers).toHaveLength(40)
      await pool.end()
    })
  })

  describe('postgres', () => {
    it('works: pipelines, transactions, savepoints, cursors, COPY both ways, unsafe, errors', async () => {
      const sql = postgres({ ...world.connection, username: 'ana', max: 2, onnotice: () => undefined })
      await sql`CREATE TABLE carts (id int PRIMARY KEY, age_days int)`
      const rows = Array.from({ length: 500 }, (_, i) => ({ id: i, age_days: i % 100 }))
      await sql`INSERT INTO carts ${sql(rows)}`
      const [a, b] = await Promise.all([sql`SELECT count(*)::int AS n FROM carts`, sql`SELECT max(id) AS n FROM carts`])
      expect([a[0]?.n, b[0]?.n]).toEqual([500, 499])
      await sql.begin(async (tx) => {
        await tx`DELETE FROM carts WHERE age_days > ${90}`
        await tx
          .savepoint(async (save) => {
            await save`DELETE FROM carts`
            throw new Error('back')
          })
          .catch(() => undefined)
      })
      expect((await sql`SELECT count(*)::int AS n FROM carts`)[0]?.n).toBe(455)
      let seen = 0
      await sql`SELECT * FROM carts ORDER BY id`.cursor(100, (batch) => void (seen += batch.length))
      expect(seen).toBe(455)
      const copying = await sql`COPY carts FROM STDIN`.writable()
      for (let i = 1000; i < 3000; i++) copying.write(`${i}\t1\n`)
      await new Promise<void>((resolve, reject) => copying.on('error', reject).end(resolve))
      const copied: Buffer[] = []
      for await (const chunk of await sql`COPY (SELECT id FROM carts WHERE id >= 1000) TO STDOUT`.readable())
        copied.push(chunk as Buffer)
      expect(Buffer.concat(copied).toString().split('\n')).toHaveLength(2001)
      await expect(sql`SELECT 1 / ${0}::int`).rejects.toMatchObject({ code: '22012' })
      const several: unknown = await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b')
      expect(several).toMatchObject([[{ a: 1 }], [{ b: 2 }]])
      await sql.end()
    })

    it('cancels a query', async () => {
      const sql = postgres({ ...world.connection, username: 'ana', max: 1 })
      await sql`SELECT 1`
      const query = sql`SELECT pg_sleep(60)`.execute()
      await expect
        .poll(() =>
          db.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
          ),
        )
        .toHaveLength(1)
      query.cancel()
      await expect(query).rejects.toMatchObject({ code: '57014' })
      await sql.end()
    })
  })
})
