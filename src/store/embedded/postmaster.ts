import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { bareEnvironment, dataArgument } from './cluster.ts'
import { processesIn, until } from './process.ts'

/** Its own file, in the data folder; started afresh above this size. */
const LOG_LIMIT = 16 * 1024 * 1024
const START_MS = 60_000
const STOP_MS = 30_000
const QUIT_MS = 10_000

export interface Launch {
  readonly cluster: Cluster
  readonly port: number
  readonly socketDir: string
  readonly logFile: string
  /** Settings besides those below, as `-c name=value`. */
  readonly settings: Readonly<Record<string, string>>
}

/** A server that has said `ready`. It is a child of this process, in a process group of its own: Ctrl-C is for us, not for it. */
export interface Postmaster {
  readonly pid: number
  /** Resolves when it is gone, wanted or not. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

/** Starts the server and waits until it takes connections. Throws with the end of its log when it does not. */
export async function launch({ cluster, port, socketDir, logFile, settings }: Launch): Promise<Postmaster> {
  const parameters: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
    // A failed statement's text may hold what must not be in a log.
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
    ...settings,
  }
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) truncateSync(logFile)
  const output = openSync(logFile, 'a', 0o600)
  const from = statSync(logFile).size
  const args = [
    '-D',
    dataArgument(cluster),
    ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  let child: ChildProcess
  try {
    child = spawn(cluster.binaries.postgres, args, {
      cwd: cluster.folder,
      ...cluster.account,
      env: bareEnvironment(),
      stdio: ['ignore', output, output],
      detached: true,
    })
  } finally {
    closeSync(output)
  }
  let gone: string | undefined
  const exited = new Promise<void>((resolve) => {
    child.on('error', (error) => resolve(void (gone = error.message)))
    child.on('exit', (code, signal) => resolve(void (gone = signal ?? `exit ${code}`)))
  })
  const quit = async (): Promise<void> => {
    child.kill('SIGQUIT')
    if ((await until(() => gone, QUIT_MS)) === undefined) child.kill('SIGKILL')
  }
  const state = await until(
    () => (gone === undefined ? readyPid(cluster.folder) === child.pid || undefined : false),
    START_MS,
  )
  const { pid } = child
  if (state !== true || pid === undefined) {
    if (gone === undefined) await quit()
    throw new Error(
      `The embedded PostgreSQL did not start (${gone ?? 'no answer'}):\n${readFileSync(logFile).subarray(from).toString().trim()}`,
    )
  }
  return {
    pid,
    exited,
    async stop() {
      if (gone !== undefined) return
      child.kill('SIGINT')
      if ((await until(() => gone, STOP_MS)) === undefined) await quit()
      await exited
    },
  }
}

/**
 * Ends a server that an earlier Holdpoint left running in this folder, cleanly if it lets itself be stopped, and
 * clears away what a dead one left. INVARIANT: the caller holds the folder's lock, so no live Holdpoint owns that
 * server; and the lock file goes only when no process of that server is left, since two on one folder destroy it.
 * Its socket's folder goes too, unless it is `keep`.
 */
export async function endOrphan({ folder }: Cluster, log: (message: string) => void, keep?: string): Promise<void> {
  const [pidLine, , , , socketDir] = readPidFile(folder)
  if (pidLine === undefined) return
  const pid = Number(pidLine)
  const left = await processesIn(folder)
  if (left.includes(pid)) {
    log(`stopping the PostgreSQL (process ${pid}) that an earlier run left behind`)
    signal(pid, 'SIGINT')
  }
  if (!(await emptied(folder, STOP_MS)))
    for (const one of await processesIn(folder)) signal(one, one === pid ? 'SIGQUIT' : 'SIGTERM')
  if (!(await emptied(folder, QUIT_MS))) for (const one of await processesIn(folder)) signal(one, 'SIGKILL')
  if (!(await emptied(folder, QUIT_MS)))
    throw new Error(`A PostgreSQL of an earlier run (process ${pid}) still uses ${folder} and cannot be ended`)
  rmSync(join(folder, 'postmaster.pid'), { force: true })
  if (socketDir?.includes(SOCKET_PREFIX) && socketDir !== keep) rmSync(socketDir, { recursive: true, force: true })
}

/** Whether no process is left in the folder, now or within the time. */
const emptied = async (folder: string, withinMs: number): Promise<boolean> =>
  (await until(async () => (await processesIn(folder)).length === 0 || undefined, withinMs)) ?? false

/** Begins the name of the private folder of a server's Unix socket. */
export const SOCKET_PREFIX = 'holdpoint-pg-'

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Lines: pid, data folder, start time, port, socket folder, address, shared memory, status (PostgreSQL's pidfile.h). */
function readPidFile(folder: string): readonly string[] {
  try {
    return readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

function readyPid(folder: string): number | undefined {
  const lines = readPidFile(folder)
  return lines[7]?.trim() === 'ready' ? Number(lines[0]) : undefined
}
