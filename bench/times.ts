import { readFileSync } from 'node:fs'
import path from 'node:path'
import { connectPostgres } from '../src/cli/pg-connection.ts'
import type { PgConnection } from '../src/cli/pg-connection.ts'
import { createClient } from '../src/contract/client.ts'
import type { Client } from '../src/contract/client.ts'
import { until } from '../src/store/embedded/process.ts'
import { openWorld } from '../src/tour/world.ts'
import type { World } from '../src/tour/world.ts'
import { median, percentile, rounded } from './figures.ts'

/** The API as one of the cast, over one connection that stays open. */
function api(world: World, name: string): Client {
  const { people } = JSON.parse(readFileSync(path.join(world.folder, 'demo.json'), 'utf8')) as {
    people: Record<string, string>
  }
  const token = readFileSync(people[name] ?? '', 'utf8').trim()
  return createClient({ url: world.api, token: () => token })
}

async function approve(as: Client, id: string): Promise<void> {
  const request = await as.call('getRequest', { params: { id } })
  await as.call('review', { params: { id }, body: { verdict: 'approve', digest: request.digest } })
}

/**
 * From the moment an approval is sent to the API until the held statement's result is at the client: more than
 * from the approval to the first byte forwarded, by one way through the API and one statement.
 */
export async function measureRelease(world: World, samples: number): Promise<number> {
  const mia = api(world, 'mia')
  const held: string[] = []
  let told: (() => void) | undefined
  const session = await world.session('ana', 'shop-db', {
    onNotice({ message }) {
      const id = /held (HP-\d+)/.exec(message)?.[1]
      if (id === undefined) return
      held.push(id)
      told?.()
    },
  })
  const times: number[] = []
  try {
    for (let i = 0; i < samples; i++) {
      const running = session.query("UPDATE vouchers SET used = used + 1 WHERE code = 'WELCOME1'")
      while (held.length <= i) await new Promise<void>((resolve) => (told = resolve))
      const id = held[i] ?? ''
      const { digest } = await mia.call('getRequest', { params: { id } })
      const begun = performance.now()
      const reviewed = mia.call('review', { params: { id }, body: { verdict: 'approve', digest } })
      await running
      times.push(performance.now() - begun)
      await reviewed
    }
  } finally {
    await session.close()
  }
  return rounded(percentile(times, 0.99))
}

/** From the end of a window until its session's connection is closed and its backend is gone, the later of the two. */
export const measureLapse = (world: World, windows: number, sessions: number): Promise<number> =>
  measureEnds(world, windows, sessions, '3s', async ({ grant }) => {
    if (grant === undefined) throw new Error('an approved window has no grant')
    return Date.parse(grant.expiresAt)
  })

/** The same, from sending the API a revocation. */
export const measureRemoval = (world: World, windows: number, sessions: number): Promise<number> =>
  measureEnds(world, windows, sessions, '10m', async ({ id }) => {
    const begun = Date.now()
    await api(world, 'mia').call('revokeGrant', { params: { id }, body: {} })
    return begun
  })

type Seen = Awaited<ReturnType<typeof seeRequest>>
const seeRequest = (as: Client, id: string) => as.call('getRequest', { params: { id } })

/** `end` ends the window, or knows when it will, and says the moment from which time counts. */
async function measureEnds(
  world: World,
  windows: number,
  sessions: number,
  length: string,
  end: (request: Seen) => Promise<number>,
): Promise<number> {
  const [ana, mia] = [api(world, 'ana'), api(world, 'mia')]
  const past = await connectPostgres({ ...world.target(), database: 'shop', tls: 'disable' })
  const times: number[] = []
  try {
    for (let n = 0; n < windows; n++) {
      const open = await Promise.all(Array.from({ length: sessions }, () => world.session('ana', 'shop-db')))
      const asked = await ana.call('requestWindow', { body: { resource: 'shop-db', verbs: ['write'], for: length } })
      await approve(mia, asked.id)
      const request = await seeRequest(ana, asked.id)
      const mark = `window ${length} ${n}`
      await Promise.all(
        open.map((one, i) =>
          one.query(`UPDATE vouchers SET used = used + 1 WHERE code = 'WELCOME${i + 1}' /* ${mark} */`),
        ),
      )
      times.push(...(await untilGone(open, past, mark, end(request))))
    }
  } finally {
    await past.close()
  }
  return rounded(percentile(times, 0.99))
}

async function untilGone(
  sessions: readonly PgConnection[],
  past: PgConnection,
  mark: string,
  ended: Promise<number>,
): Promise<readonly number[]> {
  const closed = sessions.map((session) => session.closed.then(() => Date.now()))
  let gone: number | undefined
  const watching = until(
    async () => {
      const [left] = await past.query(
        `SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_gate' AND query LIKE '%/* ${mark} */'`,
      )
      if (left?.rows[0]?.[0] !== '0') return undefined
      gone = Date.now()
      return true
    },
    60_000,
    2,
  )
  const from = await ended
  const times = await Promise.all(closed)
  await watching
  if (gone === undefined) throw new Error('backends outlived their window by a minute')
  const last = gone
  return times.map((time) => Math.max(time, last) - from)
}

/** Milliseconds from the command until the demo is ready, the first time and the next. */
export async function measureStarts(rounds: number): Promise<{ readonly cold: number; readonly warm: number }> {
  const cold: number[] = []
  const warm: number[] = []
  for (let round = 0; round < rounds; round++) {
    await using world = await openWorld()
    for (const times of [cold, warm]) {
      const begun = performance.now()
      await world.start()
      times.push(performance.now() - begun)
      await world.stop()
    }
  }
  return { cold: Math.round(median(cold)), warm: Math.round(median(warm)) }
}
