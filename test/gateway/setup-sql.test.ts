import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectedVerbs, setupRole, setupSql } from '../../src/app/documents/setup-sql.ts'
import { accountWarning } from '../../src/app/documents/target-accounts.ts'
import type { TargetAccount } from '../../src/app/ports/target.ts'
import { createTargetControl } from '../../src/connector/postgres/target-control.ts'
import type { Profile } from '../../src/domain/profile/profile.ts'
import { readProfile } from '../../src/domain/profile/read-profile.ts'
import type { Revision } from '../../src/domain/ids.ts'
import type { NamedVerb } from '../../src/domain/verb.ts'
import { targetServers, testServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

const hasPsql = spawnSync('psql', ['--version']).status === 0
if (!hasPsql) process.stderr.write('setup-sql.test.ts: skipped, there is no psql on this machine\n')

/** The SQL of `hp connect setup`, run as it is, and what the account that it makes may and may not do. */
describe.runIf(hasPsql).each(targetServers())('an account of its own on PostgreSQL $version', ({ url }) => {
  let db: TestDatabase
  let profile: Profile
  const password = randomBytes(12).toString('hex')
  const owner = `o_${randomBytes(4).toString('hex')}`
  const control = createTargetControl()

  beforeEach(async () => {
    db = await testServer(url)
    const { host, port, user, database } = db.target
    // Roles are the server's: the name must be this test's alone.
    const name = `r${randomBytes(6).toString('hex')}-db`
    profile = readProfile(
      { kind: 'Resource', name, connect: `postgres://${user}@${host}:${port}/${database}?sslmode=disable` },
      1 as Revision,
    )
    await db.query(
      `CREATE ROLE ${owner}; CREATE SCHEMA "Odd ""one"; GRANT CREATE, USAGE ON SCHEMA public, "Odd ""one" TO ${owner}`,
    )
    await db.query(
      `SET ROLE ${owner}; CREATE TABLE carts (id serial PRIMARY KEY, age_days int); INSERT INTO carts (age_days) VALUES (1);
       CREATE TABLE "Odd ""one".cards (id int)`,
    )
  })
  afterEach(async () => {
    await control.close()
    await db.query(`DROP OWNED BY ${owner}`)
    const role = setupRole(profile)
    await db.query(
      `DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
         EXECUTE 'DROP OWNED BY ${role}'; EXECUTE 'DROP ROLE ${role}'; END IF; END $$`,
    )
    await db.query(`DROP OWNED BY ${owner}; DROP ROLE ${owner}`)
    await db.close()
  })

  const look = async (as: { readonly user: string; readonly password: string }): Promise<TargetAccount> => {
    const probed = await control.probe({ ...profile.target, ...as })
    if (!probed.ok) throw new Error(probed.message)
    return probed.account
  }
  const setUp = async (verbs: readonly NamedVerb[]): Promise<string> => {
    const sql = setupSql(profile, await look(db.target), verbs)
    const ran = spawnSync('psql', ['-X', '-q', db.url, '-f', '-'], { input: sql, encoding: 'utf8' })
    expect([ran.stderr, ran.stdout, ran.status]).toEqual(['', '', 0])
    await db.query(`ALTER ROLE ${setupRole(profile)} PASSWORD '${password}'`)
    return sql
  }
  /** `ran`, or the SQLSTATE, of each statement by the new account. */
  const tries = async (...statements: readonly string[]): Promise<readonly string[]> => {
    const client = new pg.Client({ ...db.target, user: setupRole(profile), password })
    await client.connect()
    try {
      const seen: string[] = []
      for (const text of statements)
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

  it('may do what its verbs are, in every schema, today and with tables made tomorrow, and no more', async () => {
    await setUp(expectedVerbs(profile))
    // It may be run again.
    await setUp(expectedVerbs(profile))
    await db.query(`SET ROLE ${owner}; CREATE TABLE later (id int)`)
    expect(
      await tries(
        'SELECT * FROM carts',
        'INSERT INTO carts (age_days) VALUES (2)',
        'DELETE FROM carts WHERE id = 2',
        'SELECT * FROM "Odd ""one".cards',
        'INSERT INTO later VALUES (1)',
        'TRUNCATE later',
        'ALTER TABLE carts ADD COLUMN x int',
        'CREATE TABLE mine (id int)',
        'DROP TABLE later',
        "COPY carts TO PROGRAM 'true'",
        `SET ROLE ${owner}`,
        'CREATE ROLE another',
      ),
    ).toEqual(['ran', 'ran', 'ran', 'ran', 'ran', 'ran', '42501', '42501', '42501', '42501', '42501', '42501'])
    const account = await look({ user: setupRole(profile), password })
    expect(account.excess).toEqual([])
    expect(accountWarning(profile, account)).toBeUndefined()
  })

  it('reads only, when it is for reading', async () => {
    const sql = await setUp(['connect', 'read'])
    expect(sql).not.toContain('INSERT')
    expect(await tries('SELECT * FROM carts', 'DELETE FROM carts', "SELECT nextval('carts_id_seq')")).toEqual([
      'ran',
      '42501',
      '42501',
    ])
  })

  it('is a member of the owners where it is for schema, and that is told', async () => {
    await setUp(['connect', 'read', 'write', 'schema'])
    expect(
      await tries('ALTER TABLE carts ADD COLUMN x int', 'CREATE TABLE mine (id int)', 'DELETE FROM carts'),
    ).toEqual(['ran', 'ran', 'ran'])
    const account = await look({ user: setupRole(profile), password })
    expect(account.excess).toEqual(['owns 3 tables'])
    expect(accountWarning(profile, account)).toMatch(/^holdpoint_r\w+_db, the account .* owns 3 tables: .*--print-sql$/)
  })

  it('names what is wrong with an account, each by its name', async () => {
    await setUp(['connect', 'read'])
    const role = setupRole(profile)
    await db.query(
      `ALTER ROLE ${role} CREATEROLE CREATEDB REPLICATION BYPASSRLS; GRANT pg_execute_server_program, pg_write_server_files TO ${role}`,
    )
    expect((await look({ user: role, password })).excess).toEqual([
      'may make and change roles (CREATEROLE)',
      'may make databases (CREATEDB)',
      'may stream all data (REPLICATION)',
      'passes every row security policy (BYPASSRLS)',
      'is a member of pg_execute_server_program, pg_write_server_files',
    ])
    await db.query(`ALTER ROLE ${role} SUPERUSER`)
    expect((await look({ user: role, password })).excess).toEqual(['is a superuser'])
  })
})
