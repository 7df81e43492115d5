import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Fleet, Replica } from '../support/fleet.ts'

/*
 * A load of requests on replicas that die: people who run held statements and use windows, and people who review. What
 * each of them was told is kept, to be compared with what the target holds in the end.
 */

/** What a client was told about a statement that was held. */
export interface Told {
  /** Stands in the statement and in the row it makes. */
  readonly mark: string
  /** `ok` when the row was acknowledged as committed. */
  readonly outcome: 'ok' | 'denied' | 'failed'
}

export interface Load {
  readonly told: readonly Told[]
  /** Faults of the test itself. */
  readonly wrong: readonly unknown[]
  /** Resolves when nobody asks for anything any more. */
  stop(): Promise<void>
}

export type Random = () => number

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
export const among = <T>(random: Random, all: readonly T[]): T => {
  const one = all[Math.floor(random() * all.length)]
  if (one === undefined) throw new Error('among nothing')
  return one
}
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** How long a client waits for an answer before it takes its line for dead, as a driver with a timeout does. In ms. */
const PATIENCE_MS = 12_000

export function startLoad(at: Fleet, random: Random, people = 6): Load {
  const told: Told[] = []
  const wrong: unknown[] = []
  const goesOn = { asking: true, reviewing: true }
  const anyone = (): Replica => among(random, at.replicas)
  const again = async (work: () => Promise<void>, while_: () => boolean): Promise<void> => {
    while (while_()) {
      await work().catch((error: unknown) => {
        if (error instanceof TypeError || error instanceof ReferenceError) wrong.push(error)
      })
      await pause(20 + random() * 80)
    }
  }

  const person = async (): Promise<void> => {
    const client = new pg.Client({
      ...at.connection(anyone()),
      connectionTimeoutMillis: 5_000,
      query_timeout: PATIENCE_MS,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      for (let left = 1 + Math.floor(random() * 3); left > 0 && goesOn.asking; left--) {
        const mark = randomUUID()
        if (random() < 0.2) await client.query('SELECT count(*) FROM marks')
        const insert = `INSERT INTO marks VALUES ('${mark}')`
        const inTransaction = random() < 0.3
        const running = inTransaction ? transaction(client, insert) : client.query(insert)
        // Some leave without waiting.
        const leaves = random() < 0.1
        if (leaves) setTimeout(() => lineOf(client).destroy(), random() * 1_000)
        const outcome = await running.then(
          () => 'ok' as const,
          (error: { code?: string }) => (error.code === '42501' ? ('denied' as const) : ('failed' as const)),
        )
        told.push({ mark, outcome })
        if (outcome === 'failed') return
      }
    } finally {
      await Promise.race([client.end().catch(() => undefined), pause(1_000)])
      lineOf(client).destroy()
    }
  }
  const reviewer = async (): Promise<void> => {
    const mia = at.as('mia', anyone())
    const { needsMe } = await mia.call('getInbox', {})
    for (const { id, digest } of needsMe) {
      if (random() < 0.05) continue
      const verdict = random() < 0.12 ? ('deny' as const) : ('approve' as const)
      const words = verdict === 'deny' ? { words: 'not now' } : {}
      await at
        .as('mia', anyone())
        .call('review', { params: { id }, body: { verdict, digest, ...words } })
        .catch(() => undefined)
    }
  }
  /** Windows of `delete`, used and revoked. */
  const windows = async (): Promise<void> => {
    const asked = await at.as('ana', anyone()).call('requestWindow', {
      body: { resource: 'shop-db', verbs: ['delete'], for: '30s' },
    })
    await pause(500)
    const client = new pg.Client({ ...at.connection(anyone()), connectionTimeoutMillis: 5_000, query_timeout: 5_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query("DELETE FROM marks WHERE mark = 'nothing has this'")
      await at.as('mia', anyone()).call('revokeGrant', { params: { id: asked.id }, body: {} })
    } finally {
      lineOf(client).destroy()
    }
  }
  const loops = [
    ...Array.from({ length: people }, () => again(person, () => goesOn.asking)),
    again(windows, () => goesOn.asking),
  ]
  const reviewing = Array.from({ length: 2 }, () => again(reviewer, () => goesOn.reviewing))
  return {
    told,
    wrong,
    async stop() {
      goesOn.asking = false
      await Promise.all(loops)
      goesOn.reviewing = false
      await Promise.all(reviewing)
    },
  }
}

async function transaction(client: pg.Client, insert: string): Promise<void> {
  await client.query('BEGIN')
  await client.query(insert)
  const { command } = await client.query('COMMIT')
  if (command !== 'COMMIT') throw new Error('rolled back')
}

/** The socket under a client. */
const lineOf = (client: pg.Client): { destroy(): void } =>
  (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream
