import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '../src/contract/client.ts'
import { until } from '../src/store/embedded/process.ts'
import { freePort } from '../src/store/embedded/start-embedded.ts'
import { start } from '../src/tour/child.ts'
import { openWorld } from '../src/tour/world.ts'
import type { World } from '../src/tour/world.ts'
import { median } from './figures.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const READY_MS = 60_000

/**
 * Milliseconds from `kill -9` of a replica that carries a session until another has closed that session in the store,
 * having seen its backend gone from the target. The median of `rounds`.
 */
export async function measureTakeover(rounds: number): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push(await takeover())
  return Math.round(median(times))
}

async function takeover(): Promise<number> {
  await using world = await openWorld()
  await world.start()
  const { people } = JSON.parse(readFileSync(path.join(world.folder, 'demo.json'), 'utf8')) as {
    people: Record<string, string>
  }
  const token = readFileSync(people['ana'] ?? '', 'utf8').trim()
  const url = await startSecond(world)
  const second = createClient({ url, token: () => token })
  const session = await world.session('ana', 'shop-db')
  await session.query('SELECT 1')
  const newest = async () => (await second.call('listSessions', { query: { limit: '1' } })).items[0]
  const { id } = (await newest()) ?? {}
  const begun = performance.now()
  // The server and its gateway processes; the PostgreSQLs are groups of their own.
  process.kill(-world.pid(), 'SIGKILL')
  const closed = await until(async () => (await newest())?.state === 'closed' || undefined, READY_MS, 20)
  const took = performance.now() - begun
  if (closed === undefined) throw new Error(`nobody closed ${id} within a minute`)
  await session.close().catch(() => undefined)
  return took
}

/** Another replica on the world's database, which ends with the world's other children. Answers its address. */
async function startSecond(world: World): Promise<string> {
  const data = path.join(world.folder, 'data')
  const own = path.join(world.folder, 'second')
  mkdirSync(own, { mode: 0o700 })
  const password = encodeURIComponent(readFileSync(path.join(data, 'postgres.password'), 'utf8').trim())
  // The fourth line of the file is the port ("Database File Layout").
  const port = readFileSync(path.join(data, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[3]
  const listen = `127.0.0.1:${await freePort()}`
  const child = start(
    process.execPath,
    [MAIN, 'start', '--role', 'api,worker', '--data', own, '--listen', listen, '--log-level', 'warn'],
    {
      PATH: process.env['PATH'],
      HOME: world.folder,
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      DATABASE_URL: `postgres://holdpoint:${password}@127.0.0.1:${port}/holdpoint`,
      HP_KEYRING_FILE: path.join(data, 'keyring'),
    },
  )
  const ready = await until(async () => {
    const answer = await fetch(`http://${listen}/readyz`).catch(() => undefined)
    return answer?.ok === true || undefined
  }, READY_MS)
  if (ready === undefined) throw new Error(`the second replica did not start: ${child.out()}${child.err()}`)
  return `http://${listen}`
}
