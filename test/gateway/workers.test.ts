import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import pg from 'pg'
import { pino } from 'pino'
import { encodeCancelRequest } from '../../src/wire/postgres/startup.ts'
import { forkWorkers } from '../../src/workers/start-workers.ts'
import { installation, RULES, type Installation } from '../support/installation.ts'

/*
 * The gateway's processes as they run in production: several on one port, started and watched by the server.
 */

let at: Installation

beforeAll(async () => {
  at = await installation({
    gatewayWorkers: 2,
    documents: [`${RULES}---\nkind: Rule\nname: runs\non: {resource: shop-db, verbs: [exec]}\nallow: {}\n`],
  })
})
afterAll(() => at[Symbol.asyncDispose]())

interface Signed {
  readonly client: pg.Client
  readonly key: { readonly pid: number; readonly secret: Buffer }
  readonly ended: () => boolean
}

async function signIn(): Promise<Signed> {
  const client = new pg.Client(at.connection)
  let ended = false
  client.on('error', () => undefined)
  client.on('end', () => (ended = true))
  let key = { pid: 0, secret: Buffer.alloc(0) }
  const line = (client as unknown as { connection: NodeJS.EventEmitter }).connection
  line.on('backendKeyData', ({ processID, secretKey }: { processID: number; secretKey: number }) => {
    const secret = Buffer.alloc(4)
    secret.writeInt32BE(secretKey)
    key = { pid: processID, secret }
  })
  await client.connect()
  return { client, key, ended: () => ended }
}

/** So many sessions that each process carries at least one: the kernel chooses, and that all are one's is no chance. */
const onBoth = (): Promise<readonly Signed[]> => Promise.all(Array.from({ length: 24 }, signIn))
const leave = (all: readonly Signed[]): Promise<unknown> => Promise.all(all.map(({ client }) => client.end()))

function cancel({ pid, secret }: Signed['key']): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(at.connection.port, '127.0.0.1', () => socket.end(encodeCancelRequest(pid, secret)))
    socket.on('error', () => undefined)
    socket.resume().once('close', () => resolve())
  })
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
const check = async (name: string) => {
  const { checks } = (await (await fetch(`${at.running.url}/readyz`)).json()) as {
    checks: { name: string; ok: boolean; detail?: string }[]
  }
  return checks.find((one) => one.name === name)
}

test('every process holds, releases and carries the same policy', async () => {
  const all = await onBoth()
  for (const { client } of all.slice(0, 8)) {
    const held = client.query("INSERT INTO carts VALUES (1, 'kept')")
    await at.approve()
    expect((await held).rowCount).toBe(1)
  }
  expect(await at.target.query('SELECT FROM carts')).toHaveLength(8)
  await leave(all)
})

test('a cancel finds its session, whichever process its connection reaches', async () => {
  const all = await onBoth()
  for (const { client, key } of all.slice(0, 8)) {
    // Which process a connection reaches is chance: of so many, both are.
    for (let i = 0; i < 3; i++) {
      const slow = client.query('SELECT pg_sleep(600)').catch((error: unknown) => error)
      await until(async () => {
        const [row] = await at.target.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND state = 'active'",
        )
        return row
      })
      await cancel(key)
      expect(await slow).toMatchObject({ code: '57014' })
    }
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  }
  await leave(all)
})

test('a wrong secret cancels nothing, in any process', async () => {
  const all = await onBoth()
  const some = all.slice(0, 6)
  const held = some.map(({ client }) => client.query('DELETE FROM carts'))
  for (const { key } of some) {
    const secret = Buffer.from(key.secret.map((byte) => byte ^ 0xff))
    for (let i = 0; i < 6; i++) await cancel({ pid: key.pid, secret })
    await cancel({ pid: -key.pid, secret: key.secret })
  }
  for (const _ of held) await at.approve()
  await Promise.all(held)
  await leave(all)
})

test('a second installation does not share the port without a word', async () => {
  const others = forkWorkers(2, pino({ level: 'silent' }))
  const { host, port } = at.connection
  const order = {
    host,
    port,
    baseUrl: '',
    databaseUrl: '',
    dataDir: '',
    tls: { cert: '', key: '' },
    logLevel: 'silent',
  }
  await expect(others.start(order)).rejects.toMatchObject({ code: 'EADDRINUSE', port })
  expect(others.listening()).toBe(0)
  await others.close()
})

test('one that is killed takes its own sessions with it and nobody else’s, and is there again', async () => {
  const all = await onBoth()
  const pids = await workerPids()
  expect(pids).toHaveLength(2)
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await until(async () => all.some(({ ended }) => ended()) || undefined)
  await until(async () => ((await check('gateway workers'))?.detail === undefined ? true : undefined))
  expect(new Set(await workerPids())).not.toEqual(new Set(pids))
  const again = await onBoth()
  await leave(again)
  // What the store had of the dead one's sessions is closed by those who live.
  await until(async () => {
    const rows = await at.store.query("SELECT FROM session WHERE state = 'closed' AND why = 'gateway_died'")
    return rows.length > 0 || undefined
  })
  // Nobody else's: they work on.
  const survivors = all.filter(({ ended }) => !ended())
  expect(survivors.length).toBeGreaterThan(0)
  for (const { client } of survivors) expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  await leave(survivors)
}, 60_000)

/** In the order in which they were started, which is that of their numbers. */
async function workerPids(): Promise<number[]> {
  const found: { pid: number; started: number }[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === process.pid && line.includes('workers/worker')) {
      found.push({ pid: Number(name), started: Number(fields[19]) })
    }
  }
  return found.toSorted((a, b) => a.started - b.started || a.pid - b.pid).map(({ pid }) => pid)
}
