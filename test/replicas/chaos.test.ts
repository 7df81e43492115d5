import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hp } from '../cli/hp-process.ts'
import { eventually, fleet } from '../support/fleet.ts'
import type { Fleet, Replica } from '../support/fleet.ts'
import { RULES } from '../support/installation.ts'
import { ownServer } from '../support/own-server.ts'
import type { OwnServer } from '../support/own-server.ts'
import { among, pause, seeded, startLoad } from './chaos-load.ts'
import type { Random } from './chaos-load.ts'

/*
 * Random kills of three replicas under a load of requests: nothing is lost, nothing is left open, nothing is done twice.
 * `npm run chaos` makes it a hundred; HP_CHAOS_SEED plays a run's choices again (the operating system makes its own).
 */

const KILLS = Number(process.env['HP_CHAOS_KILLS'] ?? 2)
const SEED = Number(process.env['HP_CHAOS_SEED'] ?? Math.floor(Math.random() * 1e9))
/** One more way to be disturbed at every so many kills, in this order. */
const DISTURBANCES = ['pause', 'term', 'database', 'pause', 'line'] as const

const WINDOWS = `${RULES.replace('write, delete', 'write')}---
kind: Rule
name: windows
on: {verbs: [delete]}
hold: {reviews: [{from: owners}]}
`

let database: OwnServer
let at: Fleet
beforeAll(async () => {
  database = await ownServer({ durable: true })
  at = await fleet({
    store: await database.asStore(),
    documents: [WINDOWS],
    tables: ['CREATE TABLE marks (mark text)'],
    // The second has its gateway in processes of its own, as installations do.
    replicas: [[], ['--gateway-workers', '1', '--drain', '1'], ['--drain', '1']],
  })
})
afterAll(async () => {
  await at[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** As an init system does: one that could not start, because the database was away, is started again. */
async function start(replica: Replica, wait = true): Promise<void> {
  await eventually(async () => {
    if (replica.pid() === undefined) await replica.start({ wait })
    return !wait || (await replica.ready())?.ready
  }, `${replica.name} is ready`).catch(async (cause: unknown) => {
    const checks = JSON.stringify(await replica.ready())
    throw new Error(`${replica.name} is not ready: ${checks}\n${replica.said().slice(-4_000)}`, { cause })
  })
}

async function kill(replica: Replica, random: Random): Promise<void> {
  replica.signal('SIGKILL')
  await replica.ended()
  await pause(random() * 1_000)
  await start(replica, random() < 0.7)
}

async function disturb(how: (typeof DISTURBANCES)[number], random: Random): Promise<void> {
  const replica = among(random, at.replicas)
  switch (how) {
    case 'pause':
      replica.signal('SIGSTOP')
      await pause(random() < 0.5 ? random() * 1_000 : 6_000 + random() * 3_000)
      replica.signal('SIGCONT')
      break
    case 'term':
      replica.signal('SIGTERM')
      await replica.ended()
      await start(replica)
      break
    case 'database':
      // Its supervisor starts it again, and it recovers.
      process.kill(database.pid(), 'SIGQUIT')
      await eventually(() => database.query('SELECT 1'), 'the database is back')
      break
    case 'line':
      await database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'holdpoint%'",
      )
      break
    default:
      how satisfies never
  }
}

test(
  `${KILLS} random kills of three replicas under load`,
  async () => {
    process.stderr.write(`chaos: HP_CHAOS_SEED=${SEED} HP_CHAOS_KILLS=${KILLS}`)
    const random = seeded(SEED)
    const load = startLoad(at, random)
    await pause(1_500)
    for (let n = 0; n < KILLS; n++) {
      await kill(among(random, at.replicas), random)
      const how = DISTURBANCES[n % DISTURBANCES.length] ?? 'pause'
      await disturb(how, random)
      await pause(random() * 1_000)
    }
    await load.stop()
    for (const replica of at.replicas) await start(replica)
    expect(load.wrong).toEqual([])

    // Nothing is left open: in the store, and on the target.
    const none = (what: string, sql: string) =>
      eventually(async () => (await database.query(sql)).length === 0, `no ${what} left`, 60_000)
    await none('session', "SELECT FROM session WHERE state = 'open'")
    await none('request', "SELECT FROM access_request WHERE state = 'pending' AND kind IN ('statement', 'connect')")
    await none('execution', "SELECT FROM execution WHERE state = 'started'")
    await none('grant', "SELECT FROM access_grant WHERE state <> 'ended' AND scope = 'once'")
    await eventually(
      async () =>
        (
          await at.target.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND backend_type = 'client backend' AND query LIKE 'INSERT INTO marks%'`,
          )
        ).length === 0,
      'no backend left',
    )

    // Nothing is lost and nothing is done twice: what clients were told, what the store says, and what the target holds.
    const found = await at.target.query<{ mark: string; n: number }>(
      'SELECT mark, count(*)::int AS n FROM marks GROUP BY mark',
    )
    const there = new Map(found.map(({ mark, n }) => [mark, n]))
    const runs = await database.query<{ mark: string; request: string; state: string | null; reviewers: string[] }>(
      `SELECT substring(r.opening->'subject'->>'text' FROM '''(.*)''') AS mark, r.state AS request, e.state,
       ARRAY (SELECT reviewer FROM review v WHERE v.request = r.number AND verdict = 'approve') AS reviewers
     FROM access_request r LEFT JOIN execution e ON e.request = r.number
     WHERE r.kind = 'statement' AND r.opening->'subject'->>'text' LIKE 'INSERT%'`,
    )
    const by = Map.groupBy(runs, ({ mark }) => mark)
    const broken: unknown[] = []
    for (const [mark, n] of there) {
      const ran = (by.get(mark) ?? []).filter(({ state }) => state === 'succeeded' || state === 'unknown')
      if (n !== 1) broken.push({ mark, n, why: 'done twice' })
      if (ran.length !== 1 || ran[0]?.reviewers.join() !== 'mia')
        broken.push({ mark, why: 'done without an approval', ran })
    }
    for (const { mark, state, request } of runs) {
      if (state === 'succeeded' && !there.has(mark)) broken.push({ mark, why: 'recorded as done, and is not there' })
      if (state !== 'succeeded' && state !== 'unknown' && there.has(mark))
        broken.push({ mark, state, request, why: 'there, and recorded as not done' })
    }
    for (const { mark, outcome } of load.told) {
      if (outcome === 'ok' && !there.has(mark)) broken.push({ mark, why: 'acknowledged, and lost' })
      if (outcome === 'denied' && there.has(mark)) broken.push({ mark, why: 'denied, and done' })
    }
    expect(broken).toEqual([])
    const twice = await database.query(
      `SELECT kind, subject FROM record WHERE kind IN ('execution.started', 'grant.active', 'grant.ending', 'grant.ended', 'session.opened', 'session.closed')
     GROUP BY kind, subject HAVING count(*) > 1`,
    )
    expect(twice).toEqual([])

    // And the log of it is one log, signed by whoever was alive, with every decision before its effect.
    const [first] = at.replicas
    const home = path.dirname(first?.dataDir ?? '')
    const verify = hp(['ledger', 'verify'], { HOME: home, HP_URL: first?.url ?? '', HP_TOKEN: at.token('sam') })
    expect({ code: await verify.ended, said: verify.err() }).toMatchObject({ code: 0 })

    const count = (outcome: string) => load.told.filter((one) => one.outcome === outcome).length
    const states = Object.entries(Object.groupBy(runs, ({ state }) => state ?? 'never approved'))
    process.stderr.write(
      `chaos: ${load.told.length} statements held (${count('ok')} done, ${count('denied')} denied, ${count('failed')} failed); executions: ${states.map(([state, all]) => `${all?.length ?? 0} ${state}`).join(', ')}`,
    )
    // It was a load: otherwise the above says nothing.
    expect(count('ok')).toBeGreaterThan(KILLS)
  },
  120_000 + KILLS * 30_000,
)
