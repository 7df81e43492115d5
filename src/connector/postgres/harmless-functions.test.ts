import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FUNCTIONS_SQL, judgeFunctions, type BuiltIn } from '../../../scripts/harmless-functions.ts'
import { testServer, type TestDatabase } from '../../../test/support/database.ts'
import { HARMLESS_VOLATILE, NOT_HARMLESS } from '../../classify/postgres/function-review.ts'
import { isBuiltIn, isHarmlessBuiltIn } from '../../classify/postgres/functions.ts'
import { isOrdinary } from '../../classify/postgres/relations.ts'

/** The committed list against the server at hand: nothing on it may have become something else. */
let database: TestDatabase
let functions: BuiltIn[]
beforeAll(async () => {
  database = await testServer()
  functions = await database.query<BuiltIn & pg.QueryResultRow>(FUNCTIONS_SQL)
})
afterAll(() => database.close())

test('every overload that the list lets through is harmless by the same rules on this server', () => {
  const { harmless, others } = judgeFunctions(functions)
  const wrong = [...others].flatMap(([name, arities]) =>
    arities.filter((n) => isHarmlessBuiltIn(name, n)).map((n) => `${name}/${n}`),
  )
  expect(wrong).toEqual([])
  const missing = [...harmless].flatMap(([name, arities]) =>
    arities.filter((n) => !isHarmlessBuiltIn(name, n)).map((n) => `${name}/${n}`),
  )
  expect(missing).toEqual([])
  expect(functions.filter((f) => !f.internal && !isBuiltIn(f.name)).map((f) => f.name)).toEqual([])
})

test('no name of the hand-kept lists is misspelt', () => {
  const names = new Set(functions.map((f) => f.name))
  // Not in this version, but in one that is supported.
  const elsewhere = new Set<string>()
  const strange = [...HARMLESS_VOLATILE, ...NOT_HARMLESS]
    .map((entry) => entry.split('/')[0] ?? '')
    .filter((name) => !names.has(name) && !elsewhere.has(name))
  expect(strange.filter((name) => !/_recv$|^any/.test(name))).toEqual([])
})

test('no built-in operator or cast runs a function that is not on the list', async () => {
  const rows = await database.query<{ name: string; n: number; via: string }>(
    `select p.proname::text as name, p.pronargs::int as n, 'operator ' || o.oprname as via from pg_operator o join pg_proc p on p.oid = o.oprcode where o.oid < 16384
     union select p.proname::text, p.pronargs::int, 'cast to ' || c.casttarget::regtype from pg_cast c join pg_proc p on p.oid = c.castfunc where c.oid < 16384`,
  )
  expect(rows.length).toBeGreaterThan(800)
  expect(rows.filter((row) => !isHarmlessBuiltIn(row.name, row.n))).toEqual([])
})

test('no view that comes with the server does more than read, but for those that are named', async () => {
  const views = await database.query<{ view: string; definition: string }>(
    `select relname::text as view, pg_get_viewdef(oid) as definition from pg_class where oid < 16384 and relkind = 'v'`,
  )
  const harmful = [...judgeFunctions(functions).others.keys()].filter((name) => !isHarmlessAtAll(name))
  const calls = new RegExp(`\\b(${harmful.join('|')})\\(`)
  const found = views.filter(({ definition }) => calls.test(definition)).map(({ view }) => view)
  expect(found).toContain('pg_hba_file_rules')
  expect(found.filter(isOrdinary)).toEqual([])
})

const isHarmlessAtAll = (name: string): boolean =>
  Array.from({ length: 21 }, (_, n) => n).some((n) => isHarmlessBuiltIn(name, n))
