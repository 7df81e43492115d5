import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installationTag } from '../../src/app/roles/plan-role.ts'
import type { Running } from '../../src/boot.ts'
import { createClient } from '../../src/contract/client.ts'
import type { Client } from '../../src/contract/client.ts'
import type { GrantId } from '../../src/domain/ids.ts'
import { grantRole, roleTag } from '../../src/domain/profile/role-names.ts'
import { openStore } from '../../src/store/open-store.ts'
import { hp } from '../cli/hp-process.ts'
import { bootOn, readiness } from '../support/boot-on.ts'
import { testServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { installation, RULES, shopDb, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { severedLine } from '../support/severed-line.ts'
import type { SeveredLine } from '../support/severed-line.ts'

/*
 * I13: a restored backup resurrects nothing. The installation that made the backup goes on all the while, as one does
 * that somebody forgot to stop: its sessions are alive on the target when the backup is put back elsewhere.
 */

const PASSWORD = 'a long enough pass phrase'
let world: Installation
let folder: string
/** The way to the second target, `slow-db`. */
let line: SeveredLine
/** Takes connections and says nothing. */
let silent: { readonly port: number; close(): Promise<void> }
let slow: TestDatabase

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hp-restore-'))
  world = await installation({ documents: [RULES.replace('scope: once', 'scope: window')] })
  slow = await testServer()
  await slow.query('CREATE TABLE carts (id int, note text)')
  line = await severedLine({ host: '127.0.0.1', port: slow.target.port })
  silent = await silentServer()
  const { user, database } = slow.target
  await world.apply(
    shopDb(`postgres://${user}@127.0.0.1:${line.port}/${database}?sslmode=disable`).replace(
      'name: shop-db',
      'name: slow-db',
    ),
    shopDb(
      `postgres://${user}@127.0.0.1:${slow.target.port}/${database}?sslmode=disable`,
      'access: ephemeral\n',
    ).replace('name: shop-db', 'name: role-db'),
  )
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await line.close()
  await slow.close()
  await rm(folder, { recursive: true, force: true })
})

test('whatever the backup believes live is ended, and seen gone, before anybody is served', async () => {
  // Live in the backup: two sessions of Ana's, each under a window; a request that waits; tokens.
  const [onShop, onSlow] = [await connected(), await connected('slow-db')]
  for (const [resource, client] of [
    ['shop-db', onShop],
    ['slow-db', onSlow],
  ] as const) {
    const asked = await world.as('ana').call('requestWindow', { body: { resource, verbs: ['write'], for: '30m' } })
    await world.approve()
    await client.query("INSERT INTO carts VALUES (1, 'before')")
    expect(asked.state).toBe('pending')
  }
  const waiting = await world.as('ana').call('requestWindow', {
    body: { resource: 'shop-db', verbs: ['delete'], for: '30m' },
  })
  const until = new Date(Date.now() + 86_400_000).toISOString()
  await world.as('mia').call('delegate', { body: { to: 'dev', until } })
  const pids = [await pidOf(onShop), await pidOf(onSlow)] as const
  expect(await alive()).toEqual([true, true])

  const file = path.join(folder, 'one.backup')
  const made = await admin(world.store.url, world.dataDir, 'backup', file)
  expect(made).toMatchObject({ exit: 0, err: expect.stringContaining('keyring') })
  expect(made.out).toMatch(/^Backed up \d+ rows of \d+ tables into .*one\.backup \(\d+ kB\)\.\n$/)
  // After the backup: a grant that it knows nothing of has a role of its own on a target.
  const role = await madeLater(world.store.url)
  await slow.query(`CREATE ROLE ${role.name} LOGIN; COMMENT ON ROLE ${role.name} IS '${role.comment}'`)
  // And what waits is denied. It must not wait for anybody again.
  await world.deny('not today')
  const [{ since } = { since: 0 }] = await world.store.query<{ since: number }>(
    "SELECT count(*)::int AS since FROM record WHERE kind = 'store.backed_up'",
  )
  expect(since).toBe(1)

  await using restored = await elsewhere()
  const put = await admin(restored.store.url, restored.dataDir, 'restore', file)
  expect(put).toMatchObject({ exit: 1, err: expect.stringContaining('There is no keyring') })
  await copyFile(path.join(world.dataDir, 'keyring'), path.join(restored.dataDir, 'keyring'))
  const again = await admin(restored.store.url, restored.dataDir, 'restore', file)
  expect(again).toMatchObject({ exit: 0 })
  expect(again.out).toMatch(/^Put back \d+ rows of \d+ tables, as it was at /)
  // How far its log was signed is not known on another machine: it goes on under another name.
  expect(again.out).toMatch(/The ledger goes on as another log, holdpoint\/[0-9a-f]{16}-[0-9a-f]{16}:/)

  // One target says nothing. Until it was tried, everybody waits.
  line.lead({ host: '127.0.0.1', port: silent.port })
  const running = await restored.boot()
  const anyone = createClient({ url: running.url })
  const ready = async () => {
    const { status, of } = await readiness(running)
    return { status, restore: of('restore') }
  }
  expect(await ready()).toMatchObject({
    status: 503,
    restore: { ok: false, detail: expect.stringMatching(/restored from a backup/) },
  })
  await expect(anyone.call('signIn', { body: { name: 'ana', password: PASSWORD } })).rejects.toMatchObject({
    problem: { code: 'restoring', status: 503 },
  })
  expect(await anyone.call('getInfo', {})).toMatchObject({ name: 'holdpoint' })
  await expect(connectTo(running, 'ana', world.connection.password, 'shop-db')).rejects.toMatchObject({
    code: '57P03',
    message: expect.stringMatching(/^Holdpoint was restored from a backup of .* UTC and is ending what was open in it/),
  })

  await silent.close()
  await expect.poll(ready, { timeout: 40_000, interval: 100 }).toMatchObject({
    status: 200,
    restore: { ok: true, detail: expect.stringMatching(/^1 resources? stay/) },
  })
  // The backend that could be reached is gone; its client, of the installation that nobody stopped, knows it.
  expect(await alive()).toEqual([false, true])
  await expect(onShop.query("INSERT INTO carts VALUES (2, 'after')")).rejects.toThrow()
  expect(await world.target.query('SELECT note FROM carts')).toEqual([{ note: 'before' }])

  // Tokens of the backup are good for nothing; a password is.
  const was = createClient({ url: running.url, token: () => world.connection.password })
  await expect(was.call('getMe', {})).rejects.toMatchObject({ problem: { code: 'not_signed_in' } })
  await expect(connectTo(running, 'ana', world.connection.password, 'shop-db')).rejects.toMatchObject({ code: '28P01' })
  const ana = await signedIn(anyone, running, 'ana')
  const mia = await signedIn(anyone, running, 'mia')
  expect((await ana.call('getRequest', { params: { id: waiting.id } })).state).toBe('withdrawn')
  expect((await mia.call('getInbox', {})).needsMe).toEqual([])
  expect((await mia.call('listDelegations', {})).items).toEqual([])

  // What can be reached is open; what cannot stays closed by itself, and says so.
  const { text } = await ana.call('issueToken', { body: { kind: 'gateway' } })
  const now = await connectTo(running, 'ana', text, 'shop-db')
  expect((await now.query('SELECT note FROM carts')).rows).toEqual([{ note: 'before' }])
  // The window of the backup covers nothing: this waits for somebody.
  const held = now.query("INSERT INTO carts VALUES (3, 'held')").catch((error: unknown) => error)
  await expect.poll(async () => (await mia.call('getInbox', {})).needsMe.length, { timeout: 10_000 }).toBe(1)
  await now.end()
  await held
  await expect(connectTo(running, 'ana', text, 'slow-db')).rejects.toMatchObject({
    code: '57P03',
    message: expect.stringMatching(/^slow-db is closed: .*this target has not confirmed yet/),
  })

  await expect.poll(() => connects(running, text, 'role-db'), { timeout: 40_000, interval: 200 }).toBe(true)
  expect(await slow.query(`SELECT FROM pg_roles WHERE rolname = '${role.name}'`)).toEqual([])

  line.lead({ host: '127.0.0.1', port: slow.target.port })
  await expect
    .poll(async () => (await connects(running, text, 'slow-db')) || undefined, { timeout: 40_000, interval: 200 })
    .toBe(true)
  expect(await alive()).toEqual([false, false])
  await expect.poll(ready).toEqual({ status: 200, restore: undefined })

  const said = async () => {
    const rows = await restored.store.query<{ kind: string; body: string }>(
      "SELECT kind, convert_from(body, 'UTF8') AS body FROM record WHERE kind LIKE 'store.%' ORDER BY seq",
    )
    return rows.map(({ kind, body }) => [kind, (JSON.parse(body) as { body: { stage?: string } }).body.stage])
  }
  await expect.poll(said, { timeout: 10_000 }).toEqual([
    ['store.backed_up', undefined],
    ['store.restored', undefined],
    ['store.reconciled', 'ended'],
    ['store.reconciled', 'opened'],
    ['store.reconciled', 'settled'],
  ])
  expect(
    await restored.store.query("SELECT number FROM access_grant WHERE state <> 'ended' AND number < 1000"),
  ).toEqual([])

  async function alive(): Promise<readonly boolean[]> {
    const look = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid = $1'
    return [(await world.target.query(look, [pids[0]])).length === 1, (await slow.query(look, [pids[1]])).length === 1]
  }
  await onShop.end().catch(() => undefined)
  await onSlow.end().catch(() => undefined)
}, 120_000)

/** What a grant of this installation would have on its target. */
async function madeLater(url: string): Promise<{ readonly name: string; readonly comment: string }> {
  const opened = await openStore(url, () => undefined)
  try {
    const tag = await installationTag(opened.store)
    const grant = 'G-900' as GrantId
    return { name: grantRole(tag, grant), comment: roleTag(tag, grant) }
  } finally {
    await opened.close()
  }
}

/** A client of the first installation. It may be cut. */
async function connected(database = 'shop-db'): Promise<pg.Client> {
  const client = new pg.Client({ ...world.connection, database })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0

async function connectTo(running: Running, user: string, password: string, database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port: running.gatewayPort, user, password, database })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
const connects = (running: Running, password: string, database: string): Promise<boolean> =>
  withClient({ host: '127.0.0.1', port: running.gatewayPort, user: 'ana', password, database }, async () => true).catch(
    () => false,
  )

async function signedIn(anyone: Client, running: Running, name: string): Promise<Client> {
  const { text } = await anyone.call('signIn', { body: { name, password: PASSWORD } })
  return createClient({ url: running.url, token: () => text })
}

/** `hp admin`, as an operator runs it. */
async function admin(databaseUrl: string, dataDir: string, ...args: readonly string[]) {
  const process = hp(['admin', ...args, '--data', dataDir], { HOME: folder, DATABASE_URL: databaseUrl })
  const exit = await process.ended
  return { exit, out: process.out(), err: process.err() }
}

/** An empty database, a data folder, and what is booted on them. */
async function elsewhere() {
  await using parts = new AsyncDisposableStack()
  const store = await testServer()
  parts.defer(() => store.close())
  const dataDir = await mkdtemp(path.join(folder, 'data-'))
  const all = parts.move()
  return {
    store,
    dataDir,
    async boot(): Promise<Running> {
      const running = await bootOn(store.url, dataDir)
      all.defer(() => running.stop())
      return running
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function silentServer() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
