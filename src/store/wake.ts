import pg from 'pg'
import type { Wake } from '../app/ports/wake.ts'
import { connectionOptions } from './database.ts'

/** One channel for all subjects: LISTEN takes no patterns. */
const CHANNEL = 'holdpoint'
/** PostgreSQL refuses a NOTIFY payload of 8,000 bytes or more. */
const LONGEST = 7_999
const RETRY_MS = 500

export interface WakeConnection extends Wake {
  /** Tells every replica, this one too. Returns at once; what cannot be told is dropped, since whoever waits also polls. */
  tell(subjects: Iterable<string>): void
  /** Whether other replicas can be heard now. */
  listening(): boolean
  close(): Promise<void>
}

/**
 * Two connections of their own: one listens, one notifies. NOTIFY inside the transactions it tells of would put
 * them behind one lock at commit. Both come back by themselves; after the listener was away, each subscriber hears
 * its own prefix once, since anything may have changed meanwhile.
 */
export function openWake(url: string, log: (message: string) => void): WakeConnection {
  const subscribers = new Set<{ readonly prefix: string; readonly heard: (subject: string) => void }>()
  const listener = keepConnected(url, 'holdpoint listen', log, async (client) => {
    client.on('notification', ({ payload = '' }) => {
      for (const { prefix, heard } of subscribers) if (payload.startsWith(prefix)) heard(payload)
    })
    await client.query(`LISTEN ${CHANNEL}`)
    for (const { prefix, heard } of subscribers) heard(prefix)
  })
  const notifier = keepConnected(url, 'holdpoint notify', log, async (client) => {
    // NOTIFY commits a transaction of its own, and nobody is told sooner for its being on disk.
    await client.query('SET synchronous_commit = off')
    await flush()
  })

  let waiting = new Set<string>()
  let flushing: Promise<void> | undefined
  const flush = (): Promise<void> => (flushing ??= drain().finally(() => (flushing = undefined)))
  async function drain(): Promise<void> {
    while (waiting.size > 0) {
      const client = notifier.current()
      if (client === undefined) return
      const batch = [...waiting]
      waiting = new Set()
      try {
        await client.query('SELECT pg_notify($1, subject) FROM unnest($2::text[]) AS subject', [CHANNEL, batch])
      } catch (error) {
        log(`waking others failed: ${messageOf(error)}`)
        return
      }
    }
  }

  return {
    subscribe(prefix, heard) {
      const subscriber = { prefix, heard }
      subscribers.add(subscriber)
      return () => void subscribers.delete(subscriber)
    },
    tell(subjects) {
      for (const subject of subjects) if (Buffer.byteLength(subject) <= LONGEST) waiting.add(subject)
      void flush()
    },
    listening: () => listener.current() !== undefined,
    async close() {
      await flushing
      await Promise.all([listener.close(), notifier.close()])
    },
  }
}

/** A connection that is opened again whenever it is lost. `ready` runs on each new one before it counts as connected. */
function keepConnected(
  url: string,
  name: string,
  log: (message: string) => void,
  ready: (client: pg.Client) => Promise<void>,
) {
  let client: pg.Client | undefined
  let connected = false
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    const mine = new pg.Client({ ...connectionOptions(url, name), query_timeout: 15_000 })
    client = mine
    let lost = false
    const again = (why: string): void => {
      if (lost) return
      lost = true
      connected = false
      mine.removeAllListeners('notification')
      void mine.end().catch(() => undefined)
      if (closed) return
      log(`${name}: ${why}; connecting again`)
      timer = setTimeout(() => void connect(), RETRY_MS)
    }
    mine.on('error', (error) => again(error.message))
    mine.on('end', () => again('the connection ended'))
    try {
      await mine.connect()
      connected = true
      await ready(mine)
    } catch (error) {
      again(messageOf(error))
    }
  }
  const first = connect()

  return {
    current: () => (connected ? client : undefined),
    async close() {
      closed = true
      clearTimeout(timer)
      await first
      clearTimeout(timer)
      await client?.end().catch(() => undefined)
    },
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
