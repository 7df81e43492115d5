import { randomBytes } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { serverEndPoint } from '../wire/postgres/auth/channel-binding.ts'
import { PostgresClient } from '../wire/postgres/client.ts'
import type { ClientEvent, Said, SignInMethod } from '../wire/postgres/client.ts'
import { TERMINATE } from '../wire/postgres/frontend.ts'
import { encodeCancelRequest, encodeSslRequest } from '../wire/postgres/startup.ts'

/** `disable`: plain text. `require`: encrypted, whoever answers. `ca`: that certificate must vouch for the host. */
export type TlsChoice = 'disable' | 'require' | { readonly ca: string }

export interface PgOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly password: string
  readonly tls: TlsChoice
  readonly applicationName?: string
  /** Settings for the session, sent when connecting: `holdpoint.reason`. */
  readonly parameters?: Readonly<Record<string, string>>
  /** SCRAM alone when left out. */
  readonly methods?: readonly SignInMethod[]
  /** As they come, a notice about a hold among them. */
  readonly onNotice?: (notice: Said) => void
}

/** One statement's result; rows as text. */
export interface PgResult {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** `DELETE 1204`. */
  readonly tag: string
}

/** The server's error, or the end of the connection (`code` is then `08006`). */
export class PgError extends Error {
  override readonly name = 'PgError'
  readonly said: Said
  constructor(said: Said, options?: ErrorOptions) {
    super(said.message, options)
    this.said = said
  }
  get code(): string {
    return this.said.code
  }
}

const lost = (message: string, cause?: unknown): PgError => {
  const said = { severity: 'FATAL', code: '08006', message }
  return new PgError(said, cause === undefined ? undefined : { cause })
}

export interface PgConnection {
  /** Of the server's process, or of what stands for it. */
  readonly pid: number
  /** Runs one query text, which may hold several statements; an error among them rejects. One at a time. @throws PgError */
  query(text: string): Promise<readonly PgResult[]>
  /** Asks on a connection of its own that the running query stops. Resolves when the server took the request. */
  cancel(): Promise<void>
  /** The end of the connection, whoever ended it; the last error the server said, when it said one. Never rejects. */
  readonly closed: Promise<PgError | undefined>
  close(): Promise<void>
}

/** Connects and signs in. @throws PgError */
export async function connectPostgres(options: PgOptions): Promise<PgConnection> {
  const socket = await openSocket(options)
  const client = new PostgresClient({
    user: options.user,
    database: options.database,
    password: options.password,
    nonce: randomBytes(18).toString('base64'),
    // Proves that whoever answers is the gateway itself, whose certificate may be its own.
    endPoint: endPointOf(socket),
    parameters: { application_name: options.applicationName ?? 'hp', client_encoding: 'UTF8', ...options.parameters },
    ...(options.methods === undefined ? {} : { methods: options.methods }),
  })
  let key: { readonly pid: number; readonly secret: Buffer } | undefined
  let failed: PgError | undefined
  let results: PgResult[] = []
  let open: { columns: readonly string[]; rows: (readonly (string | null)[])[] } = { columns: [], rows: [] }
  let waiting: { resolve: (results: readonly PgResult[]) => void; reject: (error: PgError) => void } | undefined
  let ended = false

  const settle = (): void => {
    const waiter = waiting
    const error = failed
    const got = results
    waiting = undefined
    failed = undefined
    results = []
    open = { columns: [], rows: [] }
    if (error !== undefined) waiter?.reject(error)
    else waiter?.resolve(got)
  }
  const hear = (event: ClientEvent): void => {
    switch (event.kind) {
      case 'send':
        socket.write(event.bytes)
        return
      case 'ready':
        return settle()
      case 'notice':
        return options.onNotice?.(event.said)
      case 'error':
        failed ??= new PgError(event.said)
        return
      case 'columns':
        open = { columns: event.names, rows: [] }
        return
      case 'row':
        open.rows.push(event.values)
        return
      case 'copied':
        open.rows.push([event.bytes.toString().replace(/\n$/, '')])
        return
      case 'complete':
        results.push({ ...open, tag: event.tag })
        open = { columns: [], rows: [] }
        return
      case 'key':
        key = { pid: event.pid, secret: event.secret }
        return
      case 'violation':
        failed ??= lost(`the server broke the protocol: ${event.reason}`)
        socket.destroy()
        return
      case 'parameter':
        return
    }
  }
  const closed = new Promise<PgError | undefined>((resolve) => {
    let fault: Error | undefined
    socket.on('error', (error) => (fault = error))
    socket.on('close', () => {
      ended = true
      const said = failed
      failed ??= lost('the server closed the connection', fault)
      settle()
      resolve(said)
    })
  })
  socket.on('data', (chunk: Buffer) => {
    for (const event of client.receive(chunk)) hear(event)
  })
  const turn = (bytes: () => Buffer): Promise<readonly PgResult[]> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(lost('the connection is closed'))
      if (waiting !== undefined) return reject(new TypeError('one query at a time'))
      const written = bytes()
      waiting = { resolve, reject }
      socket.write(written)
    })

  await turn(() => client.start())
  return {
    pid: key?.pid ?? 0,
    query: (text) => turn(() => client.query(text)),
    async cancel() {
      if (key === undefined) throw lost('the server gave no key to cancel with')
      await sendCancel(options, encodeCancelRequest(key.pid, key.secret))
    },
    closed,
    async close() {
      if (!ended) socket.end(TERMINATE)
      await closed
    },
  }
}

/** A socket that is connected and, when asked for, encrypted. */
async function openSocket({ host, port, tls }: PgOptions): Promise<Socket> {
  const plain = connectTcp({ host, port, noDelay: true })
  await connected(plain, 'connect')
  if (tls === 'disable') return plain
  plain.write(encodeSslRequest())
  const answer = await new Promise<Buffer>((resolve, reject) => {
    plain.once('error', (cause) => reject(lost('the server does not answer', cause)))
    plain.once('close', () => reject(lost('the server closed the connection')))
    plain.once('data', resolve)
  })
  // Bytes behind the answer came before encryption: somebody in between wrote them (CVE-2021-23222).
  if (answer.length !== 1 || answer[0] !== 0x53) {
    plain.destroy()
    throw lost(answer[0] === 0x4e ? 'the server does not speak TLS' : 'the server broke the protocol before TLS')
  }
  plain.removeAllListeners()
  const secure = connectTls({
    socket: plain,
    host,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    ...(tls === 'require' ? { rejectUnauthorized: false } : { ca: tls.ca }),
  })
  await connected(secure, 'secureConnect')
  return secure
}

function endPointOf(socket: Socket): Buffer | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
  return certificate === undefined ? undefined : serverEndPoint(certificate)
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(lost(`the server cannot be reached: ${cause.message}`, cause))
    socket.once('error', fail)
    socket.once(event, () => {
      socket.removeListener('error', fail)
      resolve()
    })
  })
}

async function sendCancel(options: PgOptions, request: Buffer): Promise<void> {
  const socket = await openSocket(options)
  await new Promise<void>((resolve, reject) => {
    socket.on('error', (cause) => reject(lost('the request to cancel was not taken', cause)))
    socket.on('close', () => resolve())
    // The server says nothing and closes: what it may have sent is read away so that the end is seen.
    socket.resume()
    socket.write(request)
  })
}
