import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readDemoCast } from '../../src/cli/demo-cast.ts'
import type { PgConnection } from '../../src/cli/pg-connection.ts'
import { createClient } from '../../src/contract/client.ts'
import type { Client } from '../../src/contract/client.ts'
import { openWorld } from '../../src/tour/world.ts'
import type { World } from '../../src/tour/world.ts'

/*
 * A real server with real gateway processes dies at each point between a decision and its end (src/failpoint.ts). Then,
 * against the real target: what was not approved did not run, what was ran at most once and is told truthfully, the session
 * that was held open is over, nothing of it is left, and a fresh login works.
 */

const FAILPOINTS = path.join(tmpdir(), `holdpoint-failpoint-${process.pid}`)
let world: World
beforeAll(async () => {
  world = await openWorld({ HOLDPOINT_FAILPOINTS: FAILPOINTS })
  await world.start()
}, 120_000)
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(FAILPOINTS, { force: true })
}, 60_000)

/** What the client does when the process dies. */
type Stage = 'connect' | 'ask' | 'approve' | 'commit' | 'leave' | 'cut'
const WORKER_POINTS: readonly (readonly [Stage, string])[] = [
  ['leave', 'gateway.closeSession:before'],
  ['leave', 'gateway.closeSession:after'],
  ['connect', 'gateway.openSession:before'],
  ['connect', 'commit session.opened:before'],
  ['connect', 'commit session.opened:after'],
  ['connect', 'gateway.openSession:after'],
  ['connect', 'gateway.attachBackend:before'],
  ['connect', 'gateway.attachBackend:after'],
  ['ask', 'gateway.hold:before'],
  ['ask', 'commit request.opened:before'],
  ['ask', 'commit request.opened:after'],
  ['ask', 'gateway.hold:after'],
  ['approve', 'gateway.outcome:after'],
  ['approve', 'gateway.start:before'],
  ['approve', 'commit execution.started:before'],
  ['approve', 'commit execution.started:after'],
  ['approve', 'ledger.covered:after'],
  ['approve', 'gateway.start:after'],
  ['approve', 'gateway.finish:before'],
  ['approve', 'commit execution.succeeded:before'],
  ['approve', 'commit execution.succeeded:after'],
  ['approve', 'gateway.finish:after'],
  ['commit', 'gateway.confirm:before'],
  ['commit', 'gateway.confirm:after'],
  ['cut', 'target.terminate:before'],
  ['cut', 'target.terminate:after'],
]
/** Where the server itself dies; everything of it is started again. */
const SERVER_POINTS: readonly (readonly [Stage, string])[] = [
  ['approve', 'commit review.given:before'],
  ['approve', 'commit review.given:after'],
  ['cut', 'commit session.cut:after'],
]

interface Played {
  readonly point: string
  readonly voucher: number
  readonly request: string | undefined
  readonly approved: boolean
  readonly backend: number | undefined
  readonly over: Promise<unknown>
}

const as = (name: string): Client => {
  const cast = readDemoCast({ HP_DEMO_FILE: path.join(world.folder, 'demo.json') })
  return createClient({ url: world.api, token: () => cast?.tokenOf(name) ?? '' })
}
const used = async (n: number): Promise<number> =>
  Number(await world.look('shop', `SELECT used FROM vouchers WHERE code = 'WELCOME${n}'`)) - ((n * 17) % 90)
const arm = (point: string): Promise<void> => writeFile(FAILPOINTS, point)
const fired = (point: string): Promise<true> =>
  until(async () => !existsSync(FAILPOINTS) || undefined, `${point} is never reached`)

async function until<T>(look: () => Promise<T | undefined>, otherwise: string, withinMs = 30_000): Promise<T> {
  for (const end = performance.now() + withinMs; ;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Plays the story up to the point, where somebody dies. */
async function play(stage: Stage, point: string, voucher: number): Promise<Played> {
  const text = `UPDATE vouchers SET used = used + 1 WHERE code = 'WELCOME${voucher}'`
  const held = Promise.withResolvers<string>()
  const open = (): Promise<PgConnection> =>
    world.session('ana', 'shop-db', {
      onNotice: ({ message }) => {
        const id = /held (HP-\d+)/.exec(message)?.[1]
        if (id !== undefined) held.resolve(id)
      },
    })
  const none = { point, voucher, request: undefined, approved: false, backend: undefined, over: Promise.resolve() }
  if (stage === 'connect') {
    await arm(point)
    // Those who died before it are being started again.
    const opening = until(async () => {
      const session = await open().catch(() => undefined)
      await session?.close()
      return !existsSync(FAILPOINTS) || undefined
    }, point)
    await Promise.all([fired(point), opening])
    return none
  }
  const session = await until(open, 'nobody may sign in')
  const [row] = await session.query('SELECT pg_backend_pid()')
  const backend = Number(row?.rows[0]?.[0])
  const over = session.closed
  if (stage === 'leave') {
    await arm(point)
    await session.close()
    await fired(point)
    return { ...none, backend, over }
  }
  if (stage === 'cut') {
    const { items } = await as('olu').call('listSessions', { query: { open: 'true' } })
    await arm(point)
    as('mia')
      .call('cutSession', { params: { id: items[0]?.id ?? '' } })
      .catch(() => undefined)
    await fired(point)
    return { ...none, backend, over }
  }
  if (stage === 'commit') await session.query('BEGIN')
  if (stage === 'ask') await arm(point)
  const answered = session.query(text).catch(() => undefined)
  if (stage === 'ask') {
    await fired(point)
    return { ...none, backend, over }
  }
  const request = await held.promise
  if (stage === 'approve') await arm(point)
  const { digest } = await as('mia').call('getRequest', { params: { id: request } })
  const review = as('mia').call('review', { params: { id: request }, body: { verdict: 'approve', digest } })
  const approved = await review.then(
    () => true,
    () => false,
  )
  if (stage === 'commit') {
    await answered
    await arm(point)
    session.query('COMMIT').catch(() => undefined)
  }
  await fired(point)
  return { point, voucher, request, approved, backend, over }
}

/** What is wrong with one story once everything has come to its end; nothing, it should be. */
async function wrongWith({ point, voucher, request, backend, over }: Played): Promise<readonly string[]> {
  await over
  const there = `SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_gate' AND pid = ${backend ?? 0}`
  const left = await world.look('shop', there)
  const times = await used(voucher)
  const view = request === undefined ? undefined : await as('mia').call('getRequest', { params: { id: request } })
  const how = view?.execution?.state
  const may = how === 'succeeded' ? times === 1 : how === 'unknown' ? times <= 1 : times === 0
  return [
    ...(left === '0' ? [] : [`${point}: the backend is still there`]),
    ...(may ? [] : [`${point}: ${request ?? 'what nobody approved'} is ${how ?? 'not known'} and ran ${times} times`]),
    ...(view === undefined || /^(approved|withdrawn)$/.test(view.state) ? [] : [`${point}: ${view.state}`]),
    ...(view?.grant === undefined || view.grant.state === 'ended'
      ? []
      : [`${point}: its grant is ${view.grant.state}`]),
  ]
}

/** Nothing waits, nothing runs, nobody is there. */
async function settled(stories: readonly Played[]): Promise<void> {
  for (const { request } of stories) {
    if (request === undefined) continue
    await until(async () => {
      const view = await as('mia').call('getRequest', { params: { id: request } })
      const ended = view.grant === undefined || view.grant.state === 'ended'
      return (view.state !== 'pending' && ended && view.execution?.state !== 'started') || undefined
    }, `${request} does not come to an end`)
  }
  await until(async () => {
    const { items } = await as('olu').call('listSessions', { query: { open: 'true' } })
    return items.length === 0 || undefined
  }, 'sessions are still open')
}

it('a gateway process dies at each point: nothing is lost, done twice or left open', { timeout: 300_000 }, async () => {
  const stories: Played[] = []
  for (const [i, [stage, point]] of WORKER_POINTS.entries()) stories.push(await play(stage, point, i + 10))
  await settled(stories)
  expect((await Promise.all(stories.map(wrongWith))).flat()).toEqual([])
  const fresh = await until(() => world.session('ana', 'shop-db'), 'nobody may sign in')
  expect((await fresh.query('SELECT count(*) FROM orders'))[0]?.rows[0]?.[0]).toBe('80000')
  await fresh.close()
})

it('the server and both databases die: nothing is lost, done twice or left open', { timeout: 300_000 }, async () => {
  const stories: Played[] = []
  for (const [i, [stage, point]] of SERVER_POINTS.entries()) {
    stories.push(await play(stage, point, i + 60))
    await world.crash()
    await world.start()
  }
  await settled(stories)
  expect((await Promise.all(stories.map(wrongWith))).flat()).toEqual([])
})
