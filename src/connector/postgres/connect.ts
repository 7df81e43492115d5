import { createHash } from 'node:crypto'
import pg from 'pg'
import type { OpenTarget } from '../../app/ports/target.ts'
import { proving } from './control-client.ts'

/** Longest wait for a connection to stand, in ms. */
const CONNECT_WITHIN = 5000
/** A control connection that nobody uses is closed after this many ms. */
const IDLE = 10_000
/** Most control connections to one database of one target. */
const MOST = 4

/** Runs `use` on a control connection, and gives it back; one on which `use` failed is closed instead. */
export type WithClient = <T>(use: (client: pg.PoolClient) => Promise<T>) => Promise<T>

export interface Connections {
  on(target: OpenTarget, database: string): WithClient
  close(): Promise<void>
}

/**
 * Names, operators and casts mean what they mean in pg_catalog, whatever the database or role sets. Not given as
 * `options` when connecting: poolers refuse those, or leave them out and say nothing.
 */
const MEANING =
  "set search_path = ''; set standard_conforming_strings = on; set datestyle = 'ISO'; set row_security = on; set default_transaction_read_only = off"

function settings(target: OpenTarget, database: string, ssl: boolean): pg.PoolConfig {
  return {
    host: target.socket ?? target.host,
    port: target.port,
    user: target.user,
    database,
    ...proving(target),
    application_name: 'holdpoint control',
    ssl: ssl ? { rejectUnauthorized: target.sslmode === 'verify-full' } : false,
    ...(target.direct === undefined ? {} : { sslnegotiation: 'direct' }),
    connectionTimeoutMillis: CONNECT_WITHIN,
    idleTimeoutMillis: IDLE,
    max: MOST,
    allowExitOnIdle: true,
  }
}

/** The targets' control connections: a few for each database, closed when idle. Passwords are kept only inside them. */
export function createConnections(): Connections {
  const pools = new Map<string, { pool: pg.Pool; ssl: boolean }>()
  const set = new WeakSet<pg.ClientBase>()

  const make = (target: OpenTarget, database: string, ssl: boolean): { pool: pg.Pool; ssl: boolean } => {
    const pool = new pg.Pool(settings(target, database, ssl))
    // An idle connection that the target closes: the next use makes another. One in use rejects what runs on it, and
    // says so once more as an event, which would end the process if nobody heard it.
    pool.on('error', () => undefined)
    pool.on('connect', (client) => client.on('error', () => undefined))
    return { pool, ssl }
  }

  return {
    on(target, database) {
      const key = createHash('sha256')
        .update(
          JSON.stringify([
            target.host,
            target.socket,
            target.port,
            target.user,
            target.sslmode,
            target.direct,
            database,
            target.password,
          ]),
        )
        .digest('hex')
      return async (use) => {
        let entry = pools.get(key)
        if (entry === undefined) {
          entry = make(target, database, target.sslmode !== 'disable' && target.socket === undefined)
          pools.set(key, entry)
        }
        let client: pg.PoolClient
        try {
          client = await entry.pool.connect()
        } catch (error) {
          if (!(entry.ssl && target.sslmode === 'prefer' && /does not support SSL/.test(String(error)))) throw error
          // The first to hear it makes the pool that all go on with. The old one is not ended: it holds no connection,
          // and others may still wait in it to hear the same.
          const next = pools.get(key)
          const plain = next === undefined || next === entry ? make(target, database, false) : next
          if (next === entry) pools.set(key, plain)
          client = await plain.pool.connect()
        }
        let failed = true
        try {
          if (!set.has(client)) await client.query(MEANING)
          set.add(client)
          const result = await use(client)
          failed = false
          return result
        } finally {
          client.release(failed)
        }
      }
    },
    async close() {
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map(({ pool }) => pool.end()))
    },
  }
}
