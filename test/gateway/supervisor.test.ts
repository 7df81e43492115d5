import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { pino } from 'pino'
import { generatedCertificate } from '../../src/gateway/tls.ts'
import { freePort } from '../../src/store/embedded/start-embedded.ts'
import { forkWorkers, type Patience, type Workers } from '../../src/workers/start-workers.ts'
import { installation, type Installation } from '../support/installation.ts'

/*
 * What the server does about gateway processes that do not start, do not answer, or find their port taken. They work
 * on the store of an installation whose own gateway is in the tests' process, so each one here is the supervisor's.
 */

/** The machine may be busy. */
const SOON = { timeout: 20_000 }

let at: Installation
let tls: { cert: string; key: string }
const open: Workers[] = []

beforeAll(async () => {
  at = await installation()
  const { cert, key } = await generatedCertificate(path.join(at.dataDir, 'tls'), ['127.0.0.1'])
  tls = { cert, key }
})
afterEach(async () => {
  for (const workers of open.splice(0)) await workers.close()
  expect(await pids()).toEqual([])
})
afterAll(() => at[Symbol.asyncDispose]())

function supervise(count: number, patience: Patience = {}): { workers: Workers; said: string[] } {
  const said: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) })
  const workers = forkWorkers(count, log, patience)
  open.push(workers)
  return { workers, said }
}
const order = (port: number, databaseUrl = at.store.url) => ({
  host: '127.0.0.1',
  port,
  baseUrl: '',
  databaseUrl,
  dataDir: at.dataDir,
  tls,
  logLevel: 'silent',
})
async function taken(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('a port that a dying predecessor still holds is waited for', async () => {
  const { server, port } = await taken()
  const { workers } = supervise(2)
  const started = workers.start(order(port))
  started.catch(() => undefined)
  await expect.poll(pids, SOON).toHaveLength(2)
  expect(workers.listening()).toBe(0)
  server.close()
  await started
  expect(workers.listening()).toBe(2)
}, 30_000)

test('a port that stays taken is refused, and leaves no process', async () => {
  const { server, port } = await taken()
  const { workers } = supervise(1, { freed: 300 })
  await expect(workers.start(order(port))).rejects.toMatchObject({ code: 'EADDRINUSE', port })
  await workers.close()
  expect(await pids()).toEqual([])
  server.close()
})

test('a start that fails is told once and not tried again', async () => {
  const { workers, said } = supervise(2)
  const nobody = at.store.url.replace(/:\d+\//, `:${await freePort()}/`)
  await expect(workers.start(order(await freePort(), nobody))).rejects.toThrow()
  // Ended when it rejects: nobody has to ask for it.
  expect(await pids()).toEqual([])
  expect(said.filter((line) => line.includes('starting another'))).toEqual([])
}, 30_000)

test('one that cannot even be forked is tried again, and the supervisor lives', async () => {
  const before = process.execPath
  process.execPath = '/nonexistent/node'
  const { workers } = supervise(1)
  const refused = workers.start(order(await freePort()))
  process.execPath = before
  await expect(refused).rejects.toMatchObject({ code: 'ENOENT' })
  await workers.close()
})

test('one that dies as it starts is told, whatever it had said before', async () => {
  const { workers } = supervise(2)
  await expect.poll(pids, SOON).toHaveLength(2)
  for (const pid of await pids()) process.kill(pid, 'SIGKILL')
  await expect(workers.start(order(await freePort()))).rejects.toThrow('a gateway worker ended at once (SIGKILL)')
  expect(workers.listening()).toBe(0)
})

test('one that is stuck is killed and replaced', async () => {
  const { workers, said } = supervise(1, { silent: 2_000 })
  await workers.start(order(await freePort()))
  const [stuck] = await pids()
  process.kill(stuck ?? 0, 'SIGSTOP')
  await expect.poll(() => workers.listening(), SOON).toBe(0)
  await expect.poll(() => workers.listening(), SOON).toBe(1)
  expect(await pids()).not.toContain(stuck)
  expect(said.join('')).toContain('has not been heard of for too long')
}, 60_000)

test('one that is killed again and again is started again, while it is asked to stop as well', async () => {
  const { workers } = supervise(1)
  await workers.start(order(await freePort()))
  for (let i = 0; i < 3; i++) {
    const [pid] = await pids()
    process.kill(pid ?? 0, 'SIGKILL')
    await expect.poll(async () => (await pids()).filter((one) => one !== pid).length, SOON).toBe(1)
  }
  // In the middle of its start.
  await workers.close()
  expect(await pids()).toEqual([])
  expect(workers.listening()).toBe(0)
}, 60_000)

/** Of the gateway processes that this one has started, and that run. */
async function pids(): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === process.pid && line.includes('workers/worker')) found.push(Number(name))
  }
  return found
}
