import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testServer } from '../../test/support/database.ts'
import type { TestDatabase } from '../../test/support/database.ts'
import { connectPostgres } from './pg-connection.ts'
import type { PgConnection, PgOptions } from './pg-connection.ts'

let server: TestDatabase
const open = (more: Partial<PgOptions> = {}): Promise<PgConnection> =>
  connectPostgres({ ...server.target, tls: 'disable', ...more })

beforeAll(async () => {
  server = await testServer()
})
afterAll(() => server.close())

test('results, notices and errors of a real server', async () => {
  const notices: string[] = []
  const connection = await open({ onNotice: (notice) => notices.push(notice.message) })
  const results = await connection.query(
    "SELECT 1 AS one, NULL AS none; DO $$ BEGIN RAISE NOTICE 'hello'; END $$; SELECT 'x' AS x WHERE false",
  )
  expect(results).toEqual([
    { columns: ['one', 'none'], rows: [['1', null]], tag: 'SELECT 1' },
    { columns: [], rows: [], tag: 'DO' },
    { columns: ['x'], rows: [], tag: 'SELECT 0' },
  ])
  expect(notices).toEqual(['hello'])
  await expect(connection.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' })
  expect((await connection.query('COPY (SELECT 1) TO STDOUT'))[0]?.rows).toEqual([['1']])
  expect(await connection.query('')).toEqual([])
  await connection.close()
  expect(await connection.closed).toBeUndefined()
})

test('a wrong password is refused with the words of the server', async () => {
  await expect(open({ password: 'wrong' })).rejects.toMatchObject({ code: '28P01' })
})

test('a running query is cancelled from beside', async () => {
  const connection = await open()
  const running = connection.query('SELECT pg_sleep(60)')
  const refused = running.catch((error: unknown) => error)
  for (;;) {
    const [row] = await server.query<{ event: string }>(
      `SELECT wait_event AS event FROM pg_stat_activity WHERE pid = ${connection.pid}`,
    )
    if (row?.event === 'PgSleep') break
  }
  await connection.cancel()
  expect(await refused).toMatchObject({ code: '57014' })
  await connection.close()
})

test('a connection that the server ends says why', async () => {
  const connection = await open()
  await server.query(`SELECT pg_terminate_backend(${connection.pid})`)
  expect((await connection.closed)?.code).toBe('57P01')
  await expect(connection.query('SELECT 1')).rejects.toMatchObject({ code: '08006' })
})

test('no TLS where TLS was asked for, and bytes slipped in before it, end the attempt', async () => {
  await expect(open({ tls: 'require' })).rejects.toThrow('does not speak TLS')
  const liar = createServer((socket) => socket.once('data', () => socket.write('SE-slipped-in')))
  await new Promise<void>((resolve) => void liar.listen(0, '127.0.0.1', resolve))
  const { port } = liar.address() as AddressInfo
  await expect(open({ tls: 'require', port })).rejects.toThrow('before TLS')
  await new Promise((resolve) => void liar.close(resolve))
})

test('nobody there is a sentence', async () => {
  await expect(open({ port: 1 })).rejects.toThrow('cannot be reached')
})
