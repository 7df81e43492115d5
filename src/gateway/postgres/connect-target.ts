import { randomBytes } from 'node:crypto'
import { connect as connectTcp, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { OpenTarget } from '../../app/ports/target.ts'
import { isOnThisMachine } from '../../domain/profile/target.ts'
import type { Backend } from '../../domain/session/session.ts'
import { serverEndPoint } from '../../wire/postgres/auth/channel-binding.ts'
import { PostgresClient } from '../../wire/postgres/client.ts'
import type { ClientEvent } from '../../wire/postgres/client.ts'
import { encodeCancelRequest, encodeSslRequest } from '../../wire/postgres/startup.ts'
import type { LocalSockets } from './local-sockets.ts'
import { keepsBackends } from './poolers.ts'
import type { Asked, Poolers } from './poolers.ts'
import { withSharedReads } from './shared-reads.ts'
import { LIFT, STATE_QUERY } from './target-state.ts'

/** A connection that stands, signed in, with what had to be known before the client may speak. */
export interface Connected {
  readonly socket: Socket
  readonly backend: Backend
  readonly key: { readonly pid: number; readonly secret: Buffer } | undefined
  /** What the target reported, in order; the client reads the same. */
  readonly parameters: readonly (readonly [string, string])[]
  /** One row of STATE_QUERY. */
  readonly state: readonly (string | null)[]
  /** Which server answers, of all that this machine may have: since when it runs, with which database, as what. */
  readonly server: string
  /** A pooler stands in front of it: the backend outlives the connection, and may be somebody else's then. */
  readonly pooled: boolean
}
export type ConnectedOrNot =
  | ({ readonly ok: true } & Connected)
  /** A sentence for people, and a SQLSTATE. Never the password, never the target's address beyond its name. */
  | { readonly ok: false; readonly code: string; readonly message: string }

/** Refusals of the TCP or TLS connection, or a target that does not speak as it should. */
class Unreachable extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The moment is spelled out: by the client's DateStyle, another connection could read it as another one. */
const IDENTITY_QUERY = `SELECT pid::pg_catalog.text,
 pg_catalog.to_char(pg_catalog.timezone('UTC', backend_start), 'YYYY-MM-DD HH24:MI:SS.US"+00"'),
 pg_catalog.concat_ws(' ', pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()),
   'YYYY-MM-DD HH24:MI:SS.US'), datid, pg_catalog.version())
 FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()`

/**
 * What runs when this process dies must not run on: the server looks once a second whether anybody is still there. Given
 * when connecting, because RESET ALL and DISCARD ALL, which pools send, go back to what was given then.
 */
const WATCH = ['client_connection_check_interval', '1s'] as const
/** Poolers that know no such parameter, and servers that cannot look (Windows), refuse it with one of these. */
const NOT_TAKEN: ReadonlySet<string> = new Set(['08P01', '0A000', '22023', '42704'])
class NotWatched extends Error {
  readonly code: string
  constructor(code: string) {
    super('a parameter was not taken')
    this.code = code
  }
}
/** What poolers take when connecting; any other is set right behind it. */
const POOLERS_TAKE: ReadonlySet<string> = new Set([
  'client_encoding',
  'datestyle',
  'timezone',
  'standard_conforming_strings',
  'application_name',
])
/** The same for those, as well as they can. The answer is not needed. */
const WATCH_QUERY = `SELECT pg_catalog.set_config('client_connection_check_interval', '1s', false)
 WHERE pg_catalog.version() OPERATOR(pg_catalog.!~*) 'windows|mingw|visual c'`

/**
 * Connect and sign in to a target within `withinMs`, over its socket when it has one on this machine, and read who and
 * what the session is there. Leaves nothing open on failure.
 */
export async function connectTarget(
  target: OpenTarget,
  database: string,
  settings: ReadonlyMap<string, string>,
  withinMs: number,
  signal: AbortSignal,
  sockets: LocalSockets,
  poolers: Poolers,
): Promise<ConnectedOrNot> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
  const near = sockets.near(target)
  if (near !== undefined) {
    const over = await connect(near, database, settings, withinMs, limit, poolers)
    if (sockets.confirms(target, over.ok ? over.server : undefined)) return over
    if (over.ok) over.socket.destroy()
  }
  const connected = await connect(target, database, settings, withinMs, limit, poolers)
  if (connected.ok) sockets.seen(target, connected.server)
  return connected
}

async function connect(
  target: OpenTarget,
  database: string,
  settings: ReadonlyMap<string, string>,
  withinMs: number,
  limit: AbortSignal,
  poolers: Poolers,
): Promise<ConnectedOrNot> {
  const opened: Socket[] = []
  const attempt = async (how: 'watched' | 'unwatched' | 'pooled'): Promise<SignedIn> => {
    const socket = await openSocket(target, limit)
    opened.push(socket)
    return await signIn(socket, target, database, settings, how, limit)
  }
  try {
    let how: 'watched' | 'unwatched' | 'pooled' = 'watched'
    const session = await attempt(how).catch((error: unknown) => {
      if (!(error instanceof NotWatched)) throw error
      opened.pop()?.destroy()
      how = error.code === '08P01' ? 'pooled' : 'unwatched'
      return attempt(how)
    })
    if (session.connected.pooled) {
      const kept = await poolers.keeps(target, database, async () => {
        const other = await attempt(how)
        try {
          return await keepsBackends(session.asked, other.asked)
        } finally {
          opened.pop()?.destroy()
        }
      })
      if (!kept) throw new Unreachable('0A000', NOT_KEPT)
    }
    return { ok: true, ...session.connected }
  } catch (error) {
    for (const socket of opened) socket.destroy()
    if (limit.aborted)
      return { ok: false, code: '08001', message: `the target did not answer within ${Math.round(withinMs / 1000)} s` }
    if (error instanceof Unreachable) return { ok: false, code: error.code, message: error.message }
    return {
      ok: false,
      code: '08001',
      message: `the target cannot be reached (${(error as NodeJS.ErrnoException).code ?? 'failed'})`,
    }
  }
}

const NOT_KEPT =
  'a connection pooler in front of the target gives backends to others between transactions; set pool_mode = session, or give the server itself'

interface SignedIn {
  readonly connected: Connected
  readonly asked: Asked
}

/** Ask the target to stop what runs under `key`, over a connection of its own. Never rejects. */
export async function cancelOnTarget(target: OpenTarget, key: Connected['key']): Promise<void> {
  if (key === undefined) return
  try {
    const socket = await openSocket(target, AbortSignal.timeout(5000))
    socket.on('error', () => undefined)
    // Not ended from here: PgBouncer forgets the request of whoever leaves before it is done, or ends itself by it (1.18).
    socket.write(encodeCancelRequest(key.pid, key.secret))
    await new Promise<void>((resolve) => {
      socket.setTimeout(2000, () => socket.destroy())
      socket.resume().once('end', () => socket.end())
      socket.once('close', () => resolve())
    })
  } catch {
    // A cancel is a wish: PostgreSQL itself answers none.
  }
}

/** Resolves with the first value, rejects when the socket fails or the time is up; leaves no listener behind. */
function awaiting<T>(
  socket: Socket,
  signal: AbortSignal,
  listen: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const finish = (settle: () => void) => {
      stop()
      socket.off('error', failed)
      socket.off('close', closed)
      signal.removeEventListener('abort', late)
      settle()
    }
    const failed = (error: Error) => finish(() => reject(error))
    const closed = () => finish(() => reject(new Unreachable('08006', 'the target closed the connection')))
    const late = () => finish(() => reject(new Unreachable('08001', 'the target did not answer in time')))
    socket.on('error', failed)
    socket.on('close', closed)
    signal.addEventListener('abort', late)
    const stop = listen(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    )
    if (signal.aborted) late()
  })
}

async function openSocket(target: OpenTarget, signal: AbortSignal): Promise<Socket> {
  const { host, port } = target
  const where =
    target.socket === undefined
      ? { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }
      : { path: `${target.socket}/.s.PGSQL.${port}` }
  const raw = withSharedReads((options) => connectTcp({ ...where, ...options }))
  // One that stays: an error between two waits must not end the process.
  raw.on('error', () => undefined)
  try {
    await awaiting<void>(raw, signal, (resolve) => {
      const connected = () => resolve()
      raw.once('connect', connected)
      return () => raw.off('connect', connected)
    })
    if (target.socket !== undefined || target.sslmode === 'disable') return raw
    return await encrypt(raw, target, signal)
  } catch (error) {
    raw.destroy()
    throw error
  }
}

/** False where it offers none, and `sslmode` lets that be. */
async function offersTls(raw: Socket, target: OpenTarget, signal: AbortSignal): Promise<boolean> {
  raw.write(encodeSslRequest())
  const answer = await awaiting<Buffer>(raw, signal, (resolve) => {
    const read = (chunk: Buffer) => {
      raw.pause()
      resolve(chunk)
    }
    raw.once('data', read)
    return () => raw.off('data', read)
  })
  // CVE-2021-23222: whatever stands behind the one byte was not sent inside TLS.
  if (answer.length !== 1) throw new Unreachable('08P01', 'the target sent data before encryption began')
  if (answer[0] === 0x4e && target.sslmode === 'prefer') return false
  if (answer[0] !== 0x53) throw new Unreachable('08001', 'the target does not offer TLS, which its profile asks for')
  return true
}

async function encrypt(raw: Socket, target: OpenTarget, signal: AbortSignal): Promise<Socket> {
  if (target.direct === undefined && !(await offersTls(raw, target, signal))) return raw
  const verify = target.sslmode === 'verify-full'
  const secured = connectTls({
    socket: raw,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    rejectUnauthorized: verify,
    // INVARIANT: whom the certificate must name. Without it an address would be checked as if it were `localhost`.
    host: target.host,
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
  })
  secured.on('error', () => undefined)
  try {
    await awaiting<void>(secured, signal, (resolve) => {
      const done = () => resolve()
      secured.once('secureConnect', done)
      return () => secured.off('secureConnect', done)
    })
  } catch (error) {
    secured.destroy()
    throw error instanceof Unreachable
      ? error
      : new Unreachable('08001', `TLS with the target failed (${(error as NodeJS.ErrnoException).code ?? 'handshake'})`)
  }
  if (target.direct === true && secured.alpnProtocol !== 'postgresql') {
    secured.destroy()
    throw new Unreachable(
      '08001',
      'the target did not say inside TLS that it speaks PostgreSQL (sslnegotiation=direct)',
    )
  }
  return secured
}

/** What any answer before the client may speak comes to at most: parameters, notices, one row. */
const MOST_BYTES = 1024 * 1024
const MOST_PARAMETERS = 500
const TOO_MUCH = 'the target does not speak as it should: it says too much while signing in'

async function signIn(
  socket: Socket,
  target: OpenTarget,
  database: string,
  settings: ReadonlyMap<string, string>,
  how: 'watched' | 'unwatched' | 'pooled',
  signal: AbortSignal,
): Promise<SignedIn> {
  const taken = ([name]: readonly [string, string]): boolean => how !== 'pooled' || POOLERS_TAKE.has(name.toLowerCase())
  const given = [...settings].filter(taken)
  const behind = [...settings].filter((one) => !taken(one))
  const local = isOnThisMachine(target)
  const encrypted = socket instanceof TLSSocket
  const verified = encrypted && target.sslmode === 'verify-full'
  const certificate = encrypted ? socket.getPeerX509Certificate()?.raw : undefined
  const client = new PostgresClient({
    user: target.user,
    database,
    password: target.password ?? '',
    parameters: Object.fromEntries(how === 'watched' ? [...given, WATCH] : given),
    methods: [
      'scram',
      'md5',
      ...(local || encrypted ? (['cleartext'] as const) : []),
      // INVARIANT: whoever stands in the place of the target could pass over the password that would have shown it.
      ...(local || verified || target.password === undefined ? (['none'] as const) : []),
    ],
    nonce: randomBytes(18).toString('base64'),
    // As libpq's channel_binding=prefer: it proves the target even where nobody verifies its certificate.
    endPoint: certificate === undefined ? undefined : serverEndPoint(certificate),
  })
  const parameters: (readonly [string, string])[] = []
  let key: Connected['key']
  const ask = (bytes: Buffer) =>
    awaiting<readonly (string | null)[] | undefined>(socket, signal, (resolve, reject) => {
      let row: readonly (string | null)[] | undefined
      let bytesHeard = 0
      const handle = (event: ClientEvent): boolean => {
        switch (event.kind) {
          case 'send':
            socket.write(event.bytes)
            return false
          case 'parameter':
            parameters.push([event.name, event.value])
            if (parameters.length <= MOST_PARAMETERS) return false
            reject(new Unreachable('08P01', TOO_MUCH))
            return true
          case 'key':
            key = { pid: event.pid, secret: event.secret }
            return false
          case 'row':
            row = event.values
            return false
          case 'error':
            reject(new Unreachable(outside(event.said.code), `the target refuses: ${clean(event.said.message)}`))
            return true
          case 'violation':
            reject(new Unreachable('08P01', `the target does not speak as it should: ${event.reason}`))
            return true
          case 'ready':
            resolve(row)
            return true
          default:
            return false
        }
      }
      const read = (chunk: Buffer) => {
        bytesHeard += chunk.length
        if (bytesHeard > MOST_BYTES) return reject(new Unreachable('08P01', TOO_MUCH))
        client.receive(chunk).some(handle)
        return undefined
      }
      socket.on('data', read)
      socket.resume()
      socket.write(bytes)
      return () => {
        socket.off('data', read)
        socket.pause()
      }
    })
  await ask(client.start()).catch((error: unknown) => {
    const code = error instanceof Unreachable ? error.code : ''
    throw how === 'watched' && NOT_TAKEN.has(code) ? new NotWatched(code) : error
  })
  if (how !== 'watched') await ask(client.query(WATCH_QUERY))
  for (const [name, value] of behind) await ask(client.query(setting(name, value)))
  // A client may connect with a statement_timeout that is too short for questions of the gateway's.
  const identity = await ask(client.query(`${LIFT}; ${IDENTITY_QUERY}`))
  const state = await ask(client.query(`${LIFT}; ${STATE_QUERY}`))
  const pid = Number(identity?.[0])
  const startedAt = identity?.[1]
  const server = identity?.[2]
  if (
    !Number.isSafeInteger(pid) ||
    pid <= 0 ||
    typeof startedAt !== 'string' ||
    typeof server !== 'string' ||
    state === undefined
  ) {
    throw new Unreachable('08P01', 'the target did not say who the session is')
  }
  const asked: Asked = {
    pid,
    identify: async () => Number((await ask(client.query(IDENTITY_QUERY)))?.[0]),
    say: async (sql) => void (await ask(client.query(sql))),
  }
  const pooled = key !== undefined && key.pid !== pid
  return { connected: { socket, backend: { pid, startedAt }, key, parameters, state, server, pooled }, asked }
}

/** Both are the client's. Without a backslash no setting of the session reads the literal as anything else. */
function setting(name: string, value: string): string {
  if (/[\\\0]/.test(name + value))
    throw new Unreachable('22023', 'a connection pooler in front of the target takes no parameter with a backslash')
  const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`
  return `SELECT pg_catalog.set_config(${quote(name)}, ${quote(value)}, false)`
}

/** What goes wrong between Holdpoint and the target is not the client's own sign-in. */
const outside = (code: string): string => (code.startsWith('28') || code === '' ? '08001' : code)
const clean = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, 300)
