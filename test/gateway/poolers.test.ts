import { connect } from 'node:net'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeCancelRequest } from '../../src/wire/postgres/startup.ts'
import { targetServers } from '../support/database.ts'
import { installation, RULES, shopDb, TEAMS, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { pgbouncer, startPgbouncer } from '../support/pgbouncer.ts'
import type { Pooler } from '../support/pgbouncer.ts'

const ENDLESS = 'WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT 1 FROM more) SELECT count(*) FROM more'

/** The SQLSTATE it ends with. */
const codeOf = (query: Promise<unknown>): Promise<unknown> =>
  query.then(
    () => 'done',
    (error: unknown) => (error as pg.DatabaseError).code,
  )

/** A target behind PgBouncer: what is promised of a session holds there, or the session is refused. */
describe.skipIf(pgbouncer === undefined).each(targetServers())('PostgreSQL $version behind PgBouncer', ({ url }) => {
  let world: Installation
  const poolers: Pooler[] = []
  beforeAll(async () => {
    world = await installation({ server: url })
    await world.target.query("INSERT INTO carts VALUES (1, 'a'), (2, 'b')")
  })
  afterEach(async () => {
    const { host, port, user, database } = world.target.target
    await world.apply(RULES, TEAMS, shopDb(`postgres://${user}@${host}:${port}/${database}?sslmode=disable`))
  })
  afterAll(async () => {
    for (const pooler of poolers) await pooler.stop()
    await world[Symbol.asyncDispose]()
  })
  const behind = async (mode: 'session' | 'transaction' | 'statement', more?: string): Promise<Pooler> => {
    const pooler = await startPgbouncer(world.target.target, mode, more)
    poolers.push(pooler)
    const { host, user, database } = world.target.target
    await world.apply(RULES, TEAMS, shopDb(`postgres://${user}@${host}:${pooler.port}/${database}?sslmode=disable`))
    return pooler
  }
  const pidOf = async (client: pg.Client): Promise<number> =>
    (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0
  const lives = async (pid: number) =>
    (await world.target.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).length

  const busy = async (pid: number) =>
    (await world.target.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", [pid])).length
  /** As libpq does: it waits until it is taken. */
  const cancel = async (client: pg.Client): Promise<void> => {
    const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number }
    const key = Buffer.alloc(4)
    key.writeInt32BE(secretKey)
    const socket = connect(world.connection.port, '127.0.0.1')
    socket.write(encodeCancelRequest(processID, key))
    await new Promise((resolve) => socket.resume().once('close', resolve))
  }

  it.each([
    ['as Debian sets it up', ''],
    ['that leaves out what it does not know', 'ignore_startup_parameters = options, extra_float_digits'],
  ])('session pooling, %s: reads pass, writes are held and run', async (_what, more) => {
    await behind('session', more)
    await withClient(world.connection, async (client) => {
      // By the catalogue of the target, without which no name is known: it is not held.
      expect((await client.query('SELECT note FROM carts WHERE id = $1', [1])).rows).toEqual([{ note: 'a' }])
      expect((await client.query('SELECT upper(note) AS note FROM carts ORDER BY id')).rows).toHaveLength(2)
      const [changed, asked] = await Promise.all([
        client.query("UPDATE carts SET note = 'c' WHERE id = 2"),
        world.approve(),
      ])
      expect(changed.rowCount).toBe(1)
      expect(asked.verbs).toEqual(['write'])
      await client.query('BEGIN')
      const refused = codeOf(client.query('DELETE FROM carts'))
      await world.deny('all of them?')
      expect(await refused).toBe('42501')
      await client.query('COMMIT')
      expect((await client.query('SHOW client_connection_check_interval')).rows).toEqual([
        { client_connection_check_interval: '1s' },
      ])
    })
  })

  it('what a client gives when connecting, and the pooler does not take, is set', async () => {
    await behind('session')
    const options = "-c statement_timeout=4321 -c search_path=pg_temp,public -c holdpoint.reason=it's\\ me"
    await withClient({ ...world.connection, options, application_name: 'carts' }, async (client) => {
      expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '4321ms' }])
      expect((await client.query('SHOW search_path')).rows).toEqual([{ search_path: 'pg_temp,public' }])
      expect((await client.query('SHOW application_name')).rows).toEqual([{ application_name: 'carts' }])
      const running = client.query('DELETE FROM carts WHERE id = 99')
      expect((await world.deny('no')).reason).toBe("it's me")
      await expect(running).rejects.toMatchObject({ code: '42501' })
    })
  })

  it('a session takes its backend with it, and never another that the pooler gives out', async () => {
    await behind('session')
    let pid = 0
    await withClient(world.connection, async (client) => {
      pid = await pidOf(client)
      await client.query('BEGIN')
      await client.query('SELECT note FROM carts')
    })
    await expect.poll(() => lives(pid)).toBe(0)
    // Cancelled by the client, and cut by whoever approved it.
    await withClient(world.connection, async (client) => {
      const second = await pidOf(client)
      const endless = codeOf(client.query(ENDLESS))
      await expect.poll(() => busy(second)).toBe(1)
      await cancel(client)
      expect(await endless).toBe('57014')
      const ended = codeOf(client.query('UPDATE carts SET note = note || pg_sleep(60)::text WHERE id = 1'))
      const { id } = await world.approve()
      await expect.poll(() => busy(second)).toBe(1)
      await world.as('mia').call('revokeGrant', { params: { id }, body: {} })
      expect(await ended).toBe('57P01')
      await expect.poll(() => lives(second)).toBe(0)
    })
    expect(await world.target.query('SELECT note FROM carts WHERE id = 1')).toEqual([{ note: 'a' }])
    await withClient(world.connection, async (client) => {
      expect((await client.query('SELECT count(*)::int AS n FROM carts')).rows).toEqual([{ n: 2 }])
    })
    expect(world.logged).toEqual([])
  })

  it.each(['transaction', 'statement'] as const)('%s pooling is refused, in words', async (mode) => {
    await behind(mode)
    await expect(withClient(world.connection, async () => undefined)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringMatching(/pool_mode = session/),
    })
  })
})
