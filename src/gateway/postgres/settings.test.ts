import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import { encodeQuery } from '../../wire/postgres/frontend.ts'

/** What gives a literal its meaning is part of what people agree to, however it came to be so. */
describe('parameters of the session', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: RawClient

  beforeEach(async () => {
    db = await testServer()
    await db.query('CREATE TABLE carts (id int, day date); INSERT INTO carts VALUES (1, current_date)')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = await rawClient(world.connection)
  })
  afterEach(async () => {
    client.close()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z'))
  }
  const DELETE = "DELETE FROM carts WHERE day = '01/02/2026'"
  /** What people are asked about this text now; then the client gives up. */
  const asked = async (sql = DELETE) => {
    const next = world.app.nextHold()
    client.send(encodeQuery(sql))
    const held = await next
    const { subject, digest } = held.input
    held.decide({ kind: 'denied', by: 'mia' as never, words: 'no' })
    await client.until('Z')
    if (subject.kind !== 'statement') throw new Error('it is not a statement')
    return { settings: subject.state.settings ?? {}, digest }
  }

  it('are in the digest, and are told', async () => {
    const before = await asked()
    expect(before.settings).toMatchObject({
      DateStyle: 'ISO, MDY',
      session_replication_role: 'origin',
      xmloption: 'content',
    })
    for (const [sql, name, value] of [
      ["SET DateStyle = 'ISO, DMY'", 'DateStyle', 'ISO, DMY'],
      ["SELECT set_config('intervalstyle', 'sql_standard', false)", 'IntervalStyle', 'sql_standard'],
      ['SET array_nulls = off', 'array_nulls', 'off'],
      ['SET default_tablespace = pg_default', 'default_tablespace', 'pg_default'],
    ] as const) {
      await ask(sql)
      const after = await asked()
      expect(after.settings[name]).toBe(value)
      expect(after.digest).not.toBe(before.digest)
    }
    await ask('RESET ALL')
    expect(await asked()).toEqual(before)
    await ask("SET DateStyle = 'ISO, DMY'")
    await ask('DISCARD ALL')
    expect(await asked()).toEqual(before)
  })

  it('are read again when a transaction, a savepoint or a failure puts them back', async () => {
    const before = await asked()
    await ask("BEGIN; SET DateStyle = 'ISO, DMY'")
    await ask('ROLLBACK')
    expect(await asked()).toEqual(before)
    await ask("BEGIN; SET LOCAL DateStyle = 'ISO, DMY'")
    await ask('COMMIT')
    expect(await asked()).toEqual(before)
    await ask("SET DateStyle = 'ISO, DMY'; SELECT 1/0")
    expect(await asked()).toEqual(before)
    await ask('BEGIN')
    await ask("SAVEPOINT a; SET DateStyle = 'ISO, DMY'")
    await ask('ROLLBACK TO a')
    expect((await asked()).settings).toEqual(before.settings)
    await ask('ROLLBACK')
    expect(await asked()).toEqual(before)
  })

  it('are read again behind code that people agreed to', async () => {
    const before = await asked()
    world.app.rule = () => 'allow'
    await ask("DO $$ BEGIN PERFORM set_config('session_replication_role', 'replica', false); END $$")
    await ask(
      "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT set_config(''transform_null_equals'', ''on'', false)'",
    )
    await ask('SELECT f()')
    world.app.rule = ({ verb }) => (verb === 'delete' ? 'hold' : 'allow')
    const after = await asked()
    expect(after.settings).toMatchObject({ session_replication_role: 'replica', transform_null_equals: 'on' })
    expect(after.digest).not.toBe(before.digest)
  })

  it('never take away what ends a statement when the gateway has died', async () => {
    world.app.rule = () => 'allow'
    const interval = async () => {
      client.send(encodeQuery('SHOW client_connection_check_interval'))
      return brief(await client.until('Z'))
    }
    expect(await interval()).toBe('T D(1s) C(SHOW) Z(I)')
    for (const sql of ['RESET ALL', 'DISCARD ALL', 'SET client_connection_check_interval = 0']) {
      await ask(sql)
      // A name is looked at only in a session that was looked at.
      expect(await ask('SELECT count(*) FROM carts')).toBe('T D(1) C(SELECT 1) Z(I)')
      expect(await interval()).toBe('T D(1s) C(SHOW) Z(I)')
    }
  })

  it('bound by time what the client runs, not what the gateway asks beside', async () => {
    const holder = new pg.Client(db.url)
    await holder.connect()
    try {
      for (const set of ["SET statement_timeout = '90ms'", "BEGIN; SET LOCAL statement_timeout = '90ms'"]) {
        // What the next look at the session needs, for longer than the client gives its own statements.
        await holder.query('BEGIN; LOCK TABLE pg_catalog.pg_operator IN ACCESS EXCLUSIVE MODE')
        await ask(set)
        await ask('SET search_path = public')
        client.send(encodeQuery('SELECT id FROM carts'))
        const waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'pg_operator'::regclass"
        await expect.poll(async () => (await holder.query(waits)).rowCount).toBe(1)
        await holder.query('SELECT pg_sleep(0.2)')
        await holder.query('ROLLBACK')
        expect(brief(await client.until('Z'))).toMatch(/^T D\(1\) C\(SELECT 1\)/)
        client.send(encodeQuery('SHOW statement_timeout'))
        const [, shown] = await client.until('Z')
        expect(shown?.bytes.toString()).toContain('90ms')
        expect(await ask('SELECT count(*) FROM generate_series(1, 1000000000)')).toMatch(/E\(57014\)/)
        await ask('ROLLBACK')
        await ask('RESET statement_timeout')
      }
    } finally {
      await holder.end()
    }
  })
})
