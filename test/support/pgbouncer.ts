import { spawn } from 'node:child_process'
import { accessSync, chownSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { until } from '../../src/store/embedded/process.ts'
import { freePort } from '../../src/store/embedded/start-embedded.ts'

/** Debian's PgBouncer; undefined when this machine does not have it. */
export const pgbouncer = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin']
  .map((folder) => path.join(folder, 'pgbouncer'))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })

export interface Pooler {
  readonly port: number
  stop(): Promise<void>
}

/** PgBouncer in front of a server, reached by TCP with the same user and password. `more`: further lines of its settings. */
export async function startPgbouncer(
  target: { readonly host: string; readonly port: number; readonly user: string; readonly password: string },
  mode: 'session' | 'transaction' | 'statement',
  more = '',
): Promise<Pooler> {
  if (pgbouncer === undefined) throw new Error('there is no PgBouncer on this machine')
  const folder = mkdtempSync(path.join(tmpdir(), 'hp-pgbouncer-'))
  const port = await freePort()
  const { host, user, password } = target
  const ini = path.join(folder, 'pgbouncer.ini')
  writeFileSync(path.join(folder, 'users.txt'), `"${user}" "${password}"\n`, { mode: 0o600 })
  writeFileSync(
    ini,
    `[databases]
* = host=${host} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users.txt
pool_mode = ${mode}
default_pool_size = 12
logfile = ${folder}/pgbouncer.log
${more}
`,
  )
  // It refuses to run as root.
  const [, , uid, gid] =
    process.getuid?.() === 0
      ? (/^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [])
      : ([] as string[])
  const account = uid === undefined || gid === undefined ? {} : { uid: Number(uid), gid: Number(gid) }
  if (uid !== undefined)
    for (const file of [folder, ini, path.join(folder, 'users.txt')]) chownSync(file, Number(uid), Number(gid))
  const child = spawn(pgbouncer, [ini], { ...account, stdio: 'ignore', cwd: folder })
  let ended = false
  child.on('error', () => (ended = true))
  child.on('exit', () => (ended = true))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    if ((await until(() => ended || undefined, 10_000)) === undefined) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const up = await until(async () => {
    if (ended) return false
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return true
    } catch {
      return undefined
    }
  }, 10_000)
  if (up === true) return { port, stop }
  await stop()
  throw new Error('PgBouncer did not start')
}
