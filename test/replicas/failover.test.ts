import type { QueryResultRow } from 'pg'
import { afterEach, expect, test } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { installation, withClient } from '../support/installation.ts'
import { ownServer } from '../support/own-server.ts'
import type { OwnServer } from '../support/own-server.ts'
import { severedLine } from '../support/severed-line.ts'

/*
 * The database's server dies, and a standby takes over that never heard of the last moments (abuse case 117). What was
 * open in it may have ended meanwhile, and what it has for ready may have run.
 */

const parts = new AsyncDisposableStack()
afterEach(() => parts.disposeAsync())

const RULES = `kind: Settings
default: hold
security: security
timeout: 15m
---
kind: Rule
name: connecting
on: {verbs: [connect, read]}
allow: {}
---
kind: Rule
name: changes
on: {verbs: [write]}
hold: {reviews: [{from: owners}], scope: once}
---
kind: Rule
name: windows
on: {verbs: [delete]}
hold: {reviews: [{from: owners}]}
`

test('what a lagging standby believes open is over: nothing runs twice, and nothing that was revoked is live', async () => {
  const primary = parts.use(await ownServer())
  await migrate(primary.url)
  const line = await severedLine({ host: '127.0.0.1', port: primary.port })
  parts.defer(() => line.close())
  const url = new URL(primary.url)
  url.port = String(line.port)
  let store: OwnServer = primary
  parts.defer(() => (store === primary ? undefined : store[Symbol.asyncDispose]()))
  const database = {
    url: url.href,
    target: { host: '', port: 0, user: '', password: '', database: '', socketDir: '' },
    query: <R extends QueryResultRow>(text: string, values?: readonly unknown[]) => store.query<R>(text, values),
    close: () => Promise.resolve(),
  }
  const at = parts.use(await installation({ documents: [RULES], store: database }))

  // A window that is live, and a statement that is approved in the standby's eyes: it has seen no more than this.
  const asked = await at
    .as('ana')
    .call('requestWindow', { body: { resource: 'shop-db', verbs: ['delete'], for: '1h' } })
  await at.approve()
  await withClient(at.connection, async (client) => {
    const held = client.query('INSERT INTO carts VALUES (1)').catch((error: unknown) => error)
    const waiting = await at.pending()
    const standby = parts.use(await primary.standby())
    await at.as('mia').call('revokeGrant', { params: { id: asked.id }, body: {} })
    await at.approve()
    await held
    expect(await at.target.query('SELECT FROM carts')).toHaveLength(1)
    const again = client.query('INSERT INTO carts VALUES (2)').catch((error: unknown) => error)
    const lost = await at.pending()

    line.down()
    store = await standby.promote()
    line.lead({ host: '127.0.0.1', port: store.port })
    line.restore()

    await expect.poll(() => at.logged.join(), { timeout: 20_000 }).toContain('another server has taken over')
    // Whoever is connected is cut, what they wait for as well.
    expect(await again).toBeInstanceOf(Error)
    const open = (table: string, states: string) => () =>
      store.query(`SELECT state FROM ${table} WHERE state IN (${states})`)
    await expect.poll(open('session', "'open'"), { timeout: 20_000 }).toEqual([])
    await expect.poll(open('access_grant', "'provisioning', 'active', 'ending'"), { timeout: 20_000 }).toEqual([])
    expect(await open('access_request', "'pending'")()).toEqual([])
    const [window] = await store.query<{ why: string }>('SELECT why FROM access_grant ORDER BY number')
    expect(window?.why).toBe('revoked')
    // What it had for waiting had run; nobody can approve it now.
    const seen = await store.query<{ state: string }>(`SELECT state FROM access_request WHERE 'HP-' || number = $1`, [
      waiting.id,
    ])
    expect(seen).toEqual([{ state: 'voided' }])
    expect(await store.query('SELECT FROM access_request WHERE $1 = $2', [lost.id, waiting.id])).toEqual([])
    expect(await at.target.query('SELECT FROM carts')).toHaveLength(1)
  })

  // And it goes on, once every process has begun anew: with numbers that nobody has seen before.
  const living = () => store.query<{ n: number }>('SELECT count(*)::int AS n FROM replica WHERE ended_at IS NULL')
  await expect.poll(living, { timeout: 20_000 }).toEqual([{ n: 2 }])
  await withClient(at.connection, async (client) => {
    const running = client.query('INSERT INTO carts VALUES (3)')
    const { id } = await at.approve()
    expect(Number(id.slice(3))).toBeGreaterThan(1_000)
    await running
  })
  const kinds = await store.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM record WHERE kind = 'store.failed_over'",
  )
  expect(kinds).toEqual([{ n: 1 }])
}, 90_000)
