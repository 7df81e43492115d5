import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { eq, sql } from 'drizzle-orm'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import { migrate as migratePg } from 'drizzle-orm/node-postgres/migrator'
import { date, integer, jsonb, numeric, pgTable, serial, text, timestamp } from 'drizzle-orm/pg-core'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgres } from 'drizzle-orm/postgres-js'
import { migrate as migratePostgres } from 'drizzle-orm/postgres-js/migrator'
import createKnex from 'knex'
import type { Knex } from 'knex'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { targetServers } from '../support/database.ts'
import { installation, RULES } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'

/** What ORMs and query builders send all day, and that they take a hold and a refusal for what a slow or cross server says. */
const ALLOWED = RULES.replace(
  'on: {verbs: [write, delete, schema]}\nhold: {reviews: [{from: owners}], scope: once}',
  'on: {resource: shop-db, verbs: [write, delete, schema]}\nallow: {}',
).replace('on: {verbs: [admin]}\ndeny: Ask the database team.', 'on: {resource: shop-db, verbs: [admin]}\nallow: {}')
const RUNS = RULES.replace(', scope: once', '')

const ENDLESS = 'WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT 1 FROM more) SELECT count(*) FROM more'

const people = pgTable('people', {
  id: serial('id').primaryKey(),
  name: text('name').notNull().unique(),
  born: date('born'),
  tags: text('tags').array(),
  data: jsonb('data').$type<{ readonly a: readonly (number | string)[] }>(),
  seen: timestamp('seen', { withTimezone: true }),
  balance: numeric('balance'),
  visits: integer('visits').notNull().default(0),
})
const ANA = {
  name: 'Ana',
  born: '1990-02-03',
  tags: ['a', 'b,"c"', 'null'],
  data: { a: [1, '✓'] },
  seen: new Date('2026-01-02T03:04:05.678Z'),
  balance: '12345678901234567890.123',
}
const PEOPLE = `CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL UNIQUE, born date, tags text[], data jsonb,
  seen timestamptz, balance numeric, visits int NOT NULL DEFAULT 0)`

/** Steps of a schema as files of Knex have them. */
const STEPS: Readonly<Record<string, Knex.Migration>> = {
  '001_people': {
    up: (knex) =>
      knex.schema.createTable('members', (table) => {
        table.increments('id')
        table.string('name').notNullable().unique()
        table.jsonb('data')
        table.timestamps(true, true)
      }),
    down: (knex) => knex.schema.dropTable('members'),
  },
  '002_visits': {
    async up(knex) {
      await knex.schema.alterTable('members', (table) => {
        table.integer('visits').notNullable().defaultTo(0)
        table.index(['visits'])
      })
      await knex('members').insert([{ name: 'Ana' }, { name: 'Mia', visits: 3 }])
    },
    down: (knex) => knex.schema.alterTable('members', (table) => table.dropColumn('visits')),
  },
}
const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => Object.keys(STEPS),
  getMigrationName: (name) => name,
  getMigration: async (name) => STEPS[name] ?? { up: async () => undefined },
}

describe.each(targetServers())('PostgreSQL $version', ({ url }) => {
  let world: Installation
  let migrations: string
  const open: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    world = await installation({ documents: [ALLOWED], tables: [], server: url })
    migrations = await mkdtemp(path.join(tmpdir(), 'hp-orms-'))
    await mkdir(path.join(migrations, 'meta'))
    const entries = [{ idx: 0, version: '7', when: 1_790_000_000_000, tag: '0000_people', breakpoints: true }]
    const journal = { version: '7', dialect: 'postgresql', entries }
    await writeFile(path.join(migrations, 'meta', '_journal.json'), JSON.stringify(journal))
    const steps = `${PEOPLE};\n--> statement-breakpoint\nCREATE INDEX people_born ON people (born);`
    await writeFile(path.join(migrations, '0000_people.sql'), steps)
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await rm(migrations, { recursive: true, force: true })
  })
  afterEach(async () => {
    for (const close of open.splice(0)) await close()
    await world.apply(ALLOWED)
    expect(world.logged).toEqual([])
    await world.target.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS drizzle CASCADE')
  })

  const knexOf = (connection: Knex.PgConnectionConfig & { options?: string } = {}, most = 4): Knex => {
    const config = { ...world.connection, ssl: false, ...connection }
    const knex = createKnex({ client: 'pg', connection: config, pool: { min: 0, max: most } })
    open.push(() => knex.destroy())
    return knex
  }
  const waits = async () => (await world.as('mia').call('getInbox', {})).needsMe

  describe('Knex', () => {
    it('builds a schema, looks at it, and migrates it up and down', async () => {
      const knex = knexOf()
      expect(await knex.schema.hasTable('members')).toBe(false)
      expect(await knex.migrate.latest({ migrationSource })).toEqual([1, Object.keys(STEPS)])
      expect(await knex.migrate.latest({ migrationSource })).toEqual([1, []])
      expect(await knex.migrate.currentVersion({ migrationSource })).toBe('002')
      expect(await knex.schema.hasTable('members')).toBe(true)
      expect(await knex.schema.hasColumn('members', 'visits')).toBe(true)
      expect(await knex('members').columnInfo()).toMatchObject({
        id: { type: 'integer', nullable: false, defaultValue: "nextval('members_id_seq'::regclass)" },
        data: { type: 'jsonb', nullable: true },
      })
      expect(await knex('knex_migrations_lock').select('is_locked')).toEqual([{ is_locked: 0 }])
      // The lock of somebody who is migrating is respected.
      await knex('knex_migrations_lock').update({ is_locked: 1 })
      await expect(knex.migrate.rollback({ migrationSource })).rejects.toThrow('Migration table is already locked')
      await knex.migrate.forceFreeMigrationsLock({ migrationSource })
      expect(await knex.migrate.rollback({ migrationSource })).toEqual([1, Object.keys(STEPS).reverse()])
      expect(await knex.schema.hasTable('members')).toBe(false)
      await knex.schema.createSchemaIfNotExists('ledger')
      await knex.schema.withSchema('ledger').createTable('lines', (table) => {
        table.uuid('id').primary().defaultTo(knex.fn.uuid())
        table.enu('kind', ['debit', 'credit'], { useNative: true, enumName: 'line_kind', schemaName: 'ledger' })
        table.specificType('tags', 'text[]')
      })
      await knex.schema.createView('debits', (view) => {
        view.columns(['id'])
        view.as(knex('ledger.lines').where({ kind: 'debit' }).select('id'))
      })
      expect(await knex.withSchema('ledger').table('lines').columnInfo('tags')).toMatchObject({ type: 'ARRAY' })
      expect(await knex('debits').count('* as n')).toEqual([{ n: '0' }])
      await knex.schema.dropView('debits')
      await knex.raw('DROP SCHEMA ledger CASCADE')
    })

    it('inserts, upserts, returns, reads, batches, nests transactions, locks and times out', async () => {
      await world.target.query(PEOPLE)
      const knex = knexOf()
      const [ana] = await knex('people')
        .insert({ ...ANA, data: JSON.stringify(ANA.data) })
        .returning(['id', 'tags', 'data', 'seen', 'balance', knex.raw('born::text AS born')])
      expect(ana).toEqual({ id: 1, ...ANA, name: undefined })
      const upserted = await knex('people')
        .insert([
          { name: 'Ana', visits: 1 },
          { name: 'Mia', visits: 1 },
        ])
        .onConflict('name')
        .merge({ visits: knex.raw('people.visits + excluded.visits') })
        .returning(['name', 'visits'])
      expect(upserted).toEqual([
        { name: 'Ana', visits: 1 },
        { name: 'Mia', visits: 1 },
      ])
      expect(await knex('people').insert({ name: 'Ana' }).onConflict('name').ignore()).toMatchObject({ rowCount: 0 })
      const rows = Array.from({ length: 950 }, (_, i) => ({ name: `p${i}` }))
      expect(await knex.batchInsert<{ id: number; name: string }>('people', rows, 100).returning('id')).toHaveLength(
        950,
      )

      await knex.transaction(async (outer) => {
        await outer('people').where({ name: 'Ana' }).update({ visits: 10 })
        const inner = outer.transaction(async (nested) => {
          await nested('people').where({ name: 'Ana' }).update({ visits: 20 })
          await nested('people').insert({ name: 'Mia' })
        })
        await expect(inner).rejects.toMatchObject({ code: '23505' })
        await outer.transaction(async (nested) => {
          await nested('people').where({ name: 'Mia' }).increment('visits', 5)
        })
        expect(await outer('people').where({ name: 'Ana' }).forUpdate().first('visits')).toEqual({ visits: 10 })
      })
      const undone = knex.transaction(async (trx) => {
        await trx('people').del()
        throw new Error('changed my mind')
      })
      await expect(undone).rejects.toThrow('changed my mind')
      const isolated = await knex.transaction((trx) => trx.raw('SHOW transaction_isolation'), {
        isolationLevel: 'serializable',
        readOnly: true,
      })
      expect(isolated).toMatchObject({ rows: [{ transaction_isolation: 'serializable' }] })

      const first = await knex('people')
        .join('people as other', 'other.id', 'people.id')
        .whereIn('people.name', ['Ana', 'Mia'])
        .orderBy('people.name')
        .select({ name: 'people.name' }, knex.raw('people.visits + ?? + ? AS n', ['other.id', 2]))
      expect(first).toEqual([
        { name: 'Ana', n: 13 },
        { name: 'Mia', n: 11 },
      ])
      expect(await knex('people').whereJsonPath('data', '$.a[0]', '=', 1).pluck('name')).toEqual(['Ana'])
      expect(
        await knex
          .with('x', knex('people').where('visits', '>', 5))
          .from('x')
          .count(),
      ).toEqual([{ count: '2' }])
      const late = knex.raw(ENDLESS).timeout(100, { cancel: true })
      await expect(late).rejects.toThrow('Defined query timeout of 100ms exceeded')
      const many = await Promise.all(Array.from({ length: 40 }, (_, n) => knex.raw('SELECT ?::int AS n', [n])))
      expect(many.map((one) => one.rows[0].n)).toEqual(Array.from({ length: 40 }, (_, n) => n))
      await expect(knex('people').insert({ name: null })).rejects.toMatchObject({ code: '23502', column: 'name' })
      expect(await knex('people').truncate()).toBeDefined()
    })

    it('takes a hold for a slow answer, and a refusal for an error that rolls back', async () => {
      await world.target.query(PEOPLE)
      await world.apply(RULES)
      const knex = knexOf({}, 1)
      expect(await knex('people').count()).toEqual([{ count: '0' }])
      const [made] = await Promise.all([knex('people').insert({ name: 'Ana' }).returning('id'), world.approve()])
      expect(made).toEqual([{ id: 1 }])

      const refused = knex.transaction(async (trx) => {
        await trx('people').count()
        const first = trx('people').insert({ name: 'Mia' })
        await Promise.all([first, world.approve()])
        const [second] = await Promise.allSettled([trx('people').del(), world.deny('not on a Friday')])
        if (second.status === 'rejected') throw second.reason
      })
      await expect(refused).rejects.toMatchObject({ code: '42501', message: expect.stringMatching(/not on a Friday/) })
      expect(await knex('people').pluck('name')).toEqual(['Ana'])

      // To a savepoint, the refused part alone is undone; what was approved before it stays.
      await knex.transaction(async (trx) => {
        await Promise.all([trx('people').insert({ name: 'Dev' }), world.approve()])
        const inner = trx.transaction(async (nested) => {
          await Promise.all([nested('people').del(), world.deny('all of them?')])
        })
        await expect(inner).rejects.toMatchObject({ code: '42501' })
      })
      expect(await knex('people').orderBy('id').pluck('name')).toEqual(['Ana', 'Dev'])
      expect(await waits()).toEqual([])
    })

    it('migrates as one declared run, approved once', async () => {
      await world.apply(RUNS)
      const knex = knexOf({ options: '-c holdpoint.run=schema,write' }, 1)
      const migrating = knex.migrate.latest({ migrationSource })
      expect((await world.approve()).subject).toMatchObject({ run: ['write', 'schema'] })
      expect(await migrating).toEqual([1, Object.keys(STEPS)])
      expect(await waits()).toEqual([])
      expect(await world.target.query('SELECT name, visits FROM members ORDER BY id')).toEqual([
        { name: 'Ana', visits: 0 },
        { name: 'Mia', visits: 3 },
      ])
      expect(await world.target.query('SELECT is_locked FROM knex_migrations_lock')).toEqual([{ is_locked: 0 }])
    })
  })

  const drivers = {
    pg(options?: string) {
      const pool = new pg.Pool({ ...world.connection, max: 1, ...(options === undefined ? {} : { options }) })
      open.push(() => pool.end())
      const db = drizzlePg(pool)
      return { db, migrate: () => migratePg(db, { migrationsFolder: migrations }) }
    },
    postgres(options?: string) {
      const connection = options === undefined ? {} : { options }
      const client = postgres({ ...world.connection, max: 1, onnotice: () => undefined, connection })
      open.push(() => client.end())
      const db = drizzlePostgres(client)
      return { db, migrate: () => migratePostgres(db, { migrationsFolder: migrations }) }
    },
  }
  describe.each(Object.entries(drivers))('Drizzle over %s', (_name, connect) => {
    it('inserts, upserts, returns, reads, prepares and nests transactions', async () => {
      await world.target.query(PEOPLE)
      const db: PgDatabase<PgQueryResultHKT> = connect().db
      const [ana] = await db.insert(people).values(ANA).returning()
      expect(ana).toEqual({ id: 1, visits: 0, ...ANA })
      const more = [{ name: 'Ana' }, ...Array.from({ length: 400 }, (_, i) => ({ name: `p${i}` }))]
      const upserted = await db
        .insert(people)
        .values(more)
        .onConflictDoUpdate({ target: people.name, set: { visits: sql`${people.visits} + 1` } })
        .returning({ visits: people.visits })
      expect(upserted.map(({ visits }) => visits)).toEqual([1, ...Array.from({ length: 400 }, () => 0)])
      const byName = db
        .select({ id: people.id, tags: people.tags, born: people.born })
        .from(people)
        .where(eq(people.name, sql.placeholder('name')))
        .prepare('by_name')
      for (let left = 3; left > 0; left--)
        expect(await byName.execute({ name: 'Ana' })).toEqual([{ id: 1, tags: ANA.tags, born: ANA.born }])
      expect(await byName.execute({ name: 'Lee' })).toEqual([])

      await db.transaction(async (outer) => {
        await outer.update(people).set({ visits: 10 }).where(eq(people.name, 'Ana'))
        const inner = outer.transaction(async (nested) => {
          await nested.delete(people)
          nested.rollback()
        })
        await expect(inner).rejects.toThrow('Rollback')
        await outer.transaction((nested) => nested.insert(people).values({ name: 'Mia', visits: 4 }))
      })
      const found = await db
        .select({ n: sql<number>`count(*)::int`, sum: sql<number>`sum(${people.visits})::int` })
        .from(people)
      expect(found).toEqual([{ n: 402, sum: 14 }])
      const twice = db.insert(people).values({ name: 'Ana' })
      await expect(twice).rejects.toMatchObject({ cause: { code: '23505' } })
      const many = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          db
            .select({ name: people.name })
            .from(people)
            .where(eq(people.id, (i % 2) + 1)),
        ),
      )
      expect(many.flat()).toHaveLength(20 - 10 * Number(many[1]?.length === 0))
      await db.delete(people).where(eq(people.name, 'Ana')).returning()
      expect(await db.$count(people)).toBe(401)
    })

    it('takes a hold for a slow answer, and a refusal for an error that rolls back', async () => {
      await world.target.query(PEOPLE)
      await world.apply(RULES)
      const db: PgDatabase<PgQueryResultHKT> = connect().db
      const [made] = await Promise.all([db.insert(people).values(ANA).returning(), world.approve()])
      expect(made).toEqual([{ id: 1, visits: 0, ...ANA }])
      const refused = db.transaction(async (tx) => {
        expect(await tx.$count(people)).toBe(1)
        await Promise.all([tx.insert(people).values({ name: 'Mia' }), world.approve()])
        const [second] = await Promise.allSettled([tx.delete(people), world.deny('not on a Friday')])
        if (second.status === 'rejected') throw second.reason
      })
      await expect(refused).rejects.toMatchObject({
        cause: { code: '42501', message: expect.stringMatching(/not on a Friday/) },
      })
      expect(await db.select({ name: people.name }).from(people)).toEqual([{ name: 'Ana' }])
      expect(await waits()).toEqual([])
    })

    it('migrates as one declared run, approved once', async () => {
      await world.apply(RUNS)
      const { migrate } = connect('-c holdpoint.run=schema,write')
      await Promise.all([migrate(), world.approve()])
      expect(await waits()).toEqual([])
      await migrate()
      expect(await world.target.query('SELECT count(*)::int AS n FROM drizzle.__drizzle_migrations')).toEqual([
        { n: 1 },
      ])
      expect(await world.target.query("SELECT to_regclass('people_born')::text AS t")).toEqual([{ t: 'people_born' }])
    })
  })
})
