import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { targetServers, testServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { installation } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { packagedPrograms } from '../support/packaged-servers.ts'

/** pg_dump and pg_restore, each with the server of its own version: what they make through the gateway is what they make without. */
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
const EXPORTS = `kind: Rule
name: exports
on: {resource: shop-db, verbs: [export]}
hold: {reviews: [{from: owners}], scope: session}
`
const CONTENT = `
CREATE SCHEMA stock;
CREATE TYPE stock.colour AS ENUM ('red', 'green');
CREATE DOMAIN stock.amount AS int CHECK (VALUE >= 0);
CREATE TABLE stock.items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'x',
  colour stock.colour, amount stock.amount, at timestamptz, double int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO stock.items (name, colour, amount, at)
  SELECT E'item\\t' || n, CASE WHEN n % 2 = 0 THEN 'red' ELSE 'green' END::stock.colour, n, '2026-01-01'::timestamptz + n * interval '1 day'
  FROM generate_series(1, 3000) n;
CREATE TABLE parts (id int, kept date) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (1000);
INSERT INTO parts SELECT n, '2026-01-01' FROM generate_series(0, 500) n;
CREATE SEQUENCE ticks START 7; SELECT nextval('ticks');
CREATE VIEW red AS SELECT * FROM stock.items WHERE colour = 'red';
CREATE MATERIALIZED VIEW sums AS SELECT colour, sum(amount) FROM stock.items GROUP BY colour;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at = now(); RETURN NEW; END $$;
CREATE TRIGGER stamped BEFORE UPDATE ON stock.items FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE RULE none AS ON DELETE TO parts DO INSTEAD NOTHING;
ALTER TABLE stock.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON stock.items USING (amount > 0);
CREATE INDEX by_name ON stock.items (lower(name));
ALTER TABLE parts ADD COLUMN item int REFERENCES stock.items;
COMMENT ON TABLE parts IS 'It''s parts';
`

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

const servers = targetServers().flatMap(({ version, url }) => {
  const programs = packagedPrograms().find((one) => one.version === version)
  return programs === undefined ? [] : [{ version, url, bin: programs.folder }]
})

describe.each(servers)('pg_dump and pg_restore $version', ({ url, bin }) => {
  let world: Installation
  let other: TestDatabase
  let folder: string
  beforeAll(async () => {
    world = await installation({ documents: [RULES], tables: [CONTENT], server: url })
    other = await testServer(url)
    folder = await mkdtemp(path.join(tmpdir(), 'hp-dumps-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    await world[Symbol.asyncDispose]()
    await other.close()
  })
  afterEach(() => expect(world.logged).toEqual([]))

  const run = (program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> =>
    new Promise((resolve) => {
      const from = { PATH: process.env['PATH'], HOME: folder, PGSSLMODE: 'disable', PGHOST: '127.0.0.1', ...env }
      execFile(path.join(bin, program), args, { cwd: folder, maxBuffer: 1 << 28, env: from }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
      )
    })
  const through = (database = 'shop-db') => ({
    PGPORT: String(world.connection.port),
    PGUSER: 'ana',
    PGPASSWORD: world.connection.password,
    PGDATABASE: database,
  })
  const past = ({ target }: TestDatabase) => ({
    PGPORT: String(target.port),
    PGUSER: target.user,
    PGPASSWORD: target.password,
    PGDATABASE: target.database,
  })
  /** The key that guards a dump's text against meta-commands is random. */
  const plain = (dump: string) => dump.replaceAll(/^\\(un)?restrict \S+$/gm, String.raw`\$1restrict`)
  const dumped = async (env: Readonly<Record<string, string>>, ...args: string[]) => {
    const ran = await run('pg_dump', args, env)
    expect([ran.code, ran.err]).toEqual([0, ''])
    return plain(ran.out)
  }

  it('dumps the same text, rows as COPY and as INSERT', async () => {
    const straight = await dumped(past(world.target))
    expect(straight.length).toBeGreaterThan(100_000)
    expect(await dumped(through())).toBe(straight)
    const inserts = ['--inserts', '--rows-per-insert=100', '--clean', '--if-exists', '--no-owner']
    expect(await dumped(through(), ...inserts)).toBe(await dumped(past(world.target), ...inserts))
  })

  it('dumps with several connections on one snapshot, and restores what was there', async () => {
    const whole = await dumped(past(world.target))
    await dumped(through(), '-Fd', '-j', '2', '-f', 'dump.d')
    await dumped(through(), '-Fc', '-f', 'dump.c')
    for (const args of [
      ['--single-transaction', 'dump.c'],
      ['--clean', '--if-exists', '--exit-on-error', 'dump.c'],
      ['--clean', '--if-exists', '-j', '2', 'dump.d'],
    ]) {
      const restored = await run('pg_restore', ['-d', `shop-db/${other.target.database}`, ...args], through())
      expect([args, restored.code, restored.err]).toEqual([args, 0, ''])
      expect(await dumped(past(other))).toBe(whole)
    }
  }, 60_000)

  it('a large object, which pg_dump reads by function calls, is refused in words', async () => {
    await world.target.query("SELECT lo_from_bytea(4711, 'x')")
    try {
      const ran = await run('pg_dump', [], through())
      expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('function calls by number are not taken')])
      await dumped(through(), '--no-blobs')
    } finally {
      await world.target.query('SELECT lo_unlink(4711)')
    }
  })

  it('a plain dump goes back in through psql', async () => {
    await dumped(through(), '--clean', '--if-exists', '-f', 'dump.sql')
    const restored = await run(
      'psql',
      ['-X', '-q', '-o', 'out', '-v', 'ON_ERROR_STOP=1', '-f', 'dump.sql'],
      through(`shop-db/${other.target.database}`),
    )
    expect([restored.code, restored.err]).toEqual([0, expect.not.stringMatching(/ERROR|FATAL/)])
    expect(await dumped(past(other))).toBe(await dumped(past(world.target)))
  })

  it('is held once where policy holds an export for the session, and then dumps everything', async () => {
    const whole = await dumped(past(world.target))
    await world.apply(RULES.replace('schema, export, exec', 'schema, exec'), EXPORTS)
    const dump = dumped(through())
    const held = await world.approve()
    expect(held.subject).toMatchObject({ text: expect.stringMatching(/^COPY .* TO stdout;/) })
    expect(await dump).toBe(whole)
    expect(await world.store.query('SELECT FROM access_request')).toHaveLength(1)
  })
})
