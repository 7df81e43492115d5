import fc from 'fast-check'
import { FLUSH, SYNC, encodeClose, encodeExecute, encodeParse, encodeQuery } from '../../src/wire/postgres/frontend.ts'
import { framed } from './strict-framing.ts'

/**
 * What clients may say, in any order: seeded, and small enough to shrink. A `Turn` is one or several messages that make
 * sense only together. Left out is what the gateway refuses by design (docs/postgres.md), and what a server answers
 * differently each time, and what looks at whether it stands in a transaction: a question of the gateway's own inside a
 * pipeline makes one (SET CONSTRAINTS, LOCK TABLE).
 */
export type Turn = readonly Buffer[]

/** Run once on each of the databases that are compared. */
export const SCHEMA = `
CREATE TYPE mood AS ENUM ('fine', 'sad');
CREATE TABLE t (id serial PRIMARY KEY, note text, size numeric(10, 2) DEFAULT 1.5, how mood DEFAULT 'fine', CHECK (size < 1000));
CREATE TABLE later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION shout(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'loud: %', $1; RETURN upper($1); END $$;
`
/** Puts the session and the database back. Each by itself: DISCARD ALL stands in no transaction. */
export const RESTORE: readonly string[] = [
  'ROLLBACK',
  'DISCARD ALL',
  'TRUNCATE t, later RESTART IDENTITY',
  'DROP TABLE IF EXISTS made',
]

const READS = [
  'SELECT 1',
  'SELECT id, note, size, how FROM t ORDER BY id LIMIT 3',
  'SELECT * FROM generate_series(1, 7)',
  "SELECT NULL::int, '', 'x', 1.5::numeric, '{1,2}'::int[], true, '\\x00ff'::bytea, 'fine'::mood",
  "SELECT repeat('y', 90000), repeat('z', 3) FROM generate_series(1, 3)",
  'TABLE later',
  "VALUES (1, 'a'), (2, NULL)",
  '/* c */ SELECT 2 -- tail',
  "SELECT E'a\\nb', $$it's$$, U&'d\\0061t', 'ünï'",
  'SELECT 1/0',
  'SELECT 1/(3 - n) FROM generate_series(1, 5) n',
  'SELECT nothing',
  "SELECT 'no'::int",
  'SELECT count(*) FROM nowhere',
  'EXPLAIN (COSTS OFF) SELECT 1',
  'SELECT shout(note) FROM t',
  "SELECT shout('a')",
]
const WRITES = [
  'INSERT INTO t DEFAULT VALUES',
  "INSERT INTO t (note) VALUES ('a'), ('b') RETURNING *",
  'INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING',
  'INSERT INTO t (id) VALUES (1)',
  'INSERT INTO later VALUES (1), (1)',
  'INSERT INTO later VALUES (2)',
  'UPDATE t SET size = size * 100',
  "UPDATE t SET note = 'c' WHERE id = 2 RETURNING id",
  'DELETE FROM t WHERE id = 1',
  'WITH d AS (DELETE FROM t RETURNING id) SELECT count(*) FROM d',
  'TRUNCATE later',
  'SELECT id FROM t ORDER BY id FOR UPDATE',
  "SELECT nextval('t_id_seq')",
  'CREATE TABLE made (id int)',
  'DROP TABLE made',
  'DROP TABLE IF EXISTS made',
  'CREATE TEMP TABLE brief (id int) ON COMMIT DROP',
  'CREATE TEMP TABLE t (id int)',
  'SELECT 7 AS n INTO TEMP kept',
  'DROP TABLE IF EXISTS pg_temp.t',
  "DO $$ BEGIN RAISE NOTICE 'hm'; RAISE WARNING 'mind'; END $$",
  "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0042', DETAIL = 'd', HINT = 'h'; END $$",
]
const STEERS = [
  'BEGIN',
  'BEGIN',
  'START TRANSACTION READ ONLY',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
  'COMMIT',
  'COMMIT',
  'END',
  'COMMIT AND CHAIN',
  'ROLLBACK',
  'ABORT',
  'SAVEPOINT s',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'RELEASE s',
  'SET search_path = public',
  'SET LOCAL search_path = pg_catalog',
  'RESET search_path',
  'SHOW search_path',
  "SET TimeZone = 'Asia/Tokyo'",
  "SET DateStyle = 'German'",
  'SET LOCAL extra_float_digits = 0',
  "SET application_name = 'random'",
  "SET work_mem = 'nonsense'",
  "SET statement_timeout = '30s'",
  'SHOW TimeZone',
  'SHOW application_name',
  'SHOW nonsense',
  'RESET ALL',
  "SELECT set_config('bytea_output', 'escape', false)",
  "SELECT current_setting('bytea_output'), current_schemas(false)",
  'PREPARE q AS SELECT 42',
  'PREPARE w (int, text) AS INSERT INTO t (size, note) VALUES ($1, $2) RETURNING id',
  'EXECUTE q',
  "EXECUTE w (3, 'three')",
  'EXECUTE a',
  'DEALLOCATE q',
  'DEALLOCATE ALL',
  'DECLARE c CURSOR FOR SELECT generate_series(1, 5)',
  'DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT generate_series(1, 5)',
  'FETCH 2 FROM c',
  'FETCH BACKWARD 1 FROM h',
  'MOVE 1 FROM c',
  'FETCH ALL FROM h',
  'CLOSE c',
  'CLOSE ALL',
  'DISCARD ALL',
  'DISCARD PLANS',
  'DISCARD SEQUENCES',
  'DISCARD TEMP',
  'LISTEN news',
  "NOTIFY news, 'hello'",
  "SELECT pg_notify('news', 'again')",
  'UNLISTEN *',
  'CHECKPOINT nonsense',
  'SELEC',
  'SELECT (',
  "SELECT 'open",
  '',
  ' ; ; ',
  '-- nothing',
]
const COPIES_OUT = [
  'COPY (SELECT n, NULL FROM generate_series(1, 4) n) TO STDOUT',
  'COPY t TO STDOUT (FORMAT csv, HEADER)',
  'COPY (SELECT 1) TO STDOUT (FORMAT binary)',
  "COPY (SELECT repeat('w', 70000)) TO STDOUT",
  'COPY (SELECT 1/0) TO STDOUT',
]
const COPIES_IN = ['COPY later FROM STDIN', 'COPY t (note, size) FROM STDIN (FORMAT csv)', 'COPY nowhere FROM STDIN']
const WITH_PARAMETERS: readonly (readonly [string, number])[] = [
  ['SELECT $1::int + $2::int', 2],
  ['SELECT $1::text', 1],
  ['SELECT $1::bytea, $2::int8', 2],
  ['INSERT INTO t (note, size) VALUES ($1, $2) RETURNING id', 2],
  ['SELECT id FROM t WHERE note = $1 ORDER BY id', 1],
  ['SELECT $1', 1],
  ['SELECT $1::mood', 1],
]

const text = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...READS) },
  { weight: 4, arbitrary: fc.constantFrom(...WRITES) },
  { weight: 7, arbitrary: fc.constantFrom(...STEERS) },
  { weight: 1, arbitrary: fc.constantFrom(...COPIES_OUT) },
)
/** Names behind the end of a transaction, or behind what was begun before, are refused where they may have changed (docs). */
const ENDS = /^(COMMIT|END|ROLLBACK|ABORT|FETCH|MOVE)/
const STEERS_ONLY = /^(BEGIN|START|SET (?!CONSTR)|RESET|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|$|--)/
const understood = (all: readonly string[]): boolean => {
  const end = all.findIndex((one) => ENDS.test(one))
  return end < 0 || all.slice(end + 1).every((one) => STEERS_ONLY.test(one))
}
const several = fc
  .array(text, { minLength: 2, maxLength: 4 })
  .filter(understood)
  .map((all) => all.join('; '))
const name = fc.constantFrom('', '', 'a', 'b')
const portal = fc.constantFrom('', '', 'p', 'r')
/** The unnamed portal only right behind its Bind: executing that of a simple query that failed crashes PostgreSQL 15 and 18. */
const named = fc.constantFrom('p', 'r')
const what = fc.constantFrom('statement' as const, 'portal' as const)
const limit = fc.constantFrom(0, 0, 0, 1, 2, -1)

const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 0xff, value & 0xff])
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const zero = (value: string): Buffer => Buffer.from(`${value}\0`)

export const parse = (named: string, sql: string, types: readonly number[] = []): Buffer =>
  framed('P', Buffer.concat([zero(named), zero(sql), int16(types.length), ...types.map(int32)]))
export const bind = (
  to: string,
  statement: string,
  values: readonly (Buffer | null)[] = [],
  formats: readonly number[] = [],
  results: readonly number[] = [],
): Buffer =>
  framed(
    'B',
    Buffer.concat([
      zero(to),
      zero(statement),
      int16(formats.length),
      ...formats.map(int16),
      int16(values.length),
      ...values.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value])),
      int16(results.length),
      ...results.map(int16),
    ]),
  )
export const execute = (of: string, rows = 0): Buffer => {
  const frame = encodeExecute(of)
  frame.writeInt32BE(rows, frame.length - 4)
  return frame
}
export const describe = (of: 'statement' | 'portal', named: string): Buffer => {
  const frame = encodeClose(of, named)
  frame[0] = 0x44
  return frame
}

const value = fc.oneof(
  fc.constantFrom('1', '22', '-3', '', 'x', 'fine', '\\x61', 'ü').map((one) => Buffer.from(one)),
  fc.constant(null),
  fc.constantFrom(int32(7), Buffer.from([0, 0, 0, 0, 0, 0, 0, 9])),
)
const types = fc.array(fc.constantFrom(0, 23, 25, 20, 17), { maxLength: 2 })
const formats = fc.constantFrom<readonly number[]>([], [], [0], [1])
const data = fc.array(fc.constantFrom('1\n', '2\n', '3,4\n', 'x\n', '\\.\n', '7', '8\n9\n'), { maxLength: 4 })
const end = fc.oneof(
  { weight: 4, arbitrary: fc.constant(framed('c')) },
  { weight: 1, arbitrary: fc.constant(framed('f', 'given up\0')) },
)
/** Into the unnamed portal: one whose values could not be read is left behind half made, and PostgreSQL executes it. */
const withParameters = fc
  .tuple(fc.constantFrom(...WITH_PARAMETERS), name, types, fc.array(value, { minLength: 2, maxLength: 2 }))
  .chain(([[sql, count], as, declared, values]) =>
    fc.tuple(formats, formats, fc.boolean(), limit).map(([given, results, asks, rows]): Turn => {
      const frames = [parse(as, sql, declared), bind('', as, values.slice(0, count), given, results)]
      if (asks) frames.splice(1, 0, describe('statement', as))
      return [...frames, describe('portal', ''), execute('', rows), SYNC]
    }),
  )

/** Whatever stands in front of a simple query must be synced: the gateway may have to ask the target first (docs). */
const simple = (sql: string): Turn => [SYNC, encodeQuery(sql)]

/** One turn of a client. */
export const turn: fc.Arbitrary<Turn> = fc.oneof(
  { weight: 8, arbitrary: text.map(simple) },
  { weight: 3, arbitrary: several.map(simple) },
  { weight: 5, arbitrary: fc.tuple(name, text).map(([n, sql]): Turn => [parse(n, sql)]) },
  { weight: 5, arbitrary: fc.tuple(portal, name, formats).map(([p, n, r]): Turn => [bind(p, n, [], [], r)]) },
  { weight: 4, arbitrary: fc.tuple(named, limit).map(([p, rows]): Turn => [execute(p, rows)]) },
  {
    weight: 3,
    arbitrary: fc.tuple(portal, name, limit).map(([p, n, rows]): Turn => [bind(p, n), execute(p, rows)]),
  },
  { weight: 3, arbitrary: fc.tuple(what, name, named).map(([w, n, p]): Turn => [describe(w, w === 'portal' ? p : n)]) },
  { weight: 2, arbitrary: fc.tuple(what, name).map(([w, n]): Turn => [encodeClose(w, n)]) },
  { weight: 5, arbitrary: fc.constant<Turn>([SYNC]) },
  { weight: 2, arbitrary: fc.constant<Turn>([FLUSH]) },
  // What drivers do all day: with and without a Sync, one after another and many at once.
  {
    weight: 6,
    arbitrary: text.map((sql): Turn => [encodeParse('', sql), bind('', ''), describe('portal', ''), execute(''), SYNC]),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(text, { minLength: 1, maxLength: 4 })
      .map((all): Turn => [...all.flatMap((sql) => [encodeParse('', sql), bind('', ''), execute('')]), SYNC]),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(named, limit).map(([p, rows]): Turn => [execute(p, rows), execute(p, rows), SYNC]),
  },
  { weight: 5, arbitrary: withParameters },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...COPIES_IN), data, end)
      .map(([sql, rows, over]): Turn => [...simple(sql), ...rows.map((one) => framed('d', one)), over]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...COPIES_IN), data, end, fc.boolean())
      .map(([sql, rows, over, synced]): Turn => {
        // Named, and closed again: whoever bound it once more would be in a COPY without an end.
        const begun = [SYNC, encodeParse('copies', sql), bind('', 'copies'), execute(''), synced ? SYNC : FLUSH]
        const sent = rows.map((one) => framed('d', one))
        return [...begun, ...sent, over, SYNC, encodeClose('statement', 'copies'), SYNC]
      }),
  },
  {
    weight: 1,
    arbitrary: data.map((rows): Turn => {
      const sent = [...rows.map((one) => framed('d', one)), framed('c')]
      return [...simple('COPY later FROM STDIN; SELECT 1; COPY later FROM STDIN'), ...sent, ...sent]
    }),
  },
)
