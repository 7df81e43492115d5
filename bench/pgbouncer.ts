import { spawn } from 'node:child_process'
import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connectPostgres } from '../src/cli/pg-connection.ts'
import { until } from '../src/store/embedded/process.ts'
import { freePort } from '../src/store/embedded/start-embedded.ts'

export interface Bouncer {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export interface BouncerTarget {
  /** An address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** A file with certificate and key, for clients that ask for TLS. */
  readonly tls?: string
}

/** PgBouncer in front of `target`: session pooling, SCRAM on both sides, the same user and password. */
export async function startBouncer(program: string, target: BouncerTarget): Promise<Bouncer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdpoint-bench-'))
  const port = await freePort()
  const { host, user, password, database } = target
  const files = ['', 'users.txt', 'pgbouncer.ini']
  writeFileSync(path.join(folder, 'users.txt'), `"${user}" "${password}"\n`, { mode: 0o600 })
  if (target.tls !== undefined) {
    copyFileSync(target.tls, path.join(folder, 'tls.pem'))
    files.push('tls.pem')
  }
  const tls = `client_tls_sslmode = allow\nclient_tls_key_file = ${folder}/tls.pem\nclient_tls_cert_file = ${folder}/tls.pem\n`
  writeFileSync(
    path.join(folder, 'pgbouncer.ini'),
    `[databases]
${database} = host=${host} port=${target.port} dbname=${database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users.txt
pool_mode = session
default_pool_size = 64
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
logfile = ${folder}/pgbouncer.log
${target.tls === undefined ? '' : tls}`,
  )
  const account = unprivileged(host)
  if (account !== undefined) for (const name of files) chownSync(path.join(folder, name), account.uid, account.gid)
  const child = spawn(program, [path.join(folder, 'pgbouncer.ini')], { ...account, stdio: 'ignore', cwd: folder })
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
    try {
      await (await connectPostgres({ host: '127.0.0.1', port, user, password, database, tls: 'disable' })).close()
      return true
    } catch {
      return undefined
    }
  }, 10_000)
  if (up !== true || child.pid === undefined) {
    const log = ended ? 'it ended at once' : 'nobody could sign in'
    await stop()
    throw new Error(`PgBouncer did not start: ${log}`)
  }
  return { port, pid: child.pid, stop }
}

/** PgBouncer refuses to run as root: it runs as whoever may enter the socket's folder. */
function unprivileged(host: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  if (host.startsWith('/')) {
    const { uid, gid } = statSync(host)
    if (uid !== 0) return { uid, gid }
  }
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error('there is no user nobody to run PgBouncer as')
  return { uid: Number(uid), gid: Number(gid) }
}
