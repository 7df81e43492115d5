import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { loadModule, scanSync } from 'libpg-query'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClassifier } from './classifier.ts'
import { CASES } from './classifier.cases.ts'
import { depthBound, normalise, scan, stripPlainLiterals } from './scan.ts'
import type { Classified, Classifier, StatementShape, TargetCatalogue } from './shape.ts'

const catalogue: TargetCatalogue = {
  version: '1',
  functions: new Set(['evil', 'total', 'json_scalar']),
  fieldFunctions: new Set(['evil']),
  rowFunctions: new Set(['evil']),
  operators: new Set(['<=>']),
  relations: new Map([
    ['public.evil_view', { kind: 'view', readIsHarmless: false }],
    ['public.cart_view', { kind: 'view', readIsHarmless: true, reads: ['public.carts'] }],
    ['public.defaulted', { kind: 'table', readIsHarmless: true, planIsHarmless: false }],
    ['a.b.c', { kind: 'view', readIsHarmless: false, schema: 'a.b', name: 'c' }],
  ]),
  harmlessTypes: new Set(['mood']),
  otherTypes: new Set(['checked', '_checked']),
  userCasts: false,
  trustedFunctions: new Set(['similarity']),
  schemasOf: new Map([
    ['carts', ['public']],
    ['cards', ['public', 'archive']],
    ['evil_view', ['public']],
    ['cart_view', ['public']],
  ]),
}
const PATH = '"$user", public'

let classifier: Classifier
beforeAll(async () => {
  classifier = await createClassifier()
  await loadModule()
})
afterAll(() => classifier.close())

const statements = (
  sql: string,
  of: TargetCatalogue | undefined = catalogue,
  path = PATH,
): readonly StatementShape[] => {
  const classified = classifier.classify(sql, of, path)
  if (classified.kind !== 'statements') throw new Error(`${classified.kind}: ${classified.message}`)
  return classified.statements
}
const only = (sql: string, of: TargetCatalogue | undefined = catalogue): StatementShape => {
  const [first, ...others] = statements(sql, of)
  if (first === undefined || others.length > 0) throw new Error('not one statement')
  return first
}
const verbs = (sql: string, of: TargetCatalogue | undefined = catalogue): string =>
  statements(sql, of)
    .map((one) => one.verbs.join('+'))
    .join(' ; ')

test.each(CASES)('$verbs: $sql', ({ sql, verbs: expected }) => {
  expect(verbs(sql)).toBe(expected)
})

describe('facts', () => {
  test.each([
    ['SELECT pan FROM cards c JOIN public.carts ON true', ['public.cards', 'public.carts'], ['pan']],
    ['SELECT * FROM cart_view', ['public.cart_view', 'public.carts'], ['*']],
    ['SELECT * FROM pg_class', ['pg_catalog.pg_class'], ['*']],
    ['WITH cards AS (SELECT 1) SELECT * FROM cards', [], ['*']],
    ['WITH cards AS (SELECT * FROM cards) SELECT * FROM cards', ['public.cards'], ['*']],
    ['WITH x AS (SELECT 1), y AS (SELECT * FROM x, cards) SELECT * FROM y', ['public.cards'], ['*']],
    ['WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y', ['x'], ['*']],
    ['WITH RECURSIVE y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y', [], ['*']],
    ['SELECT (WITH cards AS (SELECT 1) SELECT 1 FROM cards) FROM cards', ['public.cards'], []],
    ['WITH carts AS (SELECT 1) DELETE FROM carts WHERE id = 1', ['public.carts'], ['id']],
    ['WITH cards AS (SELECT 1) SELECT * FROM public.cards', ['public.cards'], ['*']],
    ['UPDATE carts SET note = $1 WHERE id = $2', ['public.carts'], ['id', 'note']],
    ['INSERT INTO carts (id, note) VALUES (1, 2)', ['public.carts'], ['id', 'note']],
    ['COPY cards (pan) TO STDOUT', ['public.cards'], ['pan']],
    ['DROP TABLE carts, archive.cards', ['archive.cards', 'public.carts'], []],
    ['TRUNCATE carts', ['public.carts'], []],
    ['LOCK TABLE cards', ['public.cards'], []],
    ['ALTER TABLE cards ADD COLUMN x int', ['public.cards'], []],
  ])('%s', (sql, tables, columns) => {
    expect(only(sql).facts).toMatchObject({ tables, columns })
  })

  test('a name in two schemas goes to the first of the path, and to neither where that is not known', () => {
    const tables = (path: string): unknown => statements('SELECT * FROM cards', catalogue, path)[0]?.facts.tables
    expect(tables('archive, public')).toEqual(['archive.cards'])
    expect(tables('public')).toEqual(['public.cards'])
    expect(tables('nowhere')).toEqual(['cards'])
  })

  test.each([
    ['DELETE FROM carts', false],
    ['DELETE FROM carts WHERE true', false],
    ['DELETE FROM carts WHERE 1 = 1', false],
    ['DELETE FROM carts WHERE id = 1', true],
    ['UPDATE carts SET id = 1', false],
    ['UPDATE carts SET id = 1 WHERE CURRENT OF c', true],
    ['WITH d AS (DELETE FROM carts) SELECT 1', false],
    ['TRUNCATE carts', false],
    ['INSERT INTO carts VALUES (1)', true],
    ['SELECT * FROM carts', true],
    ['DELETE FROM carts WHERE id = 1; DELETE FROM cards', false],
  ])('%s has a WHERE: %s', (sql, has) => {
    expect(statements(sql).every((one) => one.facts.hasWhere)).toBe(has)
  })

  test('tags name every statement node', () => {
    expect(only('WITH d AS (DELETE FROM carts RETURNING id) SELECT * FROM d').facts.statements).toEqual([
      'SELECT',
      'DELETE',
    ])
    expect(only('DROP DATABASE shop').facts.statements).toEqual(['DROP DATABASE'])
    expect(only('DROP MATERIALIZED VIEW x').facts.statements).toEqual(['DROP MATERIALIZED VIEW'])
    expect(only('REVOKE ALL ON carts FROM ana').facts.statements).toEqual(['REVOKE'])
    expect(only('EXPLAIN ANALYZE UPDATE carts SET id = 1').facts.statements).toEqual(['EXPLAIN', 'UPDATE'])
  })

  test('the body of a function is not a fact', () => {
    expect(JSON.stringify(only("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select hunter2'"))).not.toContain(
      'hunter2',
    )
  })
})

describe('estimable', () => {
  test.each([
    ['DELETE FROM carts WHERE id = 1', true],
    ['SELECT lower(note) FROM carts', true],
    ['INSERT INTO carts SELECT * FROM cards', true],
    ['DELETE FROM carts WHERE id = evil(1)', false],
    ['SELECT * FROM evil_view', false],
    ['INSERT INTO defaulted VALUES (1)', false],
    ['EXPLAIN SELECT 1', false],
    ['CREATE TABLE x AS SELECT 1', false],
    ['SELECT nextval($1)', false],
    ['COPY carts TO STDOUT', false],
  ])('%s: %s', (sql, estimable) => {
    expect(only(sql).estimable).toBe(estimable)
  })
})

describe('effects', () => {
  test.each<[string, unknown]>([
    ['BEGIN', { kind: 'begin' }],
    ['START TRANSACTION READ ONLY', { kind: 'begin' }],
    ['END', { kind: 'commit' }],
    ['ABORT', { kind: 'rollback' }],
    ['SAVEPOINT s', { kind: 'savepoint', name: 's' }],
    ['ROLLBACK TO "S"', { kind: 'rollback_to', name: 'S' }],
    ['RELEASE s', { kind: 'release', name: 's' }],
    ["PREPARE TRANSACTION 'x'", { kind: 'commit' }],
    ['COMMIT AND CHAIN', { kind: 'commit' }],
    ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', { kind: 'other_transaction' }],
    ['SET work_mem = 65536', { kind: 'set', name: 'work_mem', value: '65536', local: false }],
    ['SET LOCAL TimeZone TO UTC', { kind: 'set', name: 'timezone', value: 'utc', local: true }],
    [
      `SET search_path = "$user", Public, "B"`,
      { kind: 'set', name: 'search_path', value: `"$user", public, "B"`, local: false },
    ],
    ['RESET work_mem', { kind: 'set', name: 'work_mem', local: false }],
    ["SET holdpoint.reason = 'INC-9'", { kind: 'set', name: 'holdpoint.reason', value: 'INC-9', local: false }],
    ["SELECT set_config('search_path', '', false)", { kind: 'set', name: 'search_path', value: '', local: false }],
    ["SELECT pg_catalog.set_config('TimeZone', $1, true)", { kind: 'set', name: 'timezone', local: true }],
    ["SELECT set_config('work_mem', '1', false), set_config('timezone', '1', false)", { kind: 'unseen' }],
    ["SELECT set_config('work_mem', '1', $1)", { kind: 'unseen' }],
    ['SET ROLE ana', { kind: 'unseen' }],
    ['RESET ALL', { kind: 'reset_all' }],
    ['DISCARD ALL', { kind: 'discard_all' }],
    ['DISCARD TEMP', { kind: 'temporary' }],
    ['DEALLOCATE p', { kind: 'deallocate', name: 'p' }],
    ['DEALLOCATE ALL', { kind: 'deallocate' }],
    ['EXECUTE p(1)', { kind: 'execute', name: 'p' }],
    ['CREATE TEMP TABLE x (a int)', { kind: 'temporary' }],
    ['CREATE TEMP TABLE x AS SELECT 1', { kind: 'temporary', name: 'x' }],
    ['SELECT 1 INTO TEMP x', { kind: 'temporary', name: 'x' }],
    ['CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS $$select 1$$', { kind: 'temporary' }],
    ['CREATE TEMP VIEW x AS SELECT 1', { kind: 'temporary' }],
    ['DO $$ begin end $$', { kind: 'unseen' }],
    ['SELECT evil()', { kind: 'unseen' }],
    ['SELECT 1', { kind: 'none' }],
  ])('%s', (sql, effect) => {
    expect(only(sql).effect).toEqual(effect)
  })

  test('PREPARE carries its body, and EXECUTE is known to the session only', () => {
    const prepared = only('PREPARE p (int) AS DELETE FROM carts WHERE id = $1')
    expect(prepared.verbs).toEqual(['connect'])
    expect(prepared.effect).toMatchObject({
      kind: 'prepare',
      name: 'p',
      body: { verbs: ['delete'], facts: { tables: ['public.carts'] } },
    })
    expect(only('PREPARE p AS SELECT evil()').verbs).toContain('exec')
    expect(only('EXECUTE p(evil())').effect).toEqual({ kind: 'unseen' })
    expect(only('EXECUTE p').verbs).toEqual(['unknown'])
    expect(only('CREATE TABLE x AS EXECUTE p').verbs).toEqual(['unknown'])
    expect(only('EXPLAIN EXECUTE p').verbs).toEqual(['unknown'])
  })
})

describe('without the catalogue of the target', () => {
  test.each([
    ['SELECT 1', 'read'],
    ['SELECT now()', 'unknown'],
    ['SELECT pg_catalog.now()', 'read'],
    ['SELECT 1 + 1', 'unknown'],
    ['SELECT 1 OPERATOR(pg_catalog.+) 1', 'read'],
    ['SELECT * FROM carts', 'unknown'],
    ['SELECT * FROM pg_class', 'unknown'],
    ['SELECT * FROM pg_catalog.pg_class', 'read'],
    ["SELECT 'x'::mood", 'unknown'],
    ['SELECT (1).evil', 'unknown'],
    ['SELECT JSON_SCALAR(1)', 'unknown'],
    ['SELECT x.y FROM (SELECT 1 AS y) x', 'unknown'],
    ['DELETE FROM carts', 'unknown'],
    ['BEGIN', 'connect'],
    ['SET work_mem = 1', 'connect'],
    ['SHOW all', 'connect'],
    ['DROP TABLE carts', 'schema'],
  ])('%s: %s', (sql, expected) => {
    const known = classifier.classify(sql, undefined, PATH)
    expect(known.kind === 'statements' ? known.statements[0]?.verbs.join() : known.kind).toBe(expected)
  })
})

test('casts of the target’s own between built-in types may hide in any expression', () => {
  const casting = { ...catalogue, version: '2', userCasts: true }
  expect(verbs('SELECT * FROM carts', casting)).toBe('read')
  expect(verbs('SELECT a || b FROM carts', casting)).toContain('exec')
  expect(verbs('SELECT length(a) FROM carts', casting)).toContain('exec')
  expect(verbs('SELECT a::text FROM carts', casting)).toContain('exec')
})

test('a function that a superuser put into pg_catalog hides there too', () => {
  const replaced = {
    ...catalogue,
    version: '3',
    functions: new Set(['lower', 'pg_catalog.lower']),
    operators: new Set(['||', 'pg_catalog.||', '=']),
  }
  expect(verbs('SELECT pg_catalog.lower(a) FROM carts', replaced)).toBe('read+exec')
  expect(verbs("SELECT a OPERATOR(pg_catalog.||) 'x' FROM carts", replaced)).toBe('read+exec')
  expect(verbs('SELECT CASE a WHEN 1 THEN 2 END FROM carts', replaced)).toBe('read+exec')
  expect(verbs('SELECT * FROM carts JOIN cards USING (id)', replaced)).toBe('read+exec')
  expect(verbs('SELECT * FROM carts NATURAL JOIN cards', replaced)).toBe('read+exec')
  expect(verbs('SELECT * FROM carts WHERE id IN (SELECT 1)', replaced)).toBe('read+exec')
  expect(verbs('SELECT NULLIF(a, 1) FROM carts', replaced)).toBe('read+exec')
})

describe('an older server', () => {
  const own = { ...catalogue, version: 'old', functions: new Set(['json_object']), otherTypes: new Set(['json']) }
  test('looks for names along the search path that this grammar puts into pg_catalog', () => {
    for (const sql of ["select json_object('{a,1}')", "select '{}'::json", "select cast('{}' as json)"])
      expect([sql, verbs(sql, own)]).toEqual([sql, 'read+exec'])
    expect(verbs("select pg_catalog.jsonb_object('{a,1}'), '{}'::jsonb", own)).toBe('read')
  })
})

describe('a server whose encoding is not UTF-8', () => {
  const latin = {
    ...catalogue,
    version: 'latin',
    encoding: 'LATIN1',
    relations: new Map(),
    functions: new Set<string>(),
  }
  const long = 'é'.repeat(40)
  test.each([
    ['select * from Évil', 'read+exec'],
    [`select * from ${long}`, 'read+exec'],
    [`with ${long.slice(0, 31)} as (select 1) select * from ${long}`, 'read+exec'],
    ['with "Évil" as (select 1) select * from Évil', 'read+exec'],
    [`select c.${long} from carts c`, 'read+exec'],
    [`select '5'::${long}`, 'read+exec'],
    [`prepare ${long} as select 1`, 'unknown'],
    [`execute Évil`, 'unknown'],
    ['select größe from straße', 'read'],
    ['with größe as (select 1) select * from größe', 'read'],
  ])('may read %s otherwise', (sql, expected) => {
    expect(verbs(sql, latin)).toBe(expected)
    const { encoding: _, ...utf8 } = { ...latin, version: 'utf8' }
    expect(verbs(sql, utf8)).toBe(
      sql.startsWith('prepare') ? 'connect' : sql.startsWith('execute') ? 'unknown' : 'read',
    )
  })
})

describe('secrets', () => {
  const masked = (sql: string): string => {
    const classified = classifier.classify(sql, catalogue, PATH)
    if (classified.kind !== 'statements') throw new Error(classified.message)
    const bytes = Buffer.from(sql)
    for (const { start, end } of classified.secrets) bytes.fill('*', start, end)
    expect(classified.normalised).not.toContain('hunter2')
    return bytes.toString()
  }
  test.each([
    "CREATE ROLE ana PASSWORD 'hunter2'",
    "CREATE USER ana WITH LOGIN ENCRYPTED PASSWORD 'hunter2' VALID UNTIL 'infinity'",
    "ALTER USER ana PASSWORD E'hunter2\\''",
    'ALTER ROLE é PASSWORD $x$hunter2$x$',
    "ALTER ROLE ana PASSWORD 'hun'\n'hunter2'",
    "ALTER ROLE ana PASSWORD U&'hunter2'",
    "CREATE SUBSCRIPTION s CONNECTION 'host=x password=hunter2' PUBLICATION p",
    "CREATE USER MAPPING FOR ana SERVER s OPTIONS (user 'ana', password 'hunter2')",
    "ALTER USER MAPPING FOR ana SERVER s OPTIONS (SET password 'hunter2')",
    "ALTER SYSTEM SET primary_conninfo = 'password=hunter2'",
    "SELECT dblink_connect('host=x password=hunter2')",
    "DO $$ begin alter role ana password 'hunter2'; end $$",
    "DO $$ begin execute 'alter role ana password ''hunter2'''; end $$",
    "SELECT 1; ALTER ROLE ana PASSWORD 'hunter2'",
  ])('%s', (sql) => {
    expect(masked(sql)).not.toContain('hunter2')
  })

  test('nothing else is masked', () => {
    const plain = "CREATE ROLE ana PASSWORD 'x' VALID UNTIL '2030-01-01'"
    expect(masked(plain)).toBe("CREATE ROLE ana PASSWORD *** VALID UNTIL '2030-01-01'")
    expect(masked("SELECT 'hello' FROM carts")).toContain("'hello'")
  })
})

describe('what the parser cannot take', () => {
  test.each([
    ['an unclosed quote', "SELECT 'x"],
    ['nonsense', 'SELEKT 1'],
    ['a psql command', '\\d'],
  ])('%s is a syntax error', (_, sql) => {
    expect(classifier.classify(sql, catalogue, PATH).kind).toBe('syntax_error')
  })
  test.each([
    ['brackets beyond the stack of the grammar', `SELECT ${'('.repeat(30_000)}1${')'.repeat(30_000)}`],
    ['terms beyond any stack', `SELECT ${Array.from({ length: 400_000 }, () => '1').join('+')}`],
    ['a NUL', 'SELECT 1\u0000; DROP TABLE carts'],
    ['a NUL in a long text', `SELECT '${'x'.repeat(60_000)}'\u0000; DROP TABLE carts`],
    ['a lone surrogate', "SELECT '\ud800'"],
    ['a text beyond the limit', `SELECT '${'x'.repeat(17_000_000)}'`],
  ])('%s is a failure, and spoils nothing', async (_, sql) => {
    expect(classifier.classify(sql, catalogue, PATH).kind).toBe('failed')
    expect((await classifier.classifyLater(sql, catalogue, PATH)).kind).toBe('failed')
    expect(verbs('SELECT 1 AS canary')).toBe('read')
    expect(verbs('DELETE FROM canaries')).toBe('delete')
    const deep = `DELETE FROM carts WHERE id = ${Array.from({ length: 3000 }, () => '1').join('+')}`
    expect(await classifier.classifyLater(deep, catalogue, PATH)).toMatchObject({ statements: [{ verbs: ['delete'] }] })
  })

  test('the parser itself is replaced when it overflows', async () => {
    const careless = await createClassifier({ deepest: Number.POSITIVE_INFINITY, atOnce: 512 * 1024 })
    const deep = `SELECT ${Array.from({ length: 20_000 }, () => '1').join('+')}`
    expect(careless.classify(deep, catalogue, PATH).kind).toBe('failed')
    expect(careless.classify('DELETE FROM carts', catalogue, PATH)).toMatchObject({
      statements: [{ verbs: ['delete'] }],
    })
    // The spare overflows too: held until another instance stands.
    expect(careless.classify(`${deep}+1`, catalogue, PATH).kind).toBe('failed')
    await expect
      .poll(() => careless.classify('DELETE FROM carts WHERE id = 1', catalogue, PATH).kind)
      .toBe('statements')
    careless.close()
  })

  test('many rows are long, not deep', async () => {
    const patient = await createClassifier({ atOnce: 512 * 1024 })
    const rows = Array.from({ length: 5000 }, (_, i) => `(${i}, 'note ${i}', now())`).join(', ')
    const values = Array.from({ length: 20_000 }, (_, i) => i).join(',')
    expect(patient.classify(`INSERT INTO carts VALUES ${rows}`, catalogue, PATH)).toMatchObject({
      statements: [{ verbs: ['write'] }],
    })
    expect(patient.classify(`SELECT * FROM carts WHERE id IN (${values})`, catalogue, PATH)).toMatchObject({
      statements: [{ verbs: ['read'] }],
    })
    patient.close()
  })

  test('an empty text has no statements', () => {
    for (const sql of ['', ' ', ';', '-- nothing', '/* */;;'])
      expect(classifier.classify(sql, catalogue, PATH)).toMatchObject({ kind: 'statements', statements: [] })
  })
})

describe('the cache', () => {
  test('the same text gives the same object; another catalogue or path does not', () => {
    const one = classifier.classify('SELECT * FROM carts', catalogue, PATH)
    expect(classifier.classify('SELECT * FROM carts', catalogue, PATH)).toBe(one)
    expect(classifier.classify('SELECT * FROM carts', { ...catalogue, version: 'x' }, PATH)).not.toBe(one)
    expect(classifier.classify('SELECT * FROM carts', undefined, PATH)).not.toBe(one)
    expect(classifier.classify('SELECT * FROM carts', catalogue, 'archive')).not.toBe(one)
  })
  test('texts that differ in plain literals share a shape', () => {
    const one = classifier.classify("SELECT * FROM carts WHERE id = 5 AND note = 'x'", catalogue, PATH)
    expect(classifier.classify("SELECT * FROM carts WHERE id = 77 AND note = 'it''s'", catalogue, PATH)).toBe(one)
  })
  test('a literal that decides what a text is never does', () => {
    expect(verbs("SELECT set_config('work_mem', '1', false)")).toBe('connect')
    expect(verbs("SELECT set_config('role', '1', false)")).toContain('admin')
    expect(verbs("SET work_mem = '1'")).toBe('connect')
    expect(only("SET work_mem = '2'").effect).toMatchObject({ value: '2' })
    expect(verbs('EXPLAIN (ANALYZE 0) DELETE FROM carts WHERE id = 1')).toBe('read')
    expect(verbs('EXPLAIN (ANALYZE 1) DELETE FROM carts WHERE id = 1')).toBe('delete')
    expect(verbs(`SELECT * FROM U&"c!0061rts" UESCAPE '!'`)).toBe('read')
    expect(verbs(`SELECT * FROM U&"!0065vil_view" UESCAPE '!'`)).toBe('read+exec')
    expect(only('DELETE FROM carts WHERE 1 = 1').facts.hasWhere).toBe(false)
  })
  test('a shape without secrets is not given to a text with one', () => {
    const secretsOf = (sql: string) => {
      const classified = classifier.classify(sql, catalogue, PATH)
      return classified.kind === 'statements' ? classified.secrets.length : -1
    }
    expect(secretsOf("insert into notes values ('a plain one')")).toBe(0)
    expect(secretsOf("insert into notes values ('password: hunter2')")).toBe(1)
    expect(secretsOf("select * from carts where note = 'x'")).toBe(0)
    expect(secretsOf("select * from carts where note = 'passwd=hunter2'")).toBe(1)
  })
  test('numbers that the grammar tells apart do not share a shape', () => {
    for (const [good, bad] of [
      ['select 1::float(3)', 'select 1::float(99)'],
      ["select '{}'::int[3]", "select '{}'::int[99999999999]"],
      ["select '{}'::int[3]", "select '{}'::int[1.5]"],
      ["select '1'::interval(3)", "select '1'::interval(3000000000)"],
    ] as const) {
      expect([good, classifier.classify(good, catalogue, PATH).kind]).toEqual([good, 'statements'])
      expect([bad, classifier.classify(bad, catalogue, PATH).kind]).toEqual([bad, 'syntax_error'])
    }
  })
  test('a text that looks like a key is not one', () => {
    verbs("SELECT * FROM carts WHERE note = 'x'")
    expect(classifier.classify("\u0000SELECT * FROM carts WHERE note = '?'", catalogue, PATH).kind).toBe('failed')
  })
  test('it is bounded', async () => {
    const small = await createClassifier({ entries: 10 })
    for (let i = 0; i < 100; i++) small.classify(`SELECT * FROM t${i}`, catalogue, PATH)
    expect(small.classify('SELECT * FROM t99', catalogue, PATH)).toMatchObject({ kind: 'statements' })
    small.close()
  })

  test('what is remembered is what would be found', () => {
    const literal = fc.constantFrom(
      ...`1|0|42|1.5|2147483647|2147483648|99999999999999999999|''|'x'|'it''s'|'5'|'carts'|'role'|'work_mem'|'evil_view'|'public.evil'
        |'{5}'|'$1'|'--'|'/*'|'password=x y'|'é✓'|'1 day'|'on'|'true'|'select evil()'|'\\'|null|true|E'\\n'|$$x$$|U&'\\0041'|B'1'|-1|(1)`
        .split('|')
        .map((one) => one.trim()),
    )
    const template = fc.constantFrom(
      ...`select ?|select ? as x|select * from carts where id = ? and note = ?|select * from carts limit ? offset ?|select nextval(?)
        select set_config(?, ?, false)|select current_setting(?)|select ?::regclass|select ?::checked|select * from carts order by ?
        select id from carts group by ?|select * from carts where id in (?, ?)|select * from carts where id in (?)|select interval ? day
        select interval ? second(3)|select '1'::interval(?)|select ?::numeric(?, ?)|select ?::float(?)|select '{}'::int[?]|select (array[1, 2])[?]
        select evil(?)|select lower(?)|select upper(?) ~ ?|insert into carts values (?, ?), (?, ?)|update carts set note = ? where id = ?
        update carts set note = ? where ? = ?|delete from carts where note like ? escape ?|delete from carts where ?|select * from carts where ? = ?
        select date ?|select checked ?|select * from generate_series(?, ?)|select * from carts tablesample system (?)|select dblink(?, ?)
        select 1 from carts fetch first ? rows only|select * from json_table('[1]', ? columns (a int path ?))|select json_value(?, ?)
        select extract(? from now())|select ? collate "C"|select 1 -- ?|select 1 /* ? */|select ?; select ?|select 1; delete from carts where id = ?
        select "a?b", ?|select x?, ?|explain (analyze ?) delete from carts|set work_mem = ?|select ? at time zone ?|select U&"a?" uescape ?
        with a as (select ?) select * from a where ? in (select 1)|select ? -- x|select ?::int?|select ?.?|select a?b`
        .split(/[|\n]/)
        .map((one) => one.trim()),
    )
    let contexts = 0
    /** By a catalogue that nobody has asked about before. */
    const found = (sql: string): Classified =>
      classifier.classify(sql, { ...catalogue, version: `new ${contexts++}` }, PATH)
    fc.assert(
      fc.property(
        template,
        fc.array(fc.array(literal, { minLength: 6, maxLength: 6 }), { minLength: 2, maxLength: 6 }),
        (text, rows) => {
          for (const row of rows) {
            let at = 0
            const sql = text.replaceAll('?', () => row[at++ % row.length] ?? '0')
            expect({ sql, ...classifier.classify(sql, catalogue, PATH) }).toEqual({ sql, ...found(sql) })
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('two texts with one key have one shape', () => {
    // Pieces that a lexer may take for a part of something else.
    const piece = fc.constantFrom(
      "'",
      "''",
      '"',
      '""',
      '$',
      '$$',
      '$a$',
      '--',
      '/*',
      '*/',
      '\n',
      ' ',
      'E',
      'U&',
      'x',
      '1',
      '1.5',
      '5e',
      '.',
      '(',
      ')',
      ',',
      ';',
      '-',
      '+',
      'a',
      '$1',
      '\\',
      "'x'",
      "'y'",
      '2',
      'select ',
      'delete from t where a=',
      'union ',
      ' from t ',
      '::',
      'é',
      '\t',
    )
    const texts = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(''))
    const shapes = (classified: Classified): unknown =>
      classified.kind === 'statements' ? classified.statements : classified.kind
    const seen = new Map<string, { text: string; shape: string }>()
    const fresh = (text: string): string =>
      JSON.stringify(shapes(classifier.classify(`${text} `, undefined, `p${seen.size % 7}`)))
    fc.assert(
      fc.property(
        fc.oneof(
          texts,
          texts.map((t) => `select ${t}`),
          texts.map((t) => `select ${t} from t where a = ${t}`),
        ),
        (text) => {
          const key = stripPlainLiterals(text)
          if (key === undefined) return
          const shape = fresh(text)
          if (shape.startsWith('"')) return // The parser refuses it, and so does the server.
          const before = seen.get(key)
          seen.set(key, before ?? { text, shape })
          expect({ key, shape }).toEqual({ key, shape: before?.shape ?? shape })
        },
      ),
      { numRuns: 5000 },
    )
  })
})

describe('the lexer', () => {
  /** Literals as PostgreSQL's own lexer cuts them: byte ranges. */
  const oracle = (text: string): string[] =>
    scanSync(text)
      .tokens.filter((token) => ['SCONST', 'ICONST', 'FCONST'].includes(token.tokenName))
      .map((token) => `${token.start} ${token.end}`)
  const ours = (text: string): string[] =>
    scan(text)
      .filter((token) => token.kind === 'string' || token.kind === 'number')
      .map((token) => `${Buffer.byteLength(text.slice(0, token.start))} ${Buffer.byteLength(text.slice(0, token.end))}`)

  test.each([
    `select 'a', E'b\\'c', $$d$$, $x$e$$f$x$, 1, 1.5, .5, 1e10, 0x1F, 1_000, 'it''s'`,
    `select 'a'\n'b', E'a'\n'\\'b'`,
    `select /* 'x' /* nested */ 'y' */ 'z' -- 'w'\n, 1`,
    `select "a'b", a$b$c, $1, E'x'`,
    `select a-1, a--1\n, a-/*x*/1, a->>'b', a@>'{"x":1}', 1..2`,
    `select é'x', "é" 'y'`,
  ])('cuts %s as PostgreSQL does', (text) => {
    expect(ours(text)).toEqual(oracle(text))
  })
  test('masks every literal that PostgreSQL sees', () => {
    expect(normalise("SELECT 'hunter2', E'\\'hunter2', $$hunter2$$, 42 FROM t")).toBe('SELECT ?, ?, ?, ? FROM t')
  })
  test('bounds the depth from above', () => {
    const depth = (text: string): number => depthBound(text, scan(text))
    expect(depth('select 1')).toBeLessThan(5)
    expect(depth(`select ${'('.repeat(100)}1${')'.repeat(100)}`)).toBeGreaterThanOrEqual(100)
    expect(depth(`select ${Array.from({ length: 100 }, () => '1').join('+')}`)).toBeGreaterThanOrEqual(100)
    expect(depth(Array.from({ length: 100 }, () => 'select 1, 2').join(' union '))).toBeGreaterThanOrEqual(99)
    expect(depth(`select ${Array.from({ length: 100 }, () => '1').join(',')}`)).toBeLessThan(5)
    expect(depth('('.repeat(1000))).toBeGreaterThanOrEqual(1000)
  })
})

test('what drivers, ORMs, GUIs and people send all day is a read or steers the session', () => {
  const lines = readFileSync(new URL('../../../test/corpus/everyday.txt', import.meta.url), 'utf8').split('\n')
  const corpus = lines.filter((line) => line !== '' && !line.startsWith('#'))
  expect(corpus.length).toBeGreaterThan(140)
  const plain = { ...catalogue, version: 'plain', functions: new Set<string>(), operators: new Set<string>() }
  expect(corpus.filter((sql) => /[a-z]/.test(verbs(sql, plain).replaceAll(/\b(?:read|connect)\b/g, '')))).toEqual([])
})

test('what real clients send by themselves is known', () => {
  const corpus = JSON.parse(
    readFileSync(new URL('../../../test/corpus/clients.json', import.meta.url), 'utf8'),
  ) as string[]
  expect(corpus.length).toBeGreaterThan(200)
  const empty: TargetCatalogue = {
    ...catalogue,
    version: 'e',
    functions: new Set(),
    operators: new Set(),
    relations: new Map(),
    otherTypes: new Set(),
    trustedFunctions: new Set(),
  }
  const odd = corpus.filter((sql) => {
    const found = verbs(sql, empty)
    if (/^EXECUTE/i.test(sql)) return found !== 'unknown'
    // What pg_dump alone asks for: a snapshot to share, and the passwords of subscriptions and user mappings.
    if (/pg_export_snapshot|subconninfo|umoptions/.test(sql)) return !found.includes('admin')
    const change = /^\s*(insert|update|delete|drop|create|alter|truncate|vacuum|copy)/i.test(sql)
    return !(change ? /^(write|delete|schema|export)$/ : /^(read|connect|connect\+read)$/).test(found)
  })
  expect(odd).toEqual([])
})

test.each([
  // JDBC, Npgsql, psycopg, asyncpg, pgx
  ['SET extra_float_digits = 3', 'connect'],
  ["SET application_name = 'PostgreSQL JDBC Driver'", 'connect'],
  ['SHOW TRANSACTION ISOLATION LEVEL', 'connect'],
  ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'connect'],
  [
    "SELECT version();\n\nSELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind, elemtyp.oid AS elemtypoid, proc.proname FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid, typtype, typreceive FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid) LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemoid LEFT JOIN pg_proc AS proc ON true) AS t JOIN pg_namespace AS ns ON (ns.oid = typnamespace) WHERE typtype IN ('b', 'r', 'm', 'e', 'd') ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 ELSE 1 END",
    'read ; read',
  ],
  ['SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;', 'read ; connect ; connect ; connect'],
  [
    "SELECT t.oid, t.typarray, t.typname::regtype::text AS regtype FROM pg_type t WHERE t.oid = to_regtype('hstore')",
    'read',
  ],
  // Rails, Django, SQLAlchemy, Sequelize, Prisma, Hibernate
  ["SET client_min_messages TO 'warning'", 'connect'],
  ['SET standard_conforming_strings = on', 'connect'],
  ["SET SESSION timezone TO 'UTC'", 'connect'],
  [
    'SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity, attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = \'"carts"\'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum',
    'read',
  ],
  ['SELECT CAST($1 AS VARCHAR(60)) AS anon_1', 'read'],
  ['select pg_catalog.version()', 'read'],
  ['select current_schema()', 'read'],
  [
    "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'carts')",
    'read',
  ],
  [
    'SELECT c.relname, CASE WHEN c.relispartition THEN $$p$$ WHEN c.relkind IN ($1, $2) THEN $3 ELSE $4 END, obj_description(c.oid, $5) FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ($6) AND n.nspname NOT IN ($7) AND pg_catalog.pg_table_is_visible(c.oid)',
    'read',
  ],
  ['SHOW SERVER_VERSION', 'connect'],
  ["select nextval('carts_id_seq')", 'read+write'],
  [
    'select c1_0.id, c1_0.note from carts c1_0 where c1_0.age_days > ? fetch first ? rows only'.replaceAll('?', '$1'),
    'read',
  ],
  // pgAdmin, DBeaver, DataGrip
  [
    "SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF-8';",
    'connect ; connect ; connect+read ; connect',
  ],
  [
    'SELECT db.oid AS did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS serverencoding, has_database_privilege(db.oid, $$CREATE$$) AS cancreate, datistemplate FROM pg_catalog.pg_database db WHERE db.datname = current_database()',
    'read',
  ],
  [
    "SELECT roles.oid AS id, roles.rolname AS name, roles.rolsuper AS is_superuser, pg_catalog.pg_has_role(roles.rolname, 'pg_signal_backend', 'MEMBER') FROM pg_catalog.pg_roles AS roles WHERE rolname = current_user",
    'read',
  ],
  ["select round(extract(epoch from pg_postmaster_start_time() at time zone 'UTC')) as startup_time", 'read'],
  [
    'select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 1',
    'read',
  ],
  [
    'select N.oid::bigint as id, N.nspname as name, N.xmin as state_number, pg_catalog.pg_get_userbyid(N.nspowner) as owner from pg_catalog.pg_namespace N order by case when nspname = pg_catalog.current_schema() then -1::bigint else N.oid::bigint end',
    'read',
  ],
  [
    'select name, is_dst from pg_catalog.pg_timezone_names union distinct select abbrev as name, is_dst from pg_catalog.pg_timezone_abbrevs',
    'read',
  ],
])('drivers and tools send %s', (sql, expected) => {
  expect(verbs(sql)).toBe(expected)
})
