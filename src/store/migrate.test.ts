import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase, testServer } from '../../test/support/database.ts'
import type { Migration } from './migrate.ts'
import { checkSchema, migrate, readMigrations, SchemaMismatch } from './migrate.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testServer()
})
afterEach(() => database.close())

const migration = (number: number, sql: string): Migration => ({
  number,
  name: `m${number}`,
  sql,
  checksum: createHash('sha256').update(sql).digest('hex'),
})
const one = migration(1, 'CREATE TABLE a (n integer)')
const two = migration(2, 'CREATE TABLE b (n integer); INSERT INTO b VALUES (1)')

test('eight replicas that start at once apply each migration once', async () => {
  await Promise.all(Array.from({ length: 8 }, () => migrate(database.url, [one, two])))
  expect(await database.query('SELECT n FROM b')).toEqual([{ n: 1 }])
  expect(await database.query('SELECT number FROM schema_migration ORDER BY 1')).toEqual([{ number: 1 }, { number: 2 }])
})

test('one that fails half-way leaves nothing of itself, keeps those before, and goes on when mended', async () => {
  const broken = migration(2, 'CREATE TABLE b (n integer); SELECT 1/0')
  await expect(migrate(database.url, [one, broken])).rejects.toThrow(/migration 2-m2 failed: division by zero/)
  expect(await database.query("SELECT to_regclass('a')::text AS a, to_regclass('b')::text AS b")).toEqual([
    { a: 'a', b: null },
  ])
  await migrate(database.url, [one, two])
  expect(await database.query('SELECT n FROM b')).toEqual([{ n: 1 }])
})

test('a migrator that dies in the middle leaves nothing locked or half-made', async () => {
  const slow = migration(2, 'CREATE TABLE b (n integer); SELECT pg_sleep(60)')
  const dying = migrate(database.url, [one, slow])
  const failed = dying.then(
    () => 'applied',
    () => 'failed',
  )
  await expect
    .poll(() =>
      database.query(
        "SELECT pg_terminate_backend(pid) AS killed FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()",
      ),
    )
    .toEqual([{ killed: true }])
  expect(await failed).toBe('failed')
  await migrate(database.url, [one, two])
  expect(await database.query('SELECT n FROM b')).toEqual([{ n: 1 }])
})

test('an older program refuses a newer schema, and says so', async () => {
  await migrate(database.url, [one, two])
  await expect(migrate(database.url, [one])).rejects.toThrow(/newer Holdpoint \(to 2-m2\)/)
  await expect(checkSchema(database.url, [one])).rejects.toBeInstanceOf(SchemaMismatch)
})

test('a migration that was edited after it was applied is refused', async () => {
  await migrate(database.url, [one])
  await expect(migrate(database.url, [migration(1, 'CREATE TABLE a (n bigint)')])).rejects.toThrow(
    /not the one that this database was made with/,
  )
})

test('a database that was never migrated does not pass the check', async () => {
  await migrate(database.url, [one])
  await expect(checkSchema(database.url, [one, two])).rejects.toThrow(/has not been migrated/)
})

test('the files apply to an empty database, again without effect, and match what tests are cloned from', async () => {
  await migrate(database.url)
  await migrate(database.url)
  const cloned = await testDatabase()
  try {
    await checkSchema(cloned.url)
  } finally {
    await cloned.close()
  }
  expect(readMigrations().map((found) => found.number)[0]).toBe(1)
})
