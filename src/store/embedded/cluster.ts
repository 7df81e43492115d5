import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'

/** The superuser of the embedded server. */
export const SUPERUSER = 'holdpoint'

/** A cluster on disk, and how its binaries are to be run. */
export interface Cluster {
  readonly folder: string
  readonly account: Account | undefined
  readonly binaries: Binaries
}

/**
 * What to give to `-D`. As root on Linux the server's account may be unable to walk the path to the data folder
 * (/root is closed to it), so the server is started standing in the folder and reaches it as /proc/self/cwd; nobody
 * else gains access to anything.
 */
export function dataArgument({ folder, account }: Cluster): string {
  return account !== undefined && process.platform === 'linux' ? '/proc/self/cwd' : folder
}

/** PostgreSQL's programs get no variable of ours: PG* would steer them, and the rest may hold secrets. */
export const bareEnvironment = (): NodeJS.ProcessEnv => ({ PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' })

/** The password of the superuser, made when the data folder was. */
export function readPassword(file: string): string {
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true })
  return readFileSync(file, 'utf8').trim()
}

/**
 * Makes the cluster when there is none. It is made beside its place and renamed, so a crash in between leaves
 * nothing half-made. Needs the folder's lock. Throws when an existing cluster is another major version's.
 */
export async function ensureCluster(cluster: Cluster, password: string, expectedMajor: string): Promise<void> {
  const version = join(cluster.folder, 'PG_VERSION')
  if (existsSync(version)) {
    const major = readFileSync(version, 'utf8').trim()
    if (major === expectedMajor) return
    throw new Error(
      `The data in ${cluster.folder} was written by PostgreSQL ${major}; this Holdpoint brings PostgreSQL ${expectedMajor}. Upgrade it with pg_upgrade, or restore a backup.`,
    )
  }
  const making = `${cluster.folder}.new`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { recursive: true, mode: 0o700 })
  const given = join(dirname(cluster.folder), `${basename(cluster.folder)}.initial`)
  writeFileSync(given, `${password}\n`, { mode: 0o600 })
  if (cluster.account) for (const path of [making, given]) chownSync(path, cluster.account.uid, cluster.account.gid)
  const stdin = openSync(given, 'r')
  try {
    await initialise({ ...cluster, folder: making }, stdin)
  } finally {
    closeSync(stdin)
    rmSync(given, { force: true })
  }
  renameSync(making, cluster.folder)
}

/** The password comes on standard input: never on the command line, never in a file that stays. */
function initialise(cluster: Cluster, stdin: number): Promise<void> {
  const args = [
    '-D',
    dataArgument(cluster),
    '-U',
    SUPERUSER,
    '-E',
    'UTF8',
    '--locale=C',
    '--data-checksums',
    '-A',
    'scram-sha-256',
    '--pwfile=/dev/stdin',
  ]
  return new Promise((resolve, reject) => {
    const child = spawn(cluster.binaries.initdb, args, {
      cwd: cluster.folder,
      ...cluster.account,
      env: bareEnvironment(),
      stdio: [stdin, 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => (said += bytes.toString()))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`initdb failed (${code ?? 'killed'}):\n${said.trim()}`)),
    )
  })
}
