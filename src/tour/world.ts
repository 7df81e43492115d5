import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectPostgres } from '../cli/pg-connection.ts'
import type { PgConnection, PgOptions } from '../cli/pg-connection.ts'
import { SOCKET_PREFIX } from '../store/embedded/postmaster.ts'
import { processesIn, until } from '../store/embedded/process.ts'
import { freePort } from '../store/embedded/start-embedded.ts'
import { killAll, lastLines, start } from './child.ts'
import type { Child } from './child.ts'

/** The command line's entry: `main.ts` beside this folder, or `main.js` when built. */
const MAIN = fileURLToPath(new URL(`../main${path.extname(import.meta.url)}`, import.meta.url))
const READY_MS = 170_000
const STOP_MS = 15_000

export interface Done {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** An installation that nobody else uses: its own folder, ports and processes, with the demo in it. */
export interface World extends AsyncDisposable {
  readonly folder: string
  /** The API's origin. */
  readonly api: string
  readonly gatewayPort: number
  /** The server's process. */
  pid(): number
  /** The target past Holdpoint, as its superuser. */
  target(): { readonly host: string; readonly port: number; readonly user: string; readonly password: string }
  start(): Promise<void>
  /** As Ctrl-C does, until it has ended. */
  stop(): Promise<void>
  /** `kill -9` of the server and of both its PostgreSQLs. */
  crash(): Promise<void>
  /** One `hp` command as somebody of the cast, to its end. */
  hp(as: string, ...args: readonly string[]): Promise<Done>
  /** The same, under way: `hp psql` with a statement, which uses the machine's psql where there is one. */
  psql(as: string, resource: string, sql: string): Child
  /** A session through the gateway that stays open. */
  session(as: string, resource: string, more?: Pick<PgOptions, 'onNotice'>): Promise<PgConnection>
  /** One value, or null, from the target itself, past Holdpoint: as its superuser, on a connection of its own. */
  look(database: string, sql: string): Promise<string | null | undefined>
}

/** Disposing of it ends every process of it and removes its folder, however far it came. */
export async function openWorld(more: NodeJS.ProcessEnv = {}): Promise<World> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdpoint-tour-'))
  const data = path.join(folder, 'data')
  const env = { ...environment(folder), ...more }
  const [api, gateway] = [await freePort(), await freePort()]
  let server: Child | undefined

  const run = (...args: readonly string[]): Child => start(process.execPath, [MAIN, ...args], env, folder)
  const clusters = [path.join(data, 'postgres'), path.join(data, 'demo', 'target', 'postgres')]
  const hp = async (as: string, ...args: readonly string[]): Promise<Done> => {
    const child = run('--as', as, '--no-input', ...args)
    const code = await child.ended
    return { code, out: child.out(), err: child.err() }
  }
  const begin = async (): Promise<void> => {
    const addresses = ['--listen', `127.0.0.1:${api}`, '--gateway', `127.0.0.1:${gateway}`]
    const mine = run('start', '--demo', '--data', data, '--log-level', 'warn', ...addresses)
    server = mine
    let ended: number | undefined
    void mine.ended.then((code) => (ended = code))
    const ready = await until(async () => {
      if (ended !== undefined) return false
      if (!existsSync(path.join(folder, 'demo.json'))) return undefined
      return (await isReady(`http://127.0.0.1:${api}/readyz`)) || undefined
    }, READY_MS)
    if (ready !== true) throw new Error(`the server did not start: ${lastLines(mine.out() + mine.err(), 12)}`)
  }
  const stop = async (): Promise<void> => {
    server?.interrupt()
    const ended = server === undefined ? true : await until(() => endedYet(server), STOP_MS)
    if (ended === undefined) server?.kill()
    await server?.ended
    await rm(path.join(folder, 'demo.json'), { force: true })
  }
  const target = (): ReturnType<World['target']> => {
    const home = path.join(data, 'demo')
    return {
      host: '127.0.0.1',
      port: Number(readFileSync(path.join(home, 'target.port'), 'utf8')),
      user: 'holdpoint',
      password: readFileSync(path.join(home, 'target', 'postgres.password'), 'utf8').trim(),
    }
  }
  return {
    folder,
    api: `http://127.0.0.1:${api}`,
    gatewayPort: gateway,
    pid: () => server?.pid ?? 0,
    target,
    start: begin,
    stop,
    async crash() {
      server?.kill()
      await Promise.all([server?.ended, killClusters(clusters)])
      await rm(path.join(folder, 'demo.json'))
    },
    hp,
    psql: (as, resource, sql) => run('--as', as, '--no-input', 'psql', resource, '-c', sql),
    async session(as, resource, more = {}) {
      const token = await hp(as, 'token')
      if (token.code !== 0) throw new Error(`no token for ${as}: ${lastLines(token.err)}`)
      return connectPostgres({
        host: '127.0.0.1',
        port: gateway,
        user: as,
        database: resource,
        password: token.out.trim(),
        tls: 'require',
        applicationName: 'holdpoint tour',
        ...more,
      })
    },
    async look(database, sql) {
      const connection = await connectPostgres({
        ...target(),
        database,
        tls: 'disable',
        applicationName: 'holdpoint tour, past the gateway',
      })
      try {
        return (await connection.query(sql))[0]?.rows[0]?.[0]
      } finally {
        await connection.close()
      }
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await killAll()
      await killClusters(clusters)
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Nothing of the person's own settings, tokens or demo reaches the tour, and nothing of it stays. */
function environment(folder: string): NodeJS.ProcessEnv {
  const kept = ['PATH', 'TMPDIR', 'LANG', 'LC_ALL', 'HP_PSQL'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(kept),
    HOME: folder,
    XDG_CONFIG_HOME: path.join(folder, 'config'),
    XDG_STATE_HOME: path.join(folder, 'state'),
    XDG_DATA_HOME: path.join(folder, 'share'),
    HP_DEMO_FILE: path.join(folder, 'demo.json'),
    HP_SYSTEM_CONFIG: path.join(folder, 'none.yaml'),
    NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
    NO_COLOR: '1',
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false
  }
}

async function endedYet(child: Child | undefined): Promise<true | undefined> {
  const pending = Symbol('pending')
  return (await Promise.race([child?.ended, Promise.resolve(pending)])) === pending ? undefined : true
}

/** Ends the PostgreSQLs whose data folders these are, every process of them, and removes their socket folders. */
async function killClusters(clusters: readonly string[]): Promise<void> {
  for (const cluster of clusters.filter((folder) => existsSync(folder))) {
    const lines = await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
    const gone = await until(async () => {
      const pids = await processesIn(cluster)
      for (const pid of pids) end(pid)
      return pids.length === 0 || undefined
    }, STOP_MS)
    if (gone === undefined) throw new Error(`the PostgreSQL in ${cluster} cannot be ended`)
    const sockets = lines.split('\n')[4]
    if (sockets?.includes(SOCKET_PREFIX) === true) await rm(sockets, { recursive: true, force: true })
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended a moment ago.
  }
}
