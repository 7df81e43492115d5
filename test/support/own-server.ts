import { chmod, chown, cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts'
import type { Embedded } from '../../src/store/embedded/start-embedded.ts'
import { migrate } from '../../src/store/migrate.ts'
import type { TestDatabase } from './database.ts'

/** A PostgreSQL of a test's own, for what would disturb every other test on the run's one server. */
export interface OwnServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  pid(): number
  /** For an installation: migrated, and with nothing to drop in the end. */
  asStore(): Promise<TestDatabase>
  /** From now on it can make no new file of its log, as on a disk that is full or read-only. The answer undoes it. */
  readOnlyLog(): Promise<() => Promise<void>>
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /**
   * A standby as it would be had it received nothing from now on; `promote` makes it a primary. Both share nothing with
   * this one, which goes on.
   */
  standby(): Promise<{ promote(): Promise<OwnServer> } & AsyncDisposable>
}

/** Without fsync unless `durable`: whatever kills it here, the machine stays up. */
export async function ownServer(
  options: { readonly durable?: boolean; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<OwnServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'hp-own-server-'))
  return serverIn(dataDir, await start(dataDir, options.settings ?? {}, options.durable ?? false))
}

const start = (dataDir: string, settings: Readonly<Record<string, string>>, durable = false): Promise<Embedded> =>
  startEmbedded({ dataDir, durable, settings: { max_connections: '200', ...settings }, log: () => undefined })

function serverIn(dataDir: string, server: Embedded): OwnServer {
  const query = async <R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> => {
    const client = new pg.Client(server.url)
    await client.connect()
    try {
      return (await client.query<R>(text, [...values])).rows
    } finally {
      await client.end()
    }
  }
  return {
    url: server.tcpUrl,
    port: server.port,
    pid: server.pid,
    query,
    async readOnlyLog() {
      const log = path.join(dataDir, 'postgres', 'pg_wal')
      const { uid, gid } = await stat(log)
      await chmod(log, 0o500)
      return async () => {
        await chown(log, uid, gid)
        await chmod(log, 0o700)
      }
    },
    async asStore() {
      await migrate(server.tcpUrl)
      const nowhere = { host: '', port: 0, user: '', password: '', database: '', socketDir: '' }
      return { url: server.tcpUrl, target: nowhere, query, close: () => Promise.resolve() }
    },
    async standby() {
      const copy = await mkdtemp(path.join(tmpdir(), 'hp-standby-'))
      const from = path.join(dataDir, 'postgres')
      const to = path.join(copy, 'postgres')
      const client = new pg.Client(server.url)
      await client.connect()
      try {
        await client.query("SELECT pg_backup_start('standby', true)")
        await cp(from, to, { recursive: true, filter: (file) => !/postmaster\.(pid|opts)$|\/pg_wal\/0/.test(file) })
        const { rows } = await client.query<{ label: string }>(
          'SELECT labelfile AS label FROM pg_backup_stop(wait_for_archive => false)',
        )
        await writeFile(path.join(to, 'backup_label'), rows[0]?.label ?? '')
        await cp(path.join(from, 'pg_wal'), path.join(to, 'pg_wal'), { recursive: true, force: true })
      } finally {
        await client.end()
      }
      await cp(path.join(dataDir, 'postgres.password'), path.join(copy, 'postgres.password'))
      return {
        async promote() {
          // Recovery to the end of what it has, and then a new timeline.
          await writeFile(path.join(to, 'recovery.signal'), '')
          await give(to, await stat(from))
          return serverIn(copy, await start(copy, { restore_command: 'false' }))
        },
        [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
      }
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The server's account is not this process's when that is root. */
async function give(folder: string, { uid, gid }: { readonly uid: number; readonly gid: number }): Promise<void> {
  await chown(folder, uid, gid)
  for (const one of await readdir(folder, { recursive: true })) await chown(path.join(folder, one), uid, gid)
}
