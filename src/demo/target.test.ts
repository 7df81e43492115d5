import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectPostgres } from '../cli/pg-connection.ts'
import { freshPasswords } from './databases.ts'
import { DemoError, startDemoTarget } from './target.ts'

let dataDir: string
const start = (): ReturnType<typeof startDemoTarget> =>
  startDemoTarget({ dataDir, gatewayPort: 0, log: () => undefined })
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'holdpoint-demo-'))
})
afterAll(() => rm(dataDir, { recursive: true, force: true }))

test('the demo databases are there, whole, once, behind roles that are nothing but their owners', async () => {
  const first = await start()
  const open = (database: string, role: string, password: string): ReturnType<typeof connectPostgres> =>
    connectPostgres({ host: '127.0.0.1', port: first.port, user: role, database, password, tls: 'disable' })
  const passwords = await freshPasswords(first, new Set(['analytics-db']))
  expect(passwords.map(({ secret }) => secret)).toEqual(['shop-db', 'payments-db'])
  const [shopPassword = '', paymentsPassword = ''] = passwords.map(({ password }) => password)

  const shop = await open('shop', 'shop_gate', shopPassword)
  expect((await shop.query('DELETE FROM carts WHERE age_days > 90'))[0]?.tag).toBe('DELETE 1204')
  const [rows] = await shop.query(
    'SELECT sum(n_live_tup) FROM pg_stat_user_tables UNION ALL SELECT rolsuper::int FROM pg_roles WHERE rolname = current_user',
  )
  expect(Number(rows?.rows[0]?.[0])).toBeGreaterThan(300_000)
  expect(rows?.rows[1]?.[0]).toBe('0')
  await shop.close()
  await (await open('payments', 'payments_gate', paymentsPassword)).close()
  await expect(open('payments', 'shop_gate', shopPassword)).rejects.toMatchObject({ code: '42501' })
  await first.stop()

  const second = await start()
  expect(second.port).toBe(first.port)
  expect(await freshPasswords(second, new Set(['shop-db', 'payments-db', 'analytics-db']))).toEqual([])
  const again = new pg.Client(second.url.replace(/postgres$/, 'shop'))
  await again.connect()
  const { rows: left } = await again.query('SELECT count(*)::int AS n FROM carts WHERE age_days > 90')
  expect(left).toEqual([{ n: 0 }])
  await again.end()
  await second.stop()

  const squatter = createServer()
  await new Promise<void>((resolve) => void squatter.listen(first.port, '127.0.0.1', resolve))
  const refused: unknown = await start().catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(DemoError)
  await new Promise((resolve) => void squatter.close(resolve))
})
