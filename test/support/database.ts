import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { TEMPLATE } from './global-setup.ts'

/** A database of the test's own. */
export interface TestDatabase {
  /** Through the Unix socket. */
  readonly url: string
  /** What a gateway or a client needs to reach it by TCP. */
  readonly target: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password: string
    readonly database: string
    readonly socketDir: string
  }
  /** Runs one statement on a connection of its own. */
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Drops it. Throws when a connection was left open: whoever opens one closes it. */
  close(): Promise<void>
}

/** A fresh database with the current schema. */
export const testDatabase = (): Promise<TestDatabase> => create(inject('serverUrl'), TEMPLATE)

/** A fresh, empty database, to stand behind a gateway or a connector as a target. `url`: of one of `targetServers`. */
export const testServer = (url = inject('serverUrl')): Promise<TestDatabase> => create(url, 'template0')

/** Every server that can be a target here, for `describe.each`: the embedded 18, and 15 or what the machine's packages have. */
export const targetServers = (): readonly { readonly version: string; readonly url: string }[] => inject('servers')

async function create(server: string, template: string): Promise<TestDatabase> {
  const admin = new URL(server)
  admin.pathname = '/postgres'
  const name = `t_${randomBytes(8).toString('hex')}`
  // Cloning is refused for the moment in which another worker clones; STRATEGY makes that moment short.
  await retried(() => once(admin.href, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`))
  const url = new URL(admin)
  url.pathname = `/${name}`
  return {
    url: url.href,
    target: {
      host: '127.0.0.1',
      port: Number(url.port),
      user: url.username,
      password: decodeURIComponent(url.password),
      database: name,
      socketDir: decodeURIComponent(url.hostname),
    },
    query: <R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      once<R>(url.href, text, values),
    async close() {
      const left = await settled(admin.href, name)
      await once(admin.href, `DROP DATABASE ${name} WITH (FORCE)`)
      if (left.length > 0)
        throw new Error(
          `connections were left open to the test database:\n${left.map((row) => JSON.stringify(row)).join('\n')}`,
        )
    },
  }
}

/** The backends still there after they had a moment to go. */
async function settled(url: string, name: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (let tries = 0; ; tries++) {
      const { rows } = await client.query(
        "SELECT pid, application_name, state, left(query, 80) AS query FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
        [name],
      )
      if (rows.length === 0 || tries === 40) return rows
      await client.query('SELECT pg_sleep(0.025)')
    }
  } finally {
    await client.end()
  }
}

async function once<R extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<R>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

async function retried(work: () => Promise<unknown>): Promise<void> {
  for (let left = 20; ; left--) {
    try {
      await work()
      return
    } catch (error) {
      // 55006: the template is being used, by a clone in another worker.
      if (left === 0 || (error as { code?: string }).code !== '55006') throw error
    }
  }
}
