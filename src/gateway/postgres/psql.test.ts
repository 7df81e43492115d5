import { spawn, spawnSync } from 'node:child_process'
import type { PrincipalId } from '../../domain/ids.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { targetServers, testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'

/** Real psql, from Debian's postgresql-client. */
const hasPsql = spawnSync('psql', ['--version']).status === 0
if (!hasPsql) process.stderr.write('psql.test.ts: skipped, there is no psql on this machine\n')

describe.skipIf(!hasPsql).each(targetServers())('psql through the gateway to PostgreSQL $version', ({ url }) => {
  let db: TestDatabase
  let world: GatewayWorld

  beforeEach(async () => {
    db = await testServer(url)
    await db.query('CREATE TABLE carts (id int PRIMARY KEY, age_days int)')
    await db.query('INSERT INTO carts SELECT i, i FROM generate_series(1, 200) i')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable', ...withoutSocket })
  })
  afterEach(async () => {
    await world.close()
    await db.close()
  })

  /** Start psql with one script on its standard input; everything it prints, in order. */
  function psql(script: string, extra = '') {
    const { connection, caFile } = world
    const child = spawn(
      'psql',
      [
        '-X',
        '-A',
        '-t',
        `host=localhost port=${connection.port} dbname=shop-db user=ana sslmode=verify-full sslrootcert=${caFile} ${extra}`,
      ],
      {
        env: { ...process.env, PGPASSWORD: connection.password },
      },
    )
    let printed = ''
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    const done = new Promise<number | null>((resolve) => child.on('close', resolve))
    child.stdin.end(script)
    return {
      child,
      printed: () => printed,
      done,
      async over() {
        await done
        return printed
      },
    }
  }

  it('runs what policy allows', async () => {
    expect(await psql('SELECT count(*) FROM carts;\nBEGIN;\nSELECT 1;\nCOMMIT;\n\\d carts\n').over()).toContain(
      '200\nBEGIN\n1\nCOMMIT\n',
    )
  })

  it('holds in place and goes on by itself (J2)', async () => {
    const next = world.app.nextHold()
    const client = psql("SET holdpoint.reason = 'INC-9';\nDELETE FROM carts WHERE age_days > 90;\nSELECT 'after';\n")
    const held = await next
    expect(held.input.reason).toBe('INC-9')
    expect(held.input.subject).toMatchObject({ kind: 'statement', text: 'DELETE FROM carts WHERE age_days > 90;' })
    held.approve()
    const lines = (await client.over()).split('\n')
    expect(lines[0]).toBe('SET')
    expect(lines[1]).toBe(
      'NOTICE:  held HP-142: needs 1 of team payments (rule prod-writes) http://localhost:7400/r/HP-142',
    )
    expect(lines[2]).toMatch(/^DETAIL:  about \d+ rows\. Expires \d\d:\d\d\. Mia and Dev were told\.$/)
    expect(lines[3]).toBe('HINT:  Ctrl-C withdraws.')
    expect(lines[4]).toBe('NOTICE:  HP-142 approved by mia after 0 s; running')
    expect(lines.slice(5)).toEqual(['DELETE 110', 'after', ''])
    expect(world.app.finished).toMatchObject([{ request: 'HP-142', outcome: 'succeeded', rows: 110 }])
  })

  it.each(['', 'sslmode=disable'])('prints that a text is too large %s', async (ssl) => {
    const printed = await psql(`SELECT length('${'x'.repeat(20_000_000)}');\n`, ssl).over()
    expect(printed).toContain('FATAL:  a message larger than this gateway takes: 20,000,019 bytes (type Q)')
  })

  it('shows the id and the address with VERBOSITY terse', async () => {
    const next = world.app.nextHold()
    const client = psql('\\set VERBOSITY terse\nDELETE FROM carts WHERE age_days > 90;\n')
    ;(await next).approve()
    expect((await client.over()).split('\n')).toEqual([
      'NOTICE:  held HP-142: needs 1 of team payments (rule prod-writes) http://localhost:7400/r/HP-142',
      'NOTICE:  HP-142 approved by mia after 0 s; running',
      'DELETE 110',
      '',
    ])
  })

  it('says who is asked besides, while it waits', async () => {
    const next = world.app.nextHold()
    const client = psql('\\set VERBOSITY terse\nDELETE FROM carts WHERE age_days > 90;\n')
    const held = await next
    await expect.poll(() => world.app.tellNews).toBeDefined()
    world.app.tellNews?.({ kind: 'escalated', to: ['dev' as PrincipalId] })
    world.app.tellNews?.({ kind: 'handed_on', to: ['lee' as PrincipalId] })
    await expect.poll(() => client.printed()).toContain('handed on')
    held.decide({ kind: 'expired' })
    expect((await client.over()).split('\n').slice(1, 4)).toEqual([
      'NOTICE:  HP-142 escalated to Dev',
      'NOTICE:  HP-142 handed on to lee',
      'ERROR:  HP-142 expired: nobody decided in time; nothing reached the database',
    ])
  })

  it("prints a denial in the reviewer's words, and nothing ran", async () => {
    const next = world.app.nextHold()
    const client = psql('\\set VERBOSITY verbose\nDELETE FROM carts;\nSELECT 1;\n')
    ;(await next).decide({ kind: 'denied', by: 'mia' as PrincipalId, words: 'Not on a Friday.' })
    const printed = await client.over()
    expect(printed).toContain("withdraws. SET holdpoint.reason = '...' before the statement tells them why.")
    expect(printed).toContain('ERROR:  42501: HP-142 denied by mia: Not on a Friday.')
    expect(printed.trimEnd().endsWith('1')).toBe(true)
    expect(await db.query('SELECT count(*)::int AS n FROM carts')).toEqual([{ n: 200 }])
  })

  it('withdraws on Ctrl-C, and nothing reached the database', async () => {
    const next = world.app.nextHold()
    const client = psql('\\set VERBOSITY verbose\nDELETE FROM carts;\n')
    await next
    await expect.poll(() => client.printed()).toContain('held HP-142')
    client.child.kill('SIGINT')
    await expect.poll(() => client.printed()).toContain('ERROR:  57014: withdrawn; nothing reached the database')
    expect(world.app.withdrawals).toEqual([{ request: 'HP-142', why: 'the client cancelled' }])
    client.child.kill()
    await client.done
    expect(await db.query('SELECT count(*)::int AS n FROM carts')).toEqual([{ n: 200 }])
  })

  it('stops a running statement on Ctrl-C', async () => {
    const client = psql('SELECT pg_sleep(100);\n')
    world.app.rule = () => 'allow'
    await expect
      .poll(() =>
        db.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"),
      )
      .toHaveLength(1)
    client.child.kill('SIGINT')
    expect(await client.over()).toContain('canceling statement due to user request')
  })

  it('withdraws when the client is killed', async () => {
    const next = world.app.nextHold()
    const client = psql('DELETE FROM carts;\n')
    await next
    client.child.kill('SIGKILL')
    await expect.poll(() => world.app.withdrawals).toEqual([{ request: 'HP-142', why: 'the client left' }])
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'client_left' }])
  })

  it("gives the target's own words for a slip of the pen", async () => {
    expect(await psql('SELCT 1;\nSELECT 2;\n').over()).toBe(
      'ERROR:  syntax error at or near "SELCT"\nLINE 1: SELCT 1;\n        ^\n2\n',
    )
  })

  it('turns away a wrong password, a wrong resource and a policy that denies', async () => {
    expect(await psql('', 'password=wrong').over()).toContain('FATAL:  sign-in failed for user "ana"')
    expect(await psql('', 'dbname=nothing').over()).toContain(
      'FATAL:  there is no resource "nothing", or you may not see it',
    )
    expect(await psql('', 'user=nobody').over()).toContain('FATAL:  sign-in failed for user "nobody"')
    expect(await psql('', "options='-c session_replication_role=replica'").over()).toContain(
      'FATAL:  the parameter "session_replication_role" may not be set',
    )
    world.app.rule = () => 'deny'
    expect(await psql('').over()).toContain('FATAL:  refused by rule never: Use the runbook.')
  })

  it('holds a connect before anything reaches the target', async () => {
    world.app.rule = (action) => (action.verb === 'connect' ? 'hold' : 'allow')
    const next = world.app.nextHold()
    const client = psql('SELECT 1;\n')
    const held = await next
    expect(held.input.subject).toMatchObject({ kind: 'connect', database: db.target.database })
    expect(world.app.sessions[0]?.backend).toBeUndefined()
    world.app.rule = () => 'allow'
    held.approve()
    expect(await client.over()).toContain('approved by mia after 0 s; connecting\n1\n')
  })
})

const withoutSocket = {}
