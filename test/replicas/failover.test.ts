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

let parts = new AsyncDisposableStack()
afterEach(async () => {
  await parts.disposeAsync()
  parts = new AsyncDisposableStack()
})

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

/** An installation whose database can be taken over by a standby. */
async function world() {
  const primary = parts.use(await ownServer())
  await migrate(primary.url)
  const line = await severedLine({ host: '127.0.0.1', port: primary.port })
  parts.defer(() => line.close())
  const url = new URL(primary.url)
  url.port = String(line.port)
  let current: OwnServer = primary
  parts.defer(() => (current === primary ? undefined : current[Symbol.asyncDispose]()))
  const query = <R extends QueryResultRow>(text: string, values?: readonly unknown[]) => current.query<R>(text, values)
  const nowhere = { host: '', port: 0, user: '', password: '', database: '', socketDir: '' }
  const store = { url: url.href, target: nowhere, query, close: () => Promise.resolve() }
  const at = parts.use(await installation({ documents: [RULES], store }))
  return {
    at,
    query,
    /** What the standby has is what there is now. */
    standby: async () => parts.use(await primary.standby()),
    /** It takes over, and every process has begun anew behind it. */
    takeOver: async (standby: { promote(): Promise<OwnServer> }): Promise<void> => {
      line.down()
      current = await standby.promote()
      line.lead({ host: '127.0.0.1', port: current.port })
      line.restore()
      const noticed = () => query("SELECT kind FROM record WHERE kind = 'store.failed_over'")
      await expect.poll(noticed, SOON).toHaveLength(1)
      const living = () => query<{ n: number }>('SELECT count(*)::int AS n FROM replica WHERE ended_at IS NULL')
      await expect.poll(living, SOON).toEqual([{ n: 2 }])
      expect(at.logged.join()).toContain('all that was open has been ended')
    },
  }
}
const SOON = { timeout: 20_000 }

test('what a lagging standby believes open is over: nothing runs twice, nothing that was revoked is live, and nothing new runs', async () => {
  const { at, query, standby, takeOver } = await world()
  // A window that is live, and a statement that waits, in the standby's eyes: it has seen no more than this.
  const asked = await at
    .as('ana')
    .call('requestWindow', { body: { resource: 'shop-db', verbs: ['delete'], for: '1h' } })
  await at.approve()
  await withClient(at.connection, async (client) => {
    const held = client.query('INSERT INTO carts VALUES (1)').catch((error: unknown) => error)
    const waiting = await at.pending()
    const behind = await standby()
    await at.as('mia').call('revokeGrant', { params: { id: asked.id }, body: {} })
    await at.approve()
    await held
    expect(await at.target.query('SELECT FROM carts')).toHaveLength(1)
    const again = client.query('INSERT INTO carts VALUES (2)').catch((error: unknown) => error)
    const lost = await at.pending()

    await takeOver(behind)
    // Whoever is connected is cut, what they wait for as well.
    expect(await again).toBeInstanceOf(Error)
    const open = (table: string, states: string) => () => query(`SELECT state FROM ${table} WHERE state IN (${states})`)
    await expect.poll(open('session', "'open'"), SOON).toEqual([])
    await expect.poll(open('access_grant', "'provisioning', 'active', 'ending'"), SOON).toEqual([])
    expect(await open('access_request', "'pending'")()).toEqual([])
    const [window] = await query<{ why: string }>('SELECT why FROM access_grant ORDER BY number')
    expect(window?.why).toBe('revoked')
    // What it had for waiting had run; nobody can approve it now.
    const stateOf = (id: string) =>
      query<{ state: string }>("SELECT state FROM access_request WHERE 'HP-' || number = $1", [id])
    expect(await stateOf(waiting.id)).toEqual([{ state: 'voided' }])
    expect(await stateOf(lost.id)).toEqual([])
    expect(await at.target.query('SELECT FROM carts')).toHaveLength(1)
  })
  // The signer remembers more than this database holds: until somebody says that it was meant, nothing is proven, and nothing runs.
  await expect(withClient(at.connection, (client) => client.query('SELECT 1'))).rejects.toThrow(
    /ledger could not be signed/,
  )
}, 90_000)

test('after one that lacked nothing it goes on, under numbers that nobody has seen', async () => {
  const { at, standby, takeOver } = await world()
  const insert = (n: number) =>
    withClient(at.connection, async (client) => {
      const running = client.query(`INSERT INTO carts VALUES (${n})`)
      const { id } = await at.approve()
      await running
      return Number(id.slice('HP-'.length))
    })
  expect(await insert(1)).toBeLessThan(1_000)
  const open = async () => (await at.as('sam').call('listSessions', { query: { limit: '10', open: 'true' } })).items
  await expect.poll(open, SOON).toEqual([])
  await takeOver(await standby())
  expect(await insert(2)).toBeGreaterThan(1_000)
  expect(await at.target.query('SELECT FROM carts')).toHaveLength(2)
}, 90_000)
