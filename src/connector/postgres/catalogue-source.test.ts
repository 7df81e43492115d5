import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testServer, type TestDatabase } from '../../../test/support/database.ts'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import type { OpenTarget } from '../../app/ports/target.ts'
import { createCatalogueBuilder } from '../../classify/postgres/catalogue.ts'
import { readCatalogue } from './catalogue-rows.ts'
import { createCatalogueSource } from './catalogue-source.ts'

let database: TestDatabase
let source: CatalogueSource
let target: OpenTarget

beforeAll(async () => {
  database = await testServer()
  const { host, port, user, password } = database.target
  target = { host, port, user, password, database: database.target.database, sslmode: 'disable' }
  source = await createCatalogueSource({ every: 20, stale: 5000 })
})
afterAll(async () => {
  await source.close()
  await database.close()
})

test('knows what the target has of its own, and sees it change', async () => {
  await database.query(`create table carts (id int); create view v as select id from carts`)
  const watch = await source.watch(target, target.database)
  const first = watch.current()
  expect(first?.schemasOf?.get('carts')).toEqual(['public'])
  expect(first?.relations.get('public.v')).toMatchObject({
    kind: 'view',
    readIsHarmless: true,
    reads: ['public.carts'],
  })
  await database.query(`create function public.lower(varchar) returns text language sql as 'select ''x'''`)
  await watch.refresh()
  expect(watch.current()?.functions.has('lower')).toBe(true)
  expect(watch.current()?.version).not.toBe(first?.version)
  // Without a refresh, the next look finds it.
  await database.query(`create or replace view v as select id from carts where lower('x'::varchar) = 'x'`)
  await expect.poll(() => watch.current()?.relations.get('public.v')?.readIsHarmless, { interval: 10 }).toBe(false)
  await watch.refresh()
  const same = watch.current()
  // What is set for another database of the same server is nothing of this one's.
  await database.query('alter database postgres set search_path = elsewhere')
  await watch.refresh()
  expect(watch.current()).toBe(same)
  await database.query('alter database postgres reset search_path')
  watch.release()
})

test('a built-in function that was replaced is the target’s own; one that was granted is not', async () => {
  const replaced = await testServer()
  const client = new pg.Client(replaced.url)
  await client.connect()
  const build = await createCatalogueBuilder()
  const own = async (): Promise<string[]> =>
    [...build(await readCatalogue(client, 'replaced')).functions].filter((name) => name.startsWith('pg_catalog.'))
  expect(await own()).toEqual([])
  await client.query('revoke execute on function pg_catalog.lower(text) from public')
  expect(await own()).toEqual([])
  const define = 'create or replace function pg_catalog'
  await client.query(`${define}.upper(text) returns text immutable strict language sql as 'select $1'`)
  expect(await own()).toEqual(['pg_catalog.upper'])
  await client.query(`${define}.initcap(text) returns text immutable strict language internal as 'upper'`)
  expect((await own()).sort()).toEqual(['pg_catalog.initcap', 'pg_catalog.upper'])
  await client.end()
  await replaced.close()
})

test('knows the search path that a session of the role begins with', async () => {
  const name = target.database
  const watch = await source.watch(target, name)
  const begins = async (): Promise<string | undefined> => {
    await watch.refresh()
    return watch.current()?.searchPath
  }
  expect(await begins()).toBeUndefined()
  await database.query(`alter database ${name} set search_path = shop, "a_b"`)
  expect(await begins()).toBe('shop, a_b')
  await database.query(`alter role ${target.user} in database ${name} set search_path = narrow`)
  expect(await begins()).toBe('narrow')
  await database.query(`alter role ${target.user} in database ${name} reset all`)
  await database.query(`alter database ${name} reset all`)
  expect(await begins()).toBeUndefined()
  watch.release()
})

test('two sessions share one watch, which ends with the last of them', async () => {
  const one = await source.watch(target, target.database)
  const two = await source.watch(target, target.database)
  expect(one.current()).toBe(two.current())
  one.release()
  one.release()
  expect(two.current()).toBeDefined()
  two.release()
})

test('a target that cannot be read is not known, and does not reject', async () => {
  const watch = await source.watch({ ...target, port: 1 }, target.database)
  expect(watch.current()).toBeUndefined()
  await expect(watch.refresh()).rejects.toThrow()
  watch.release()
})

test('what was last seen too long ago is not trusted', async () => {
  const forgetful = await createCatalogueSource({ every: 60_000, stale: 0 })
  const watch = await forgetful.watch(target, target.database)
  expect(watch.current()).toBeUndefined()
  watch.release()
  await forgetful.close()
})

test('extensions that only compute leave the built-in names alone', async () => {
  await database.query('drop function if exists public.lower(varchar) cascade')
  const available = await database.query<{ name: string }>(
    `select name from pg_available_extensions where name in ('citext', 'hstore', 'pg_trgm', 'pgcrypto', 'unaccent')`,
  )
  for (const { name } of available) await database.query(`create extension ${name}`)
  await database.query('create table people (name citext); create extension if not exists dblink')
  const watch = await source.watch(target, target.database)
  await watch.refresh()
  const found = watch.current()
  const hidden = ['replace', 'max', 'strpos', 'digest', 'similarity', 'translate'].filter((name) =>
    found?.functions.has(name),
  )
  expect(hidden).toEqual([])
  expect(found?.trustedFunctions?.has('digest')).toBe(available.some((one) => one.name === 'pgcrypto'))
  expect(found?.operators.has('=')).toBe(false)
  expect(found?.userCasts).toBe(false)
  expect(found?.functions.has('dblink')).toBe(true)
  expect(found?.relations.has('public.people')).toBe(false)
  watch.release()
})
