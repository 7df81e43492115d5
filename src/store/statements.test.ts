import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testServer } from '../../test/support/database.ts'
import type { SessionId } from '../domain/ids.ts'
import { openDatabase } from './database.ts'
import { migrate, readMigrations } from './migrate.ts'
import { statementQueries } from './statements.ts'

test('what was kept a row a statement reads the same from segments', async () => {
  const server = await testServer()
  const database = openDatabase({ url: server.url, log: () => undefined })
  try {
    const all = readMigrations()
    await migrate(
      server.url,
      all.filter(({ number }) => number < 5),
    )
    const { executor } = database
    await sql`INSERT INTO replica (id, started_at, heartbeat_at) VALUES ('r', 1, 1)`.execute(executor)
    for (const session of [1, 2])
      await sql`INSERT INTO session (number, principal, token, resource, database, client, source_address, replica, target,
        opened_at, state) VALUES (${session}, 'ana', 't', 'shop-db', 'shop', 'psql', '::1', 'r', '{}', 1, 'open')`.execute(
        executor,
      )
    // With gaps, as where some were lost.
    await sql`INSERT INTO statement SELECT s, n, 1795000000000 + n, ARRAY['read', 'delete'], 'allow', ARRAY['a "quoted" rule'],
        CASE WHEN n % 2 = 0 THEN 'HP-' || n END, 'SELECT ''ü'' -- ' || n, ARRAY['public.carts'],
        CASE WHEN n % 3 = 0 THEN n END, n * 10, 'failed', CASE WHEN n % 2 = 0 THEN '42501' END
      FROM generate_series(1, 2) s, generate_series(1, 2500) n WHERE n % 7 <> 0 OR s = 2`.execute(executor)
    await migrate(server.url, all)
    const lines = await statementQueries(executor).listStatements('S-1' as SessionId, 1_400, 900)
    const numbers = Array.from({ length: 2_500 }, (_, n) => n + 1).filter((n) => n % 7 !== 0 && n > 1_400)
    expect(lines).toEqual(
      numbers.slice(0, 900).map((n) => ({
        session: 'S-1',
        number: n,
        at: 1_795_000_000_000 + n,
        verbs: ['read', 'delete'],
        decision: 'allow',
        rules: ['a "quoted" rule'],
        text: `SELECT 'ü' -- ${n}`,
        objects: ['public.carts'],
        outcome: 'failed',
        durationMicros: n * 10,
        ...(n % 3 === 0 ? { rows: n } : {}),
        ...(n % 2 === 0 ? { request: `HP-${n}`, sqlstate: '42501' } : {}),
      })),
    )
    expect(await statementQueries(executor).listStatements('S-2' as SessionId, 0, 3_000)).toHaveLength(2_500)
  } finally {
    await database.close()
    await server.close()
  }
})
