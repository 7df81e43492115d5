import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.ts'
import { severedLine } from '../../test/support/severed-line.ts'
import { openDatabase } from './database.ts'

test('a store that dies in the middle of a query rejects it, and the next one connects again', async () => {
  const server = await testDatabase()
  const line = await severedLine(server.target)
  const url = new URL(server.url)
  url.hostname = '127.0.0.1'
  url.port = String(line.port)
  const database = openDatabase({ url: url.href, log: () => undefined })
  try {
    const held = await database.hold()
    const asked = [
      held.client.query('SELECT pg_sleep(60)'),
      ...[1, 2, 3, 4].map(() => sql`SELECT pg_sleep(60)`.execute(database.executor)),
    ]
    const settled = Promise.allSettled(asked)
    await expect
      .poll(
        async () =>
          (
            await server.query(
              "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(60)'",
            )
          ).length,
      )
      .toBe(5)
    // Nobody may hear of it but whoever asked: an event that nobody hears would end the process.
    line.sever()
    expect((await settled).map(({ status }) => status)).toEqual(asked.map(() => 'rejected'))
    held.release(true)
    expect((await sql`SELECT 1 AS one`.execute(database.executor)).rows).toEqual([{ one: 1 }])
  } finally {
    await server.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(60)'",
    )
    await database.close()
    await line.close()
    await server.close()
  }
})
