import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { targetServers } from '../../../test/support/database.ts'
import { NO_TRACE, tracesOf, type Traces } from '../../../test/support/traces.ts'
import { trappedTarget } from '../../../test/support/trapped-target.ts'
import { createCatalogueBuilder } from '../../classify/postgres/catalogue.ts'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import type { Classifier, TargetCatalogue } from '../../classify/postgres/shape.ts'
import { readCatalogue } from './catalogue-rows.ts'
import { TRACES } from './read-oracle.cases.ts'
import { TRICKS } from './read-oracle.tricks.ts'

describe.each(targetServers())('PostgreSQL $version', ({ version, url }) => {
  /** What is classified `read` is run where everything of the target's own is a trap, and must leave no trace. */
  let database: Awaited<ReturnType<typeof trappedTarget>>
  let client: pg.Client
  let classifier: Classifier
  let catalogue: TargetCatalogue
  const heard: string[] = []
  const PATH = '"$user", public'

  beforeAll(async () => {
    database = await trappedTarget(url)
    client = new pg.Client(database.url)
    client.on('notification', (message) => heard.push(message.channel))
    await client.connect()
    catalogue = (await createCatalogueBuilder())(await readCatalogue(client, 'oracle'))
    classifier = await createClassifier()
    await client.query('listen everything')
  })
  afterAll(async () => {
    classifier.close()
    await client.end()
    await database.close()
  })

  /** Only for reads: and then what the server itself says it left behind. Undefined when it is not called a read. */
  async function traceOf(sql: string): Promise<Traces | undefined> {
    const classified = classifier.classify(sql, catalogue, PATH)
    if (classified.kind !== 'statements' || classified.statements.length === 0) return undefined
    if (!classified.statements.every((one) => one.verbs.join() === 'read')) return undefined
    const traces = await tracesOf(client, heard, sql)
    // Planning a change or a row lock takes ROW EXCLUSIVE or ROW SHARE on the table until the transaction ends, and no more (EXPLAIN is a read by definition).
    return /^explain /i.test(sql)
      ? { ...traces, within: traces.within.replaceAll(/Row(?:Share|Exclusive)Lock \S+ ?/g, '') }
      : traces
  }

  async function state(): Promise<string> {
    const { rows } = await client.query<{ s: string }>(
      `select (select last_value || is_called::text from trap.sprung) || (select last_value || is_called::text from public.numbers) ||
       (select md5(string_agg(name || coalesce(setting, ''), ',' order by name)) from pg_settings where name not in ('transaction_isolation')) ||
       (select count(*) from pg_largeobject_metadata) as s`,
    )
    return rows[0]?.s ?? ''
  }

  /** Each springs the trap when it runs, or leaves another trace: it has to be seen for what it is. */
  const HARMFUL = `
select evil()
select public.evil()
select trap.evil(2)
select evil(id) from carts
select lower('x'::varchar)
select lower(note::varchar) from carts
select lower(note) from carts
select carts.secret from carts
select c.secret from carts c
select (c).secret from carts c
select c.many from carts c
select c.any_one from carts c
select x.any_one from (select 1) x
select x.any_one from (values (1)) x
select (5).doubled
select (id).doubled from carts
select (select 1).doubled
select (array[1,2])[1].doubled
select x.doubled from generate_series(1, 2) x
select x.doubled from unnest(array[1]) x
select x.checked from (values ('5')) v, lateral text(v) x
select total(id) from carts
select total(id) over () from carts
select 1 << 'x'::varchar
select id from carts where id << note::varchar
select 1 operator(trap.<=>) 2
select * from carts order by id using operator(trap.<=>)
select 1 << any (array['x'::varchar])
select row(1, 2) << row('x'::varchar, 'y'::varchar)
select 1 << (select 'x'::varchar)
select 1 << all (select 'x'::varchar)
select '5'::checked
select 5::checked
select cast('5' as public.checked)
select checked('5')
select ('5').checked
select '{5}'::checked[]
select '{5}'::_checked
select '(5,1)'::pair
select row(5,1)::pair
select null::checked_rows, '(1,2,"{}")'::checked_rows
select cs = '{5}' from checked_rows
select * from checked_rows where cs = '{5}'
select * from json_to_record('{"a":5}') as x(a checked)
select json_populate_record(null::pair, '{"a":5}')
select pg_catalog.jsonb_populate_record(null::pair, '{"a":5}')
select * from json_table('[5]', '$[*]' columns (a checked path '$')) x
select json_value('5', '$' returning checked)
select * from xmltable('/a' passing '<a>5</a>' columns x checked path '.') y
select pg_input_is_valid('5', 'checked')
select domain_in('5', 'checked'::regtype::oid, -1)
select array_in('{5}', 'checked'::regtype::oid, -1)
select mood || '' from moods
select mood::varchar from moods
select upper(mood) from moods
select to_json(m) from moods m
select * from evil_view
select x from evil_twice
select * from public.evil_view
table evil_view
with e as (select * from evil_view) select * from e
select (select x from evil_view)
select * from counting_view
select * from locking_view
select * from guarded
select * from simplified
select * from "a.b".c
select * from Évil
select * from public.ÉVIL
select * from "a.b"."c"
select * from carts where exists (select from evil_view)
select * from carts, lateral evil(id) x
select * from rows from (evil(1), generate_series(1,2)) x
select nextval('numbers')
select setval('numbers', 5)
select pg_advisory_lock(1)
select pg_try_advisory_lock(1)
select pg_notify('everything', 'x')
select txid_current()
select pg_current_xact_id()
select set_config('work_mem', '1MB', false)
select setseed(0.5)
select lo_creat(-1)
select lo_from_bytea(0, 'x')
select table_to_xml('evil_view', true, true, '')
select query_to_xml('select evil()', true, true, '')
select database_to_xml(true, true, '')
select cursor_to_xml('c', 1, true, true, '')
select ts_stat('select evil()::text::tsvector')
select ts_rewrite('a'::tsquery, 'select evil()::text::tsquery, ''b''::tsquery')
select * from carts for update
select * from (select * from carts for share) x
with x as (select * from carts for no key update) select * from x
with d as (delete from cards returning *) select * from d
with i as (insert into carts values (100) returning id) select * from i
with u as (update carts set age_days = 1 returning id) select * from u
explain select evil()
explain select * from simplified
explain insert into defaulted values (1)
explain (analyze) delete from cards
explain analyze select nextval('numbers')
explain (analyze 1, costs off) insert into carts values (101)
explain (analyze true) insert into carts values (101)
explain (costs off, analyze) insert into carts values (101)
explain analyze create table x1 as select 1
select * into x2 from carts
create table x3 as select 1
select 1; select nextval('numbers')
copy (select evil()) to stdout
declare c cursor for select evil()
do $$ begin perform evil(); end $$
call nothing()
select evil() union select 1
values (evil())
select * from carts where id = any (select evil())
select * from carts limit evil()
select * from carts offset evil(1)
select count(*) filter (where evil() = 1) from carts
select sum(id) over (order by evil(id)) from carts
select sum(id) over w from carts window w as (partition by evil(id))
select distinct on (evil(id)) id from carts
select * from carts group by id having evil() = 1
select array[evil()]
select row(evil())
select coalesce(null, evil())
select greatest(1, evil())
select xmlelement(name a, evil())
select json_object('a': evil())
select json_array(evil())
select json_arrayagg(evil(id)) from carts
select array(select evil())
select tags[evil()] from carts
select case when true then evil() end
select evil() is null
select * from carts tablesample bernoulli (evil())
select * from carts join cards on evil() = 1
select * from indexed where id = 5
select note from indexed where id in (1, 2, 3)
select * from hashed where id = 5
explain select * from hashed where id in (5, 6)
select satisfies_hash_partition('hashed'::regclass, 2, 0, 5)
select * from keyed
select '[1,2]'::span
select '{[1,2]}'::span_multirange
select * from seen_barrier
select 5::counted
select 5::twice_checked
merge into carts using cards on carts.id = cards.id when matched then do nothing
`
    .trim()
    .split('\n')

  test.each(HARMFUL)('is not called a read: %s', (sql) => {
    const classified = classifier.classify(sql, catalogue, PATH)
    if (classified.kind !== 'statements') return
    const verbs = classified.statements.flatMap((one) => [...one.verbs])
    expect(
      verbs.some((verb) => !['read', 'connect'].includes(verb)) ||
        classified.statements.some((one) => one.effect.kind === 'set'),
    ).toBe(true)
    expect(classified.statements.every((one) => one.verbs.length > 1 || one.verbs[0] !== 'unknown')).toBe(true)
  })

  test.each(TRACES)('leaves a trace, and is not called a read: %s', async (sql) => {
    const classified = classifier.classify(sql, catalogue, PATH)
    if (classified.kind !== 'statements') throw new Error(classified.message)
    const verbs = classified.statements.flatMap((one) => [...one.verbs])
    expect(verbs.some((verb) => !['read', 'connect', 'unknown'].includes(verb))).toBe(true)
    const before = await state()
    await client.query('begin')
    await client.query({ text: sql, rowMode: 'array' }).catch(() => undefined)
    const within = await client
      .query<{ s: string }>(
        `select pg_current_xact_id_if_assigned()::text || (select count(*) from pg_locks where pid = pg_backend_pid() and (locktype = 'advisory' or mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ExclusiveLock'))) as s`,
      )
      .then(
        ({ rows }) => rows[0]?.s,
        () => null,
      )
    const settings = within === null ? '' : await state().catch(() => 'changed beyond reading')
    for (const end of ['rollback', 'reset session authorization', 'discard all', 'listen everything'])
      await client.query(end)
    const trace = {
      xid: within,
      settings: settings === before,
      after: (await state()) === before,
      heard: heard.splice(0),
    }
    // An older server does not know all of them.
    expect(version === '18' ? trace : undefined).not.toEqual({ xid: null, settings: true, after: true, heard: [] })
  })

  const READS = `
select 1
select * from carts
select * from public.carts c where c.id = 5 and c.note like 'n%'
select count(*), max(age_days), avg(age_days) from carts group by age_days having count(*) > 1 order by 1 limit 3
select c.id, d.pan from carts c join cards d on d.cart = c.id left join reading_view r using (id)
select * from reading_view
select * from kept
select x from kept_evil
select * from parent
select * from levels where level = 'low'
select to_json(l), l.level::text from levels l
select upper(note), coalesce(note, 'x'), note || 'y', length(note) from carts
select body->>'a', body @> '{"a":1}', jsonb_path_query(body, '$.a') from carts
select now(), current_date, current_user, version(), random(), gen_random_uuid(), clock_timestamp()
select 5::plain, '{1}'::plain[], 'low'::level
select pg_table_size('carts'), pg_size_pretty(pg_database_size(current_database()))
select * from pg_stat_activity
select * from pg_locks
select relname from pg_class where relkind = 'r'
select * from information_schema.columns where table_name = 'carts'
with recursive t(n) as (values (1) union all select n + 1 from t where n < 10) select sum(n) from t
select row_number() over (partition by age_days order by id), lag(id) over w from carts window w as (order by id)
select percentile_cont(0.5) within group (order by age_days) from carts
select array_agg(id order by id) filter (where id > 3), string_agg(note, ',') from carts
select * from generate_series(1, 3) with ordinality x(a, b)
select * from unnest(array[1,2]) u
select extract(year from at), date_trunc('day', at), at at time zone 'utc' from carts
select substring(note from 1 for 2), position('a' in note), trim(both ' ' from note), overlay(note placing 'x' from 1) from carts
select exists (select 1 from cards), id in (select cart from cards), id = any(array[1,2]) from carts
select * from carts where id between 1 and 5 and note is not null and age_days is distinct from 3
select * from carts tablesample system (50)
select x.* from (values (1, 'a'), (2, 'b')) x(n, t)
select grouping(age_days), count(*) from carts group by rollup (age_days)
explain select * from carts
explain (format json, costs off) select * from carts where id = 3
explain delete from cards
select json_build_object('a', 1), json_agg(c.id), jsonb_object_agg(c.id, c.note) from carts c
select xmlelement(name a, xmlattributes(1 as b), 'c'), xpath('/a', '<a/>')
select has_table_privilege('carts', 'select'), to_regclass('carts'), 'carts'::regclass, obj_description('carts'::regclass)
select currval('numbers') is null
select (c).id, (c.body).a is null from carts c
select * from pg_sequences
select nspname from pg_namespace order by nspname collate "C"
select current_setting('search_path'), current_setting('nothing.here', true)
fetch all from nowhere
table carts
values (1), (2)
lock table carts in access share mode
`
    .trim()
    .split('\n')

  test.each(READS)('is a read, and leaves nothing: %s', async (sql) => {
    const classified = classifier.classify(sql, catalogue, PATH)
    expect(
      classified.kind === 'statements'
        ? classified.statements.map((one) => [one.verbs.join(), one.because])
        : classified,
    ).toEqual([['read', undefined]])
    expect(await traceOf(sql)).toMatchObject(NO_TRACE)
  })

  /** What names nothing at all, and still runs a function of the target's own. Each pair: what makes it so, and what runs it. */
  const UNNAMED: readonly (readonly [string, readonly string[]])[] = [
    [
      `create table public.times (t time, ts timestamptz); insert into times values ('10:00', now());
     create function trap.at(time) returns timestamptz immutable language plpgsql as 'begin perform trap.spring(); return now(); end';
     create cast (time as timestamptz) with function trap.at(time) as implicit`,
      [
        'select t from times union select ts from times',
        'select coalesce(t, ts) from times',
        'select case when t is not null then t else ts end from times',
        'select greatest(t, ts) from times',
        'select array[t, ts] from times',
        'values ((select t from times)), ((select ts from times))',
      ],
    ],
    [
      ['<', '<=', '=', '>=', '>']
        .map(
          (
            sign,
            i,
          ) => `create function trap.json_${i}(json, json) returns boolean immutable language plpgsql as 'begin perform trap.spring(); return $1::text ${sign} $2::text; end';
     create operator trap.${sign}% (leftarg = json, rightarg = json, function = trap.json_${i});`,
        )
        .join('\n') +
        `create table public.docs (j json); insert into docs values ('1'), ('2'), ('1');
     create function trap.json_cmp(json, json) returns int immutable language plpgsql as 'begin perform trap.spring(); return 1; end';
     create operator class trap.json_ops default for type json using btree as operator 1 trap.<%, operator 2 trap.<=%, operator 3 trap.=%, operator 4 trap.>=%, operator 5 trap.>%, function 1 trap.json_cmp(json, json)`,
      [
        'select distinct j from docs',
        'select j from docs order by j',
        'select j from docs group by j',
        'select j from docs intersect select j from docs',
        'select row_number() over (partition by j) from docs',
        'select array_agg(1 order by j) from docs',
      ],
    ],
    [
      `create function trap.near(text, text, int, boolean, boolean) returns boolean immutable language plpgsql as 'begin perform trap.spring(); return true; end';
     alter operator family pg_catalog.text_ops using btree add function 3 (text, int4) trap.near(text, text, int, boolean, boolean)`,
      ['select sum(id) over (order by note range 1 preceding) from carts'],
    ],
  ]

  test('a conversion, a sort order or a frame of the target’s own is a function that nothing names', async () => {
    const builder = await createCatalogueBuilder()
    for (const [make, statements] of UNNAMED) {
      const own = await trappedTarget(url)
      try {
        await own.query(make)
        const before = await own.sprung()
        for (const sql of statements) await own.query(sql)
        expect(await own.sprung()).toBeGreaterThanOrEqual(before + statements.length)
        const other = new pg.Client(own.url)
        await other.connect()
        const theirs = builder(await readCatalogue(other, 'unnamed'))
        await other.end()
        const called = statements.map((sql) => {
          const classified = classifier.classify(sql, theirs, PATH)
          return [sql, classified.kind === 'statements' && classified.statements[0]?.verbs.includes('exec')]
        })
        expect(called).toEqual(statements.map((sql) => [sql, true]))
      } finally {
        await own.close()
      }
    }
  })

  test('nothing that a generator can put together is called a read and leaves a trace', async () => {
    const pick = (...of: string[]): fc.Arbitrary<string> => fc.constantFrom(...of)
    const relation = pick(
      'carts',
      'public.carts',
      'cards',
      'reading_view',
      'evil_view',
      'evil_twice',
      'guarded',
      'simplified',
      'counting_view',
      'locking_view',
      'moods',
      'levels',
      'checked_rows',
      'kept',
      'parent',
      '"a.b".c',
      'generate_series(1, 2)',
      'evil(1)',
      'pg_class',
      'pg_catalog.pg_proc',
      'ruled',
      'defaulted',
    )
    const type = pick(
      'int',
      'text',
      'varchar',
      'checked',
      'checked[]',
      'plain',
      'mood',
      'level',
      'pair',
      'jsonb',
      'public.checked',
      'carts',
      'regclass',
      'numeric(10,2)',
      'pg_catalog.int4',
    )
    const name = pick(
      'lower',
      'upper',
      'evil',
      'public.evil',
      'trap.evil',
      'pg_catalog.lower',
      'pg_catalog.abs',
      'abs',
      'nextval',
      'pg_notify',
      'to_json',
      'row_to_json',
      'json_populate_record',
      'total',
      'count',
      'max',
      'array_agg',
      'doubled',
      'secret',
      'checked',
      'json_scalar',
      'pg_advisory_lock',
      'pg_sleep',
      'txid_current',
      'length',
      'coalesce',
      'format',
      'concat',
      'pg_input_is_valid',
      'lo_creat',
      'pg_typeof',
      'quote_literal',
    )
    const operator = pick(
      '=',
      '<',
      '+',
      '||',
      'operator(trap.<=>)',
      'operator(pg_catalog.=)',
      'is distinct from',
      'like',
      'and',
      'in',
    )
    const { expression } = fc.letrec<{ expression: string; query: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        pick(
          '1',
          `'5'`,
          `'{5}'`,
          `'x'::varchar`,
          'id',
          'c',
          'c.id',
          'c.secret',
          'c.doubled',
          'c.many',
          'c.any_one',
          'c.checked',
          'c.note',
          'c.level',
          'c.mood',
          'c.cs',
          'null',
          'now()',
          `'numbers'`,
          '$$x$$',
          `E'\\\\x41'`,
        ),
        fc.tuple(name, tie('expression')).map(([f, a]) => `${f}(${a})`),
        fc.tuple(name, tie('expression'), tie('expression')).map(([f, a, b]) => `${f}(${a}, ${b})`),
        fc
          .tuple(tie('expression'), operator, tie('expression'))
          .map(([a, o, b]) => `(${a} ${o} ${o === 'in' ? `(${b})` : b})`),
        fc.tuple(tie('expression'), type).map(([a, t]) => `(${a})::${t}`),
        fc
          .tuple(tie('expression'), pick('secret', 'doubled', 'checked', 'id', 'upper', 'evil', 'lower', 'text'))
          .map(([a, f]) => `(${a}).${f}`),
        fc.tuple(type, tie('expression')).map(([t, a]) => `cast(${a} as ${t})`),
        tie('expression').map((a) => `case ${a} when 1 then ${a} end`),
        tie('expression').map((a) => `array[${a}]`),
        tie('query').map((q) => `(${q})`),
        tie('query').map((q) => `exists (${q})`),
      ),
      query: fc
        .tuple(tie('expression'), relation, pick('', ' for update', ' limit 1', ' order by 1', ' where c.id = 1'))
        .map(([e, r, tail]) => `select ${e} from ${r} c${tail}`),
    }))
    const statement = fc
      .tuple(
        pick('', 'explain ', 'explain (analyze off) ', 'explain analyze ', 'explain (costs off) '),
        pick(
          '',
          'with e as (select * from evil_view) ',
          'with w as (select 1 as id) ',
          'with carts as (select * from carts) ',
          'with d as (delete from cards returning id) ',
        ),
        expression,
        relation,
        pick(
          '',
          ' limit 1',
          ' for update of c',
          ' union select 1',
          ' where c.id = 1',
          ' group by 1',
          ' order by 1',
          ' tablesample system (1)',
        ),
      )
      .map(([prefix, head, e, r, tail]) => `${prefix}${head}select ${e} from ${r} c${tail}`)
    let reads = 0
    let ran = 0
    await fc.assert(
      fc.asyncProperty(statement, async (sql) => {
        const seen = await traceOf(sql)
        if (seen === undefined) return
        reads++
        if (seen.outcome === 'ran') ran++
        expect({ sql, ...seen }).toMatchObject({ sql, ...NO_TRACE })
      }),
      { numRuns: 2000 },
    )
    // The generator must reach what it is there for.
    expect(reads).toBeGreaterThan(60)
    expect(ran).toBeGreaterThan(20)
  }, 60_000)

  /** A cursor that outlives its transaction is what was asked for. */
  const KEPT = /^declare c cursor with hold/
  const harmless = (sql: string): boolean => {
    const classified = classifier.classify(sql, catalogue, PATH)
    return classified.kind === 'statements' && classified.statements.every((one) => one.verbs.join() === 'read')
  }

  test('of all that looks like a read, what is called one leaves no trace', async () => {
    const seen: unknown[] = []
    let ran = 0
    for (const sql of TRICKS.filter((one) => harmless(one) && !KEPT.test(one))) {
      const traces = await traceOf(sql)
      if (traces?.outcome === 'ran') ran++
      const { within, changed, heard: told } = traces ?? NO_TRACE
      if (within !== '' || changed.length > 0 || told.length > 0) seen.push({ sql, within, changed, told })
    }
    expect(seen).toEqual([])
    expect(ran).toBeGreaterThan(150)
  })

  test('what clients send by themselves leaves no trace either', async () => {
    const corpus = JSON.parse(
      readFileSync(new URL('../../../test/corpus/clients.json', import.meta.url), 'utf8'),
    ) as string[]
    const seen: unknown[] = []
    for (const sql of corpus.filter(harmless)) {
      const { within, changed, heard: told } = (await traceOf(sql)) ?? NO_TRACE
      if (within !== '' || changed.length > 0 || told.length > 0) seen.push({ sql, within, changed, told })
    }
    expect(seen).toEqual([])
  })
})
