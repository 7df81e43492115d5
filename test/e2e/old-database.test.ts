import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Running } from '../../src/boot.ts'
import { createClient } from '../../src/contract/client.ts'
import type { Client } from '../../src/contract/client.ts'
import { hp } from '../cli/hp-process.ts'
import { bootOn, readiness } from '../support/boot-on.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'

/*
 * Abuse case 108: somebody puts an older copy of the database in place. The signer remembers a larger tree, so nothing is
 * signed and nothing runs, until an operator says that it was meant; and then nothing of the old copy lives again.
 */

const PASSWORD = 'a long enough pass phrase'
let world: Installation
let folder: string
let old: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hp-old-'))
  world = await installation({ documents: [RULES.replace('scope: once', 'scope: window')] })
})
afterAll(async () => {
  if (old !== undefined) await world.target.query(`DROP DATABASE IF EXISTS ${nameOf(old)} WITH (FORCE)`)
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('an older database is not signed for and nothing runs on it; said to be meant, it brings nothing back', async () => {
  await withClient(world.connection, (client) => client.query('SELECT 1'))
  await world.as('ana').call('requestWindow', { body: { resource: 'shop-db', verbs: ['write'], for: '30m' } })
  await world.approve()
  await world.running.stop()
  old = await copied(world.store.url)

  // It goes on for a while. Signed meanwhile: that Mia took the window back.
  const later = await bootOn(world.store.url, world.dataDir)
  const mia = await signIn(later, 'mia')
  await mia.call('revokeGrant', { params: { id: 'HP-1' }, body: {} })
  await expect.poll(async () => (await readiness(later)).status).toBe(200)
  await withClient({ ...world.connection, port: later.gatewayPort }, (client) => client.query('SELECT 1'))
  await later.stop()

  const wrong = await bootOn(old, world.dataDir)
  try {
    // Whatever is to be proven first finds out.
    const failed = await connect(wrong, world.connection.password).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: '58000' })
    expect((await readiness(wrong)).of('ledger')?.detail).toMatch(
      /a tree of \d+ entries, and one of \d+ was signed: entries were taken away|the tree of \d+ entries is no extension of the one of \d+/,
    )
    // The window of the copy is of no use: there is no session to use it in.
    expect(await world.target.query('SELECT FROM carts')).toEqual([])
    // Ending something never waits for a signature.
    const again = await signIn(wrong, 'mia')
    expect((await again.call('revokeGrant', { params: { id: 'HP-1' }, body: {} })).grant?.state).not.toBe('active')
  } finally {
    await wrong.stop()
  }

  const meant = await admin('restore', '--in-place')
  expect(meant).toMatchObject({ code: 0 })
  expect(meant.out).toMatch(
    /The ledger goes on as another log, .*: holdpoint\/[0-9a-f]{16} was signed up to \d+ entries/,
  )
  const right = await bootOn(old, world.dataDir)
  try {
    await expect.poll(async () => (await readiness(right)).status, { timeout: 15_000 }).toBe(200)
    expect((await readiness(right)).of('ledger')).toEqual({ name: 'ledger', ok: true })
    await expect(connect(right, world.connection.password)).rejects.toMatchObject({ code: '28P01' })
    const ana = await signIn(right, 'ana')
    expect((await ana.call('getRequest', { params: { id: 'HP-1' } })).grant).toMatchObject({ state: 'ended' })
    const { text } = await ana.call('issueToken', { body: { kind: 'gateway' } })
    const client = await connect(right, text)
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await client.end()
  } finally {
    await right.stop()
  }
}, 120_000)

test('what is to be restored is said in one way', async () => {
  expect(await admin('restore')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/name the backup, or say --in-place/),
  })
  expect(await admin('restore', 'a.backup', '--in-place')).toMatchObject({ code: 2 })
  expect(await admin('restore', path.join(folder, 'none.backup'))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/there is no such file/),
  })
})

const nameOf = (url: string): string => new URL(url).pathname.slice(1)
/** A copy of a database that nobody uses, as a snapshot of its disk would be. */
async function copied(url: string): Promise<string> {
  const name = `${nameOf(url)}_old`
  await world.target.query(`CREATE DATABASE ${name} TEMPLATE ${nameOf(url)} STRATEGY file_copy`)
  const copy = new URL(url)
  copy.pathname = `/${name}`
  return copy.href
}

async function signIn(running: Running, name: string): Promise<Client> {
  const { text } = await createClient({ url: running.url }).call('signIn', { body: { name, password: PASSWORD } })
  return createClient({ url: running.url, token: () => text })
}

async function connect(running: Running, password: string): Promise<pg.Client> {
  const client = new pg.Client({ ...world.connection, port: running.gatewayPort, password })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function admin(...args: readonly string[]) {
  const process = hp(['admin', ...args, '--data', world.dataDir], { HOME: folder, DATABASE_URL: old })
  const code = await process.ended
  return { code, out: process.out(), err: process.err() }
}
