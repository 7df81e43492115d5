import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { installation } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { targetServers, testServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

/** The clients people have, unchanged: what they print through the gateway is what they print without it. */
const has = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => {
    try {
      return readdirSync(folder).includes(program)
    } catch {
      return false
    }
  })
const RULES = `kind: Settings
default: hold
security: security
---
kind: Rule
name: everything-here
on: {resource: shop-db, verbs: [connect, read, write, delete, schema, export, exec]}
allow: {}
---
kind: Rule
name: and-what-is-more
on: {resource: shop-db, verbs: [admin]}
allow: {}
`

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}
const SCRIPT = `\\set ON_ERROR_STOP off
\\pset pager off
CREATE TABLE carts (id int PRIMARY KEY, note text NOT NULL, at timestamptz DEFAULT '2026-01-01 00:00:00+00');
INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 2500) n;
\\copy (SELECT id, note FROM carts ORDER BY id LIMIT 5) TO STDOUT
\\copy (SELECT * FROM carts ORDER BY id) TO 'carts.txt'
CREATE TABLE again (LIKE carts INCLUDING ALL);
\\copy again FROM 'carts.txt'
\\copy again FROM 'carts.txt'
SELECT count(*) FROM again;
\\d carts
\\dt
\\d+ again
\\df lower
\\dn
\\du nobody
\\l nothing
\\set FETCH_COUNT 100
SELECT id FROM carts ORDER BY id;
\\unset FETCH_COUNT
SELECT 1 AS one \\gset
SELECT :one + 1;
SELECT id, note FROM carts WHERE id < 3 ORDER BY id \\gx
SELECT $1::int + $2::int AS sum \\bind 3 4 \\g
SELECT $1 AS a \\parse named
\\bind_named named 'x' \\g
SELECT 'SELECT ' || n FROM generate_series(1, 3) n \\gexec
SELECT 1/0;
SELECT nothing;
SELEC;
\\errverbose
BEGIN;
DELETE FROM carts WHERE id = 1;
SELECT 1/0;
SELECT 2;
COMMIT;
BEGIN; SAVEPOINT s; DELETE FROM carts; ROLLBACK TO s; COMMIT;
SELECT count(*) FROM carts;
SELECT 1; SELECT 2 \\; SELECT 3;
DO $$ BEGIN RAISE NOTICE 'hello %', 1; RAISE WARNING 'careful'; END $$;
CREATE SEQUENCE ticks;
SELECT 10 / (nextval('ticks') - 3) AS tick \\watch 0.01
LISTEN news;
NOTIFY news, 'x';
PREPARE p (int) AS SELECT $1 * 2 AS twice;
EXECUTE p(21);
DEALLOCATE p;
SET search_path = pg_catalog;
SELECT count(*) FROM carts;
RESET search_path;
DISCARD ALL;
SHOW search_path;
COPY carts FROM STDIN;
9001	late	2026-01-01
9002	\\N	2026-01-01
\\.
SELECT count(*) FROM carts;
EXPLAIN (COSTS OFF) SELECT * FROM carts WHERE id = 7;
\\crosstabview
SELECT '✓ é', E'\\n', repeat('x', 300000) AS long;
VACUUM carts;
DROP TABLE carts, again;
\\conninfo_none
`

describe.each(targetServers())('PostgreSQL $version', ({ url }) => {
  let world: Installation
  let direct: TestDatabase
  let folder: string
  beforeAll(async () => {
    world = await installation({ documents: [RULES], tables: [], server: url })
    direct = await testServer(url)
    folder = await mkdtemp(path.join(tmpdir(), 'hp-clients-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    await direct.close()
    await world[Symbol.asyncDispose]()
  })
  afterEach(() => expect(world.logged).toEqual([]))

  const run = (
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    input = '',
  ): Promise<Ran> =>
    new Promise((resolve) => {
      const child = execFile(
        program,
        args,
        {
          cwd: folder,
          maxBuffer: 1 << 28,
          env: { PATH: process.env['PATH'], HOME: folder, PGAPPNAME: 'test', ...env },
        },
        (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
      )
      child.stdin?.end(input)
    })
  const through = (more: Readonly<Record<string, string>> = {}) => ({
    PGHOST: '127.0.0.1',
    PGPORT: String(world.connection.port),
    PGUSER: 'ana',
    PGPASSWORD: world.connection.password,
    PGDATABASE: 'shop-db',
    PGSSLMODE: 'disable',
    ...more,
  })
  const past = () => ({
    PGHOST: '127.0.0.1',
    PGPORT: String(direct.target.port),
    PGUSER: direct.target.user,
    PGPASSWORD: direct.target.password,
    PGDATABASE: direct.target.database,
    PGSSLMODE: 'disable',
  })

  describe.runIf(has('psql'))('psql', () => {
    it('prints the same, whatever it is asked', async () => {
      const args = ['-X', '-a', '--no-password']
      const expected = await run('psql', args, past(), SCRIPT)
      const got = await run('psql', args, through(), SCRIPT)
      // Process ids of notifications are the target's own in both.
      const plain = (text: string) =>
        text
          .replaceAll(/PID \d+/g, 'PID')
          .replaceAll(/^\w{3} .* \(every/gm, '(every')
          .replaceAll(/LOCATION: .*/g, '')
      expect(plain(got.err)).toBe(plain(expected.err))
      expect(plain(got.out)).toBe(plain(expected.out))
      expect(got.code).toBe(expected.code)
    })

    it('verifies the generated certificate with verify-full', async () => {
      const root = path.join(world.dataDir, 'tls', 'gateway-tls.crt')
      const verified = through({ PGSSLMODE: 'verify-full', PGSSLROOTCERT: root })
      expect(await run('psql', ['-XAtc', 'SELECT 1'], verified)).toEqual({ code: 0, out: '1\n', err: '' })
      const wrong = await run('psql', ['-XAtc', 'SELECT 1'], through({ PGSSLMODE: 'verify-full' }))
      expect(wrong.code).toBe(2)
    })
  })

  describe.runIf(has('pgbench'))('pgbench', () => {
    it('runs in its three modes, and leaves what it leaves without the gateway', async () => {
      const sums: string[] = []
      for (const env of [past(), through()]) {
        const made = await run('pgbench', ['-i', '-s', '1', '-q'], env)
        expect([made.code, made.err.includes('error')]).toEqual([0, false])
        for (const mode of ['simple', 'extended', 'prepared']) {
          const ran = await run('pgbench', ['-M', mode, '-c', '2', '-t', '40', '--random-seed=7', '-n'], env)
          expect([mode, ran.code, ran.err]).toEqual([mode, 0, expect.not.stringMatching(/error|abort/)])
          expect(ran.out).toContain('number of transactions actually processed: 80/80')
        }
        const db = env.PGPORT === String(world.connection.port) ? world.target : direct
        const [row] = await db.query<{ n: string; t: string }>(
          'SELECT count(*)::text AS n, (SELECT sum(abalance)::text FROM pgbench_accounts) AS t FROM pgbench_history',
        )
        sums.push(`${row?.n} ${row?.t}`)
      }
      expect(sums[1]).toBe(sums[0])
    }, 60_000)
  })
})
