import { Kysely, PostgresDialect } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { Schema } from './schema.ts'

/** What an aggregate's queries run on: the pool, or the one connection of a transaction. */
export type Executor = Kysely<Schema>

export interface DatabaseOptions {
  readonly url: string
  /** Connections in the pool; 16 when left out. */
  readonly connections?: number
  readonly log: (message: string) => void
}

/** One connection taken from the pool. Given back with `broken`, it is closed instead of used again. */
export interface Held {
  readonly client: pg.PoolClient
  readonly executor: Executor
  release(broken: boolean): void
}

export interface Database {
  /** Each query may take another connection. */
  readonly executor: Executor
  hold(): Promise<Held>
  close(): Promise<void>
}

/** Longer than any query of ours takes: a store that does not answer is a fault, and faults deny. */
const STATEMENT_MS = 10_000
/** When even the server's own limit brought no answer, the connection is dead. */
const ANSWER_MS = 15_000
const CONNECT_MS = 5_000
/** No transaction of ours waits for anything but the store. */
const FROZEN_MS = 5_000

/** The type int8 in pg_type. */
const INT8 = 20
const defaultParser = pg.types.getTypeParser as (oid: number, format?: 'text') => (text: string) => unknown
/** How every connection of ours reads values: bigint as a number (times, counts), or a fault where that would round. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === INT8 ? exactNumber : defaultParser(oid, format)) as typeof pg.types.getTypeParser,
}

function exactNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`a bigint is too large for a number: ${text}`)
  return value
}

/** What every connection to the store has in common. `name` is shown in pg_stat_activity. */
export const connectionOptions = (url: string, name: string): pg.ClientConfig => ({
  connectionString: url,
  application_name: name,
  types,
  keepAlive: true,
  connectionTimeoutMillis: CONNECT_MS,
})

/** Opens the pool. Nothing connects before the first query. */
export function openDatabase({ url, connections = 16, log }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    ...connectionOptions(url, 'holdpoint'),
    max: connections,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    // A process that freezes in the middle of a transaction loses its locks, by when the others take it for dead.
    idle_in_transaction_session_timeout: FROZEN_MS,
  })
  let closing = false
  pool.on('error', (error) => {
    // The pool forgets its connections before they are quite gone.
    if (!closing) log(`a store connection was lost: ${error.message}`)
  })
  // Lost while in use: what runs on it rejects, and so does what is asked next. It is said once more as an event, which
  // would end the process if nobody heard it.
  pool.on('connect', (client) => client.on('error', ignore))
  return {
    executor: kysely({ connect: async () => careful(await pool.connect()), end: () => pool.end(), options: {} }),
    async hold() {
      const client = await pool.connect()
      return {
        client,
        executor: kysely({
          connect: () => Promise.resolve(borrowed(client)),
          end: () => Promise.resolve(),
          options: {},
        }),
        release(broken) {
          client.release(broken)
        },
      }
    },
    close() {
      closing = true
      return pool.end()
    },
  }
}

const ignore = (): void => undefined
const kysely = (pool: PostgresPool): Executor => new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })

type Query = PostgresPoolClient['query']

/** Queries on one connection that the caller opened, closes, and has begun a transaction on. */
export const executorOn = (client: pg.ClientBase): Executor =>
  kysely({ connect: () => Promise.resolve(borrowed(client)), end: () => Promise.resolve(), options: {} })

/** The connection of a transaction: given back by whoever holds it, not by each query. */
const borrowed = (client: pg.ClientBase): PostgresPoolClient => ({
  query: client.query.bind(client),
  release: ignore,
})

/** A pooled connection that is closed, not used again, once something other than the server's own refusal went wrong on it. */
function careful(client: pg.PoolClient): PostgresPoolClient {
  let broken = false
  const query = async (text: string, parameters: readonly unknown[]): Promise<pg.QueryResult> => {
    try {
      return await client.query(text, [...parameters])
    } catch (error) {
      broken ||= !isAnswer(error)
      throw error
    }
  }
  return { query: query as unknown as Query, release: () => client.release(broken) }
}

/** Whether the server itself refused, so that the connection is still good (FATAL ends it). */
export function isAnswer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR'
}
