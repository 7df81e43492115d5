import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClassifier } from './classifier.ts'
import { createLongTexts } from './long-texts.ts'
import type { Classified, Classifier, TargetCatalogue } from './shape.ts'

const catalogue: TargetCatalogue = {
  version: 'a 1',
  functions: new Set(['evil']),
  operators: new Set(),
  relations: new Map([['public.evil_view', { kind: 'view', readIsHarmless: false }]]),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
  schemasOf: new Map([['carts', ['public']]]),
}
const PATH = '"$user", public'
const many = (n: number, one: (i: number) => string, by = ', '): string =>
  Array.from({ length: n }, (_, i) => one(i)).join(by)

let classifier: Classifier
beforeAll(async () => {
  classifier = await createClassifier()
})
afterAll(() => classifier.close())

const later = (sql: string, of: TargetCatalogue | undefined = catalogue) => classifier.classifyLater(sql, of, PATH)
const verbs = (classified: Classified): string =>
  classified.kind === 'statements'
    ? [...new Set(classified.statements.map((one) => one.verbs.join('+')))].join(' ; ')
    : classified.message

/** The places where a tree can be deep, and how deep PostgreSQL itself takes it with its default stack, at least. */
const DEEP: readonly (readonly [string, string, string])[] = [
  ['terms', `select ${many(20_000, () => '1', '+')}`, 'read'],
  [
    'a chain of AND and OR',
    `select * from carts where ${many(20_000, (i) => `id = ${i} or note = 'x' and id > 3`, ' or ')}`,
    'read',
  ],
  ['concatenations', `select ${many(20_000, (i) => `'a${i}'`, ' || ')}`, 'read'],
  ['brackets', `select ${'('.repeat(4000)}1${')'.repeat(4000)}`, 'read'],
  ['queries in queries', `select ${'(select '.repeat(2000)}1${')'.repeat(2000)}`, 'read'],
  ['CASE in CASE', `select ${'case when true then 1 else '.repeat(1600)}1${' end'.repeat(1600)}`, 'read'],
  ['calls in calls', `select ${'abs('.repeat(3000)}1${')'.repeat(3000)}`, 'read'],
  ['JSON built in depth', `select ${"json_build_object('a', ".repeat(1600)}1${')'.repeat(1600)}`, 'read'],
  ['UNIONs', many(20_000, () => 'select 1, 2', ' union all '), 'read'],
  ['a call at the bottom', `select ${'abs('.repeat(3000)}evil()${')'.repeat(3000)}`, 'read+exec'],
  ['a term at the end', `select ${many(20_000, () => '1', '+')} + evil()`, 'read+exec'],
  [
    'a delete in the last of many',
    `${many(3000, () => 'select 1', ' union all ')} union all (with d as (delete from carts returning 1) select * from d)`,
    'read+delete',
  ],
]
/** What is long and flat, as drivers, ORMs and dumps send it. */
const LONG: readonly (readonly [string, string, string])[] = [
  ['a list of 10,000 values', `select * from carts where id in (${many(10_000, (i) => String(i * 7919))})`, 'read'],
  ['a list of 32,000 parameters', `select * from carts where id in (${many(32_000, (i) => `$${i + 1}`)})`, 'read'],
  [
    'an insert with 65,535 parameters',
    `insert into carts values ${many(21_845, (i) => `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`)}`,
    'write',
  ],
  [
    'rows of literals',
    `insert into carts values ${many(20_000, (i) => `(${i}, 'note ${i} of Mia', '2026-01-01 00:00:00+00', null)`)}`,
    'write',
  ],
  [
    'a dump of inserts',
    many(8000, (i) => `INSERT INTO public.carts VALUES (${i}, 'it''s note ${i}', E'\\\\n', NULL);`, '\n'),
    'write',
  ],
  ['one literal of 4 MB', `update carts set note = '${'é'.repeat(4_000_000)}' where id = 1`, 'write'],
  [
    'a call among many rows',
    `insert into carts values ${many(20_000, (i) => `(${i === 19_999 ? 'evil()' : i}, 'x')`)}`,
    'write+exec',
  ],
  [
    'a delete among many inserts',
    `${many(3000, (i) => `insert into carts values (${i});`)}delete from carts`.replaceAll(';, ', ';'),
    'write ; delete',
  ],
]

test.each([...DEEP, ...LONG])('%s is read by a thread, and its shape is kept', async (_, sql, expected) => {
  expect(classifier.classify(sql, catalogue, PATH)).toMatchObject({ kind: 'failed', later: true })
  const classified = await later(sql)
  expect(verbs(classified)).toBe(expected)
  expect(classifier.classify(sql, catalogue, PATH)).toBe(classified)
  expect(classifier.classify(sql, { ...catalogue, version: 'a 2' }, PATH).kind).toBe('failed')
})

describe('the thread', () => {
  test('gives what this thread gives', async () => {
    const patient = await createClassifier({ atOnce: 10_000_000, deepest: 4000 })
    for (const [, sql] of LONG.slice(-4)) expect(await later(sql)).toEqual(patient.classify(sql, catalogue, PATH))
    patient.close()
  })

  test('judges by the catalogue and the path that it is asked with', async () => {
    const sql = `select ${many(2000, () => '1', '+')} from evil_view, carts`
    expect(verbs(await later(sql))).toBe('read+exec')
    for (let i = 0; i < 6; i++) {
      const other = {
        ...catalogue,
        version: `b ${i}`,
        relations: new Map(),
        schemasOf: new Map([['carts', [`s${i}`]]]),
      }
      expect(verbs(await later(sql, other))).toBe('read')
      const classified = await classifier.classifyLater(sql, other, `s${i}`)
      expect(classified.kind === 'statements' && classified.statements[0]?.facts.tables).toContain(`s${i}.carts`)
    }
    expect(await classifier.classifyLater(sql, undefined, PATH)).toMatchObject({ statements: [{ verbs: ['unknown'] }] })
    expect(verbs(await later(sql))).toBe('read+exec')
  })

  test('refuses what the grammar refuses, and takes the next text', async () => {
    expect((await later(`select ${many(20_000, (i) => String(i))} fron carts where`)).kind).toBe('syntax_error')
    expect(verbs(await later(`select ${many(20_000, (i) => String(i))} from carts`))).toBe('read')
  })

  test('keeps nobody waiting meanwhile', async () => {
    const reading = later(`insert into carts values ${many(60_000, (i) => `(${i}, 'note ${i}', null)`)}`)
    let beats = 0
    const beat = setInterval(() => {
      if (verbs(classifier.classify(`select ${beats} from carts`, catalogue, PATH)) === 'read') beats++
    }, 1)
    expect(verbs(await reading)).toBe('write')
    clearInterval(beat)
    // A few would be what fits between two parts of one synchronous run.
    expect(beats).toBeGreaterThan(20)
  })

  test('masks what is secret in a long text, too', async () => {
    const sql = many(4000, (i) => `alter role r${i} password 'hunter${i}'`, '; ')
    const classified = await later(sql)
    expect(classified.kind === 'statements' && classified.secrets.length).toBe(4000)
    expect(JSON.stringify(classified)).not.toContain('hunter')
  })
})

describe('what is too much', () => {
  const long = (n: number): string => `select ${many(n, (i) => String(i))}`
  test('too long a time, too many tokens and too much memory fail, and the next text is read', async () => {
    for (const options of [{ within: 1 }, { tokens: 1000 }, { memory: 12 }]) {
      const texts = createLongTexts(options)
      expect(await texts.classify(long(150_000), catalogue, PATH)).toMatchObject({ kind: 'failed' })
      texts.close()
    }
    const texts = createLongTexts({ tokens: 100_000 })
    expect(await texts.classify(long(100_000), catalogue, PATH)).toMatchObject({ kind: 'failed' })
    expect(verbs(await texts.classify(long(1000), catalogue, PATH))).toBe('read')
    texts.close()
  })

  test('too many that wait are refused at once', async () => {
    const texts = createLongTexts({ waiting: 500_000 })
    const results = await Promise.all(Array.from({ length: 8 }, () => texts.classify(long(15_000), catalogue, PATH)))
    expect(results.map((one) => one.kind).sort()).toContain('failed')
    expect(results.map((one) => one.kind)).toContain('statements')
    expect(verbs(await texts.classify(long(15_000), catalogue, PATH))).toBe('read')
    texts.close()
  })

  test('after closing nothing is read', async () => {
    const texts = createLongTexts()
    const reading = texts.classify(long(200_000), catalogue, PATH)
    texts.close()
    expect((await reading).kind).toBe('failed')
    expect((await texts.classify('select 1', catalogue, PATH)).kind).toBe('failed')
  })
})
