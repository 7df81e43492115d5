import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { heirRole, standingRole } from '../../src/domain/profile/role-names.ts'
import { targetServers } from '../support/database.ts'
import { ephemeralTarget, hasPsql } from '../support/ephemeral-target.ts'
import type { EphemeralTarget } from '../support/ephemeral-target.ts'
import { brief, rawClient } from '../support/raw-client.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../src/wire/postgres/frontend.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'

if (!hasPsql) process.stderr.write('roles.test.ts: skipped, there is no psql on this machine\n')

const TABLES = [
  'CREATE TABLE carts (id int, note text)',
  "INSERT INTO carts SELECT i, 'old' FROM generate_series(1, 20) i",
  'CREATE TABLE cards (pan text)',
]
/** Every grant is a role of its own on the target, which `hp connect setup` has prepared. */
describe.runIf(hasPsql).each(targetServers())('access: ephemeral on PostgreSQL $version', ({ url }) => {
  let world: Installation
  let shop: EphemeralTarget
  let connection: Installation['connection']
  const resource = (more = ''): string => `kind: Resource
name: ${shop.resource}
connect: ${shop.connect}
credential: {from: secret, name: ${shop.resource}}
access: ephemeral
env: prod
classification: internal
owners:
  - {layer: service, team: payments, decides: [connect, read, write, delete, exec, schema, admin, export]}
${more}`

  beforeAll(async () => {
    world = await installation({ server: url, tables: TABLES })
    shop = await ephemeralTarget(world.target)
    await world
      .as('sam')
      .call('setSecret', { params: { name: shop.resource }, body: { value: shop.target.password ?? '' } })
    await world.apply(resource())
    connection = { ...world.connection, database: shop.resource }
  })
  afterAll(async () => {
    await shop.close()
    await world[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await world.target.query("TRUNCATE carts; INSERT INTO carts SELECT i, 'old' FROM generate_series(1, 20) i")
  })
  afterEach(async () => {
    await until(async () => (await roles()).length === 0)
  })
  /** Roles of grants that are there, looked at by an administrator of the target. */
  const roles = async (): Promise<readonly string[]> =>
    (
      await world.target.query<{ name: string }>(
        `SELECT r.rolname AS name FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
         JOIN pg_roles g ON g.oid = m.roleid AND g.rolname = $1 ORDER BY 1`,
        [shop.groups.connect],
      )
    )
      .map((row) => row.name)
      .filter((name) => name.startsWith('hp_g_'))
  const carts = async () => (await world.target.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n

  it('runs a held statement as a role of its own, and nothing else; then the role is gone', async () => {
    await withClient(connection, async (client) => {
      expect((await client.query('SELECT current_user AS who')).rows).toEqual([{ who: standingRole(shop.resource) }])
      const running = client.query('DELETE FROM carts WHERE id <= 5')
      await world.approve()
      expect((await running).rowCount).toBe(5)
      expect((await client.query('SELECT current_user AS who, session_user AS me')).rows).toEqual([
        { who: standingRole(shop.resource), me: standingRole(shop.resource) },
      ])
      await until(async () => (await roles()).length === 0)
      const held = client.query("INSERT INTO carts VALUES (99, 'new')")
      await world.approve()
      expect((await held).rowCount).toBe(1)
    })
    expect(await carts()).toBe(16)
  })

  it('runs with bound parameters, in a transaction, and with what it makes handed over', async () => {
    await withClient(connection, async (client) => {
      const bound = client.query('UPDATE carts SET note = $1 WHERE id = $2', ['new', 7])
      await world.approve()
      expect((await bound).rowCount).toBe(1)

      await client.query('BEGIN')
      const inside = client.query('DELETE FROM carts WHERE id = 1')
      await world.approve()
      await inside
      expect((await client.query('SELECT current_user AS who')).rows).toEqual([{ who: standingRole(shop.resource) }])
      await client.query('ROLLBACK')
      expect((await client.query('SELECT current_user AS who')).rows).toEqual([{ who: standingRole(shop.resource) }])
      expect(await carts()).toBe(20)

      const made = client.query('CREATE TABLE made (id int)')
      await world.approve()
      await made
    })
    await until(async () => (await roles()).length === 0)
    expect(
      await world.target.query("SELECT relowner::regrole::text AS owner FROM pg_class WHERE relname = 'made'"),
    ).toEqual([{ owner: heirRole(shop.resource) }])
    await world.target.query('DROP TABLE made')
  })

  it('is not kept by a statement that fails, in a transaction or a pipeline', async () => {
    const standing = [{ who: standingRole(shop.resource) }]
    await withClient(connection, async (client) => {
      const who = async () => (await client.query('SELECT current_user AS who')).rows
      for (const text of ['DELETE FROM carts WHERE id / 0 = 1', 'UPDATE carts SET id = 1 / (id - id)']) {
        const failing = client.query(text)
        failing.catch(() => undefined)
        await world.approve()
        await expect(failing).rejects.toMatchObject({ code: '22012' })
        expect(await who()).toEqual(standing)
      }
      await client.query('BEGIN')
      await client.query('SAVEPOINT a')
      const inside = client.query('DELETE FROM carts WHERE id / $1 = 1', [0])
      inside.catch(() => undefined)
      await world.approve()
      await expect(inside).rejects.toMatchObject({ code: '22012' })
      await client.query('ROLLBACK TO a')
      expect(await who()).toEqual(standing)
      await client.query('COMMIT')
      expect(await who()).toEqual(standing)
      const marks = client.query('DELETE FROM carts WHERE id = 1; SAVEPOINT b; SELECT 1')
      marks.catch(() => undefined)
      await world.approve()
      await expect(marks).rejects.toMatchObject({ code: '0A000' })
      expect(await who()).toEqual(standing)
    })
    expect(await carts()).toBe(20)
  })

  it('is the role between Bind and its Execute, and nothing else in the pipeline is', async () => {
    const who = 'SELECT current_user'
    const standing = standingRole(shop.resource)
    const raw = await rawClient(connection)
    const answered = async () => brief(await raw.until('Z'))
    const rows = limited('rows', 1)
    try {
      // Bound, described, and never executed.
      raw.send(encodeParse('', 'DELETE FROM carts WHERE id = 1'), encodeBind('', ''), SYNC)
      await world.approve()
      expect(await answered()).toBe('1 2 Z(I)')
      raw.send(encodeParse('', who), encodeBind('', ''), encodeExecute(''), SYNC)
      expect(await answered()).toBe(`1 2 D(${standing}) C(SELECT 1) Z(I)`)

      // Rows in parts, with a statement of the session's own between them.
      raw.send(encodeQuery('BEGIN'))
      expect(await answered()).toBe('C(BEGIN) Z(T)')
      raw.send(
        encodeParse('', 'UPDATE carts SET note = current_user WHERE id < 4 RETURNING note'),
        encodeBind('rows', ''),
      )
      raw.send(rows, encodeParse('', who), encodeBind('', ''), encodeExecute(''), rows, SYNC)
      await world.approve()
      const [first, second, third] = (await answered()).match(/D\([^)]*\)/g) ?? []
      expect([first, third]).toEqual([expect.stringMatching(/^D\(hp_g_/), first])
      expect(second).toBe(`D(${standing})`)
      raw.send(encodeQuery(who))
      expect(await answered()).toBe(`T D(${standing}) C(SELECT 1) Z(T)`)

      // Behind a failure in the pipeline the target skips, and the role goes with the transaction.
      raw.send(encodeQuery('ROLLBACK'))
      await answered()
      raw.send(encodeParse('', 'DELETE FROM carts WHERE id / 0 = 1'), encodeBind('', ''), encodeExecute(''))
      raw.send(encodeParse('', who), encodeBind('', ''), encodeExecute(''), SYNC, encodeQuery(who))
      await world.approve()
      expect(await answered()).toBe('1 2 E(22012) Z(I)')
      expect(await answered()).toBe(`T D(${standing}) C(SELECT 1) Z(I)`)
    } finally {
      raw.close()
    }
    expect(await carts()).toBe(20)
  })

  it('copies in as the role, and is itself again behind the rows', async () => {
    await withClient(connection, async (client) => {
      const text = 'COPY carts FROM STDIN'
      const done = new Promise<void>((resolve, reject) => {
        const query = {
          submit: (c: { query(text: string): void }) => c.query(text),
          handleCopyInResponse: (c: { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }) => {
            c.sendCopyFromChunk(Buffer.from('100\tcopied\n101\tcopied\n'))
            c.endCopyFrom()
          },
          handleCommandComplete: () => undefined,
          handleReadyForQuery: () => resolve(),
          handleError: (error: Error) => reject(error),
          text,
        }
        client.query(query as unknown as pg.Submittable)
      })
      await world.approve()
      await done
      expect((await client.query('SELECT current_user AS who')).rows).toEqual([{ who: standingRole(shop.resource) }])
    })
    expect(await carts()).toBe(22)
  })

  it('asks nobody about what no role is given', async () => {
    await world.apply(RULES.replace('deny: Ask the database team.', 'hold: {reviews: [{from: owners}]}'))
    await withClient(connection, async (client) => {
      await expect(client.query('CREATE ROLE another')).rejects.toMatchObject({
        code: '42501',
        message: expect.stringContaining('no role made for a grant is given admin'),
      })
    })
    await world.apply(RULES)
  })

  it('says why a role could not be made; then nothing ran and nothing is left', async () => {
    await world.target.query(
      `REVOKE ALL ON cards FROM ${shop.resource.replace('-', '_').replace(/^/, 'holdpoint_')}_grants`,
    )
    await withClient(connection, async (client) => {
      const held = client.query("INSERT INTO cards VALUES ('1')")
      held.catch(() => undefined)
      await world.approve()
      await expect(held).rejects.toMatchObject({ code: '58000', message: expect.stringContaining('could not be made') })
      // The session goes on.
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })
    expect(await world.target.query('SELECT count(*)::int AS n FROM cards')).toEqual([{ n: 0 }])
  })

  it('signs a session in as the role of its grant, and ends it when it is revoked', async () => {
    await world.apply(
      RULES.replace(
        'name: connecting\non: {verbs: [connect]}\nallow: {}',
        'name: connecting\non: {verbs: [connect]}\nhold: {reviews: [{from: owners}], scope: session}',
      ),
    )
    try {
      const client = new pg.Client(connection)
      const ended = new Promise<Error>((resolve) => client.on('error', resolve))
      const connecting = client.connect()
      const { id } = await world.approve()
      await connecting
      const { rows } = await client.query<{ who: string; me: string }>('SELECT current_user AS who, session_user AS me')
      expect(rows[0]?.who).toMatch(/^hp_g_\d+_[0-9a-f]{6}$/)
      expect(rows[0]?.me).toBe(rows[0]?.who)
      expect((await client.query('SELECT count(*)::int AS n FROM carts')).rows).toEqual([{ n: 20 }])
      // A held statement in it runs as a role of its own.
      const held = client.query('DELETE FROM carts WHERE id = 3')
      await world.approve()
      expect((await held).rowCount).toBe(1)
      expect((await client.query('SELECT current_user AS who')).rows).toEqual([{ who: rows[0]?.who }])
      // Nobody else signs in as it.
      const [login] = await world.target.query<{ can: boolean; none: boolean }>(
        'SELECT rolcanlogin AS can, rolpassword IS NULL AS none FROM pg_authid WHERE rolname = $1',
        [rows[0]?.who],
      )
      expect(login).toEqual({ can: false, none: true })
      await world.as('mia').call('revokeGrant', { params: { id } })
      expect((await ended).message).toContain('revoked')
      await until(async () => (await roles()).length === 0)
      expect(await world.target.query('SELECT pid FROM pg_stat_activity WHERE usename = $1', [rows[0]?.who])).toEqual(
        [],
      )
      await client.end().catch(() => undefined)
    } finally {
      await world.apply(RULES)
    }
  })
})

/** An Execute that takes so many rows. */
function limited(portal: string, rows: number): Buffer {
  const frame = Buffer.from(encodeExecute(portal))
  frame.writeInt32BE(rows, frame.length - 4)
  return frame
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 150; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
