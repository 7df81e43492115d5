import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { targetServers } from '../support/database.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { packagedPrograms } from '../support/packaged-servers.ts'

/** One approval for a declared run: a migration, a dump. Held once at its first statement, then by itself to its end. */
let world: Installation
/** A server with the programs of its own version. */
const packaged = packagedPrograms().flatMap(({ version, folder }) =>
  targetServers().flatMap((server) => (server.version === version ? [{ folder, url: server.url }] : [])),
)[0]
beforeAll(async () => {
  world = await installation(packaged === undefined ? {} : { server: packaged.url })
  await world.apply(
    RULES.replace(
      'on: {verbs: [write, delete, schema]}\nhold: {reviews: [{from: owners}], scope: once}',
      'on: {verbs: [write, schema, export]}\nhold: {reviews: [{from: owners}]}\n---\nkind: Rule\nname: deletes\non: {verbs: [delete]}\nhold: {reviews: [{from: "team:payments"}], scope: once}',
    ),
  )
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() =>
  world.target.query(
    "DROP TABLE IF EXISTS orders; TRUNCATE carts; INSERT INTO carts SELECT n, 'x' FROM generate_series(1, 20) n",
  ),
)
const MIGRATION = [
  'BEGIN',
  'SELECT pg_advisory_xact_lock(72707369)',
  'CREATE TABLE orders (id int PRIMARY KEY, cart int)',
  'INSERT INTO orders SELECT id, id FROM carts',
  'ALTER TABLE orders ADD COLUMN note text',
  "UPDATE orders SET note = 'x' WHERE id < 5",
  'CREATE INDEX ON orders (cart)',
  'COMMIT',
]
const waiting = async () => (await world.as('mia').call('getInbox', {})).needsMe
const program = (name: string, args: readonly string[], options: string, input = '') => {
  const { host, port, user, password, database } = world.connection
  const child = spawn(
    path.join(packaged?.folder ?? '', name),
    [`host=${host} port=${port} user=${user} dbname=${database} sslmode=disable`, ...args],
    {
      env: { ...process.env, PGPASSWORD: password, PGOPTIONS: options },
    },
  )
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end(input)
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  )
}

describe('a declared run', () => {
  it('is held once, shows what it will cover, and ends with its session', () =>
    withClient(world.connection, async (client) => {
      await client.query("SET holdpoint.run = 'schema, write'")
      const [first, ...rest] = MIGRATION
      await client.query(first ?? '')
      const running = client.query(rest[0] ?? '')
      const asked = await world.approve()
      expect(asked.verbs).toEqual(['read', 'write', 'schema'])
      expect(asked.scope).toBe('session')
      expect(asked.subject).toMatchObject({
        run: ['write', 'schema'],
        notCovered: ['the other statements of the run (write, schema)'],
      })
      await running
      for (const text of rest.slice(1)) await client.query(text)
      expect(await world.target.query('SELECT count(*)::int AS n, count(note)::int AS m FROM orders')).toEqual([
        { n: 20, m: 4 },
      ])
      expect(await waiting()).toEqual([])
      // What stands outside of it is held as ever, and what the rules hold one by one too.
      const told: (string | undefined)[] = []
      client.on('notice', ({ detail }) => told.push(detail))
      const outside = client.query('DELETE FROM orders WHERE id = 1')
      expect((await world.approve()).scope).toBe('once')
      expect(told.join()).toContain('For this statement alone: the run does not cover it. Expires')
      await outside
      const again = client.query('DELETE FROM orders WHERE id = 2')
      await world.deny('one by one')
      await expect(again).rejects.toMatchObject({ code: '42501' })
      // Another session of the same person is not it.
      await withClient(world.connection, async (other) => {
        const held = other.query("UPDATE orders SET note = 'y'")
        await world.deny('another session')
        await expect(held).rejects.toMatchObject({ code: '42501' })
      })
    }))

  it('leaves out what the rules hold one by one, and is refused where it names no verbs', () =>
    withClient(world.connection, async (client) => {
      await expect(client.query("SET holdpoint.run = 'everything'")).rejects.toMatchObject({ code: '0A000' })
      await client.query("SET holdpoint.run = 'write,delete'")
      const running = client.query("UPDATE carts SET note = 'y' WHERE id = 1")
      expect((await world.approve()).subject).toMatchObject({ run: ['write'] })
      await running
      await client.query("UPDATE carts SET note = 'y' WHERE id = 2")
      await client.query('RESET holdpoint.run')
      await client.query("UPDATE carts SET note = 'y' WHERE id = 3")
    }))

  it('is taken back whole when it is revoked before its commit', () =>
    withClient(world.connection, async (client) => {
      client.on('error', () => undefined)
      const told: (string | undefined)[] = []
      client.on('notice', ({ detail }) => told.push(detail))
      await client.query("SET holdpoint.run = 'schema, write'")
      await client.query('BEGIN')
      const running = client.query('CREATE TABLE orders (id int)')
      const { id } = await world.approve()
      await running
      expect(told.join()).toMatch(
        /until the session ends\. Expires \d\d:\d\d, soon, because the transaction keeps its locks\./,
      )
      await client.query('INSERT INTO orders VALUES (1)')
      await world.as('mia').call('revokeGrant', { params: { id }, body: {} })
      await expect(client.query('COMMIT')).rejects.toMatchObject({
        code: expect.stringMatching(/^(40000|57P01)$/),
        message: expect.stringMatching(new RegExp(`^${id} ended \\(revoked\\)`)),
      })
      await expect
        .poll(() => world.target.query("SELECT to_regclass('public.orders')::text AS t"))
        .toEqual([{ t: null }])
    }))

  it.skipIf(packaged === undefined)('is declared for tools by an option of the connection: psql, pg_dump', async () => {
    const script = `${MIGRATION.join(';\n')};\n`
    const ran = program(
      'psql',
      ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', '-'],
      '-c holdpoint.run=schema,write',
      script,
    )
    expect((await world.approve()).subject).toMatchObject({ run: ['write', 'schema'] })
    expect((await ran).code).toBe(0)
    expect(await world.target.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 20 }])

    const dumped = program('pg_dump', ['--table=orders', '--no-subscriptions'], '-c holdpoint.run=export')
    expect((await world.approve()).subject).toMatchObject({ run: ['export'] })
    const { code, out, err } = await dumped
    expect([code, err]).toEqual([0, expect.any(String)])
    expect(out).toContain('COPY public.orders (id, cart, note) FROM stdin;')
    expect(await waiting()).toEqual([])
  })
})
