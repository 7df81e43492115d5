import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setupSql } from '../../../app/documents/setup-sql.ts'
import { accountWarning } from '../../../app/documents/target-accounts.ts'
import type { OpenTarget } from '../../../app/ports/target.ts'
import type { RoleSpec } from '../../../app/ports/target-roles.ts'
import type { ResourceName, Revision } from '../../../domain/ids.ts'
import { grantsRole, groupRole, heirRole, ROLE_GROUPS, standingRole } from '../../../domain/profile/role-names.ts'
import { readProfile } from '../../../domain/profile/read-profile.ts'
import { instant } from '../../../domain/time.ts'
import { targetServers, testServer } from '../../../../test/support/database.ts'
import type { TestDatabase } from '../../../../test/support/database.ts'
import { createTargetControl } from '../target-control.ts'
import { createTargetRoles } from './target-roles.ts'

const hasPsql = spawnSync('psql', ['--version']).status === 0
if (!hasPsql) process.stderr.write('target-roles.test.ts: skipped, there is no psql on this machine\n')

/** With the account that `hp connect setup` makes, and nothing more. */
describe.runIf(hasPsql).each(targetServers())('roles for single grants on PostgreSQL $version', ({ url }) => {
  let db: TestDatabase
  let other: TestDatabase
  let target: OpenTarget
  let resource: ResourceName
  let role: string
  let owner: string
  const password = randomBytes(12).toString('hex')
  const roles = createTargetRoles()

  beforeEach(async () => {
    ;[db, other] = [await testServer(url), await testServer(url)]
    const mark = randomBytes(4).toString('hex')
    resource = `r${mark}-db` as ResourceName
    role = `hp_g_7_${mark}`
    owner = `o_${mark}`
    const { host, port, user, database } = db.target
    await db.query(`CREATE ROLE ${owner}; GRANT CREATE, USAGE ON SCHEMA public TO ${owner}`)
    await db.query(
      `SET ROLE ${owner}; CREATE TABLE carts (id serial PRIMARY KEY, age int); CREATE TABLE cards (pan text);
       INSERT INTO carts (age) SELECT generate_series(1, 10)`,
    )
    const profile = readProfile(
      {
        kind: 'Resource',
        name: resource,
        access: 'ephemeral',
        connect: `postgres://${user}@${host}:${port}/${database}?sslmode=disable`,
      },
      1 as Revision,
    )
    const control = createTargetControl()
    const probed = await control.probe({ ...profile.target, password: db.target.password })
    await control.close()
    if (!probed.ok) throw new Error(probed.message)
    const sql = setupSql(profile, probed.account, ['connect', 'read', 'write', 'delete', 'exec', 'schema'])
    const again = spawnSync('psql', ['-X', '-q', db.url, '-f', '-'], { input: sql + sql, encoding: 'utf8' })
    expect([again.stderr, again.status]).toEqual(['', 0])
    const standing = standingRole(resource)
    await db.query(`ALTER ROLE ${standing} PASSWORD '${password}'`)
    target = { ...profile.target, user: standing, password }
    const eyes = createTargetControl()
    const seen = await eyes.probe(target)
    await eyes.close()
    // It may make roles, and that is all that it may beyond reading.
    expect(seen.ok && accountWarning(profile, seen.account)).toBeUndefined()
    // The same groups work in the other database of the server, as far as they were given something there.
    await other.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${heirRole(resource)}, ${groupRole(resource, 'schema')}`)
  })
  afterEach(async () => {
    await roles.close()
    const all = [...ROLE_GROUPS.map((group) => groupRole(resource, group)), grantsRole(resource), heirRole(resource)]
    const there = await db.query<{ name: string }>('SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1)', [
      [role, `${role}_b`, ...all, standingRole(resource), owner],
    ])
    for (const { name } of there) for (const each of [other, db]) await each.query(`DROP OWNED BY ${name} CASCADE`)
    for (const { name } of there) await db.query(`DROP ROLE ${name}`)
    await other.close()
    await db.close()
  })

  const TAG = 'holdpoint 0123456789abcdef G-7'
  const spec = (more: Partial<RoleSpec> = {}): RoleSpec => ({
    name: role,
    comment: `${TAG}: a test`,
    until: instant(Date.now() + 60_000),
    groups: [groupRole(resource, 'connect')],
    tables: [],
    grants: grantsRole(resource),
    heir: heirRole(resource),
    ...more,
  })
  const ours = () => ({ name: role, tag: TAG, heir: heirRole(resource) })
  const as = async (
    user: string,
    secret: string,
    texts: readonly string[],
    database = db.target.database,
  ): Promise<readonly string[]> => {
    const client = new pg.Client({ ...db.target, user, password: secret, database })
    await client.connect()
    try {
      const seen: string[] = []
      for (const text of texts)
        seen.push(
          await client.query(text).then(
            () => 'ran',
            (error: { code: string }) => error.code,
          ),
        )
      return seen
    } finally {
      await client.end()
    }
  }
  const standing = (...texts: readonly string[]) => as(standingRole(resource), password, texts)
  /** Opens the role for sign-ins, as the gateway does: the password never leaves this process. */
  const opened = async (sessions = 3): Promise<string> => {
    const secret = randomBytes(12).toString('hex')
    await roles.open(target, role, secret, sessions)
    return secret
  }
  const exists = async () => (await db.query('SELECT FROM pg_roles WHERE rolname = $1', [role])).length === 1

  it('can do just what one statement needs, on its tables alone', async () => {
    expect(
      await roles.make(target, spec({ tables: [{ verb: 'delete', names: ['public.carts', 'pg_catalog.pg_class'] }] })),
    ).toEqual({ ok: true })
    expect(
      await standing(
        'SELECT count(*) FROM carts',
        'DELETE FROM carts WHERE id = 1',
        `SET ROLE ${role}`,
        'DELETE FROM carts WHERE id = 1',
        'INSERT INTO carts (age) VALUES (1)',
        'SELECT * FROM cards',
        'CREATE TABLE mine (id int)',
        'RESET ROLE',
        'DELETE FROM carts WHERE id = 2',
      ),
    ).toEqual(['ran', '42501', 'ran', 'ran', '42501', '42501', '42501', 'ran', '42501'])
    expect(await roles.make(target, spec())).toMatchObject({ ok: false })
    const [row] = await db.query<{ attributes: string; comment: string; until: boolean }>(
      `SELECT concat_ws(' ', rolcanlogin, rolconnlimit, rolsuper, rolcreaterole, rolbypassrls) AS attributes,
         shobj_description(oid, 'pg_authid') AS comment, rolvaliduntil BETWEEN now() AND now() + '1 min' AS until
       FROM pg_roles WHERE rolname = $1`,
      [role],
    )
    expect(row).toEqual({ attributes: 'f 0 f f f', comment: `${TAG}: a test`, until: true })
    expect(await roles.remove(target, ours(), 2_000)).toEqual({ kind: 'gone', handedOver: [] })
  })

  it('writes with the sequences behind the defaults of its tables', async () => {
    await roles.make(target, spec({ tables: [{ verb: 'write', names: ['public.carts'] }] }))
    expect(
      await standing(`SET ROLE ${role}`, 'INSERT INTO carts (age) VALUES (5)', 'DELETE FROM carts', 'TABLE cards'),
    ).toEqual(['ran', 'ran', '42501', '42501'])
    expect(await roles.remove(target, ours(), 2_000)).toEqual({ kind: 'gone', handedOver: [] })
  })

  it('can do what its verbs are, for as long as it is there', async () => {
    await roles.make(
      target,
      spec({ groups: (['connect', 'read', 'write'] as const).map((g) => groupRole(resource, g)) }),
    )
    const secret = await opened()
    expect(
      await as(role, secret, ['TABLE cards', 'INSERT INTO cards VALUES (1)', 'DELETE FROM cards', 'CREATE ROLE x']),
    ).toEqual(['ran', 'ran', '42501', '42501'])
    // Privileges of the group cannot be handed on, and the standing account has none of them meanwhile.
    expect(await as(role, secret, [`GRANT INSERT ON cards TO PUBLIC`])).toEqual(['ran'])
    expect(await standing('INSERT INTO cards VALUES (2)')).toEqual(['42501'])
    await roles.shut(target, role)
    await expect(as(role, secret, [])).rejects.toMatchObject({ code: expect.stringMatching(/^28/) })
  })

  it('is not made, not even in part, where something of it cannot be had', async () => {
    await db.query(`SET ROLE ${owner}; CREATE TABLE secret_one (id int)`)
    await db.query(`REVOKE ALL ON secret_one FROM ${grantsRole(resource)}`)
    const refused = [
      await roles.make(target, spec({ tables: [{ verb: 'read', names: ['public.carts', 'public.nowhere'] }] })),
      await roles.make(target, spec({ tables: [{ verb: 'write', names: ['public.secret_one'] }] })),
      await roles.make(target, spec({ groups: ['holdpoint_nobody_write'] })),
    ]
    expect(refused.map((one) => (one.ok ? '' : one.why))).toEqual([
      'there is no table public.nowhere that others than the session see',
      expect.stringContaining("Holdpoint's account may not do it"),
      'the target has no role holdpoint_nobody_write; run hp connect setup',
    ])
    expect(await exists()).toBe(false)
    await db.query(`CREATE ROLE ${role}`)
    expect(await roles.make(target, spec())).toEqual({ ok: false, why: `a role ${role} is there already` })
    // It is somebody's: it has no tag, so nobody touches it.
    expect(await roles.remove(target, ours(), 2_000)).toEqual({ kind: 'not_ours' })
    expect(await exists()).toBe(true)
  })

  it('is gone with the sessions that were open, and with those that sign in again and again', async () => {
    await roles.make(target, spec({ groups: (['connect', 'read'] as const).map((g) => groupRole(resource, g)) }))
    const secret = await opened(20)
    const signing = { goesOn: true }
    let ended = 0
    const signsInAgain = async (): Promise<void> => {
      while (signing.goesOn) {
        const client = new pg.Client({ ...db.target, user: role, password: secret })
        client.on('error', () => undefined)
        try {
          await client.connect()
          for (;;) await client.query('SELECT count(*) FROM carts')
        } catch {
          ended++
          await client.end().catch(() => undefined)
        }
      }
    }
    const clients = [1, 2, 3, 4].map(() => signsInAgain())
    await until(async () => (await sessions()) >= 3)
    const removed = await roles.remove(target, ours(), 5_000)
    signing.goesOn = false
    await Promise.all(clients)
    expect(removed).toEqual({ kind: 'gone', handedOver: [] })
    expect(ended).toBeGreaterThanOrEqual(4)
    expect(await exists()).toBe(false)
    expect(await roles.remove(target, ours(), 1_000)).toEqual({ kind: 'gone', handedOver: [] })
  })
  const sessions = async () =>
    (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1', [role]))[0]
      ?.n ?? 0

  it('leaves what it made in two databases to the heir, which can do nothing', async () => {
    await roles.make(
      target,
      spec({ groups: (['connect', 'read', 'schema'] as const).map((g) => groupRole(resource, g)) }),
    )
    const secret = await opened()
    expect(
      await as(role, secret, [
        'CREATE TABLE made (id int)',
        'INSERT INTO made VALUES (1)',
        'CREATE SEQUENCE counted',
        "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'",
        'ALTER TABLE carts ADD COLUMN note text',
        'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
      ]),
    ).toEqual(['ran', 'ran', 'ran', 'ran', 'ran', 'ran'])
    expect(await as(role, secret, ['CREATE TABLE there (id int)'], other.target.database)).toEqual(['ran'])
    const removed = await roles.remove(target, ours(), 5_000)
    expect(removed).toEqual({
      kind: 'gone',
      handedOver: expect.arrayContaining([
        `${db.target.database}: table public.made`,
        `${db.target.database}: function public.who()`,
        `${other.target.database}: table public.there`,
      ]),
    })
    const owners = await db.query(
      "SELECT relname AS name, relowner::regrole::text AS owner FROM pg_class WHERE relname IN ('made', 'carts') ORDER BY 1",
    )
    expect(owners).toEqual([
      { name: 'carts', owner },
      { name: 'made', owner: heirRole(resource) },
    ])
    expect(await db.query('SELECT who()')).toEqual([{ who: heirRole(resource) }])
    expect(await exists()).toBe(false)
  })

  it('is found again by its tag, beside what is not ours', async () => {
    await roles.make(target, spec())
    await db.query(`CREATE ROLE ${role}_b LOGIN; GRANT ${groupRole(resource, 'write')} TO ${owner}`)
    const groups = ROLE_GROUPS.map((group) => groupRole(resource, group))
    const found = await roles.inventory(target, groups, [
      standingRole(resource),
      grantsRole(resource),
      heirRole(resource),
    ])
    const mine = found.filter((one) => [role, `${role}_b`, owner].includes(one.name))
    expect(mine).toEqual([
      {
        name: role,
        comment: `${TAG}: a test`,
        canLogin: false,
        until: expect.any(Number),
        sessions: 0,
        groups: [groupRole(resource, 'connect')],
      },
      { name: `${role}_b`, canLogin: true, sessions: 0, groups: [] },
      { name: owner, canLogin: false, sessions: 0, groups: [groupRole(resource, 'write')] },
    ])
  })
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 400; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
