import { randomBytes } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { PostgresClient } from '../wire/postgres/client.ts'
import type { ClientEvent, Said } from '../wire/postgres/client.ts'
import { encodeCancelRequest, encodeSslRequest } from '../wire/postgres/startup.ts'
import type { GatewayAccess } from './gateway-access.ts'

/** What a query brings, as it comes. */
export interface QuerySink {
  readonly columns: (names: readonly string[]) => void
  readonly row: (values: readonly (string | null)[]) => void
  readonly copied: (bytes: Buffer) => void
  readonly complete: (tag: string) => void
  readonly said: (kind: 'notice' | 'error', said: Said) => void
}

export interface GatewayConnection {
  /** One simple query. Resolves with whether it went without an error. @throws Error when the connection ends. */
  query(text: string, sink: QuerySink): Promise<boolean>
  /** Asks the gateway to cancel what runs or waits. */
  cancel(): void
  close(): void
}

const CONNECT_WITHIN = 10_000
const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)

/** The connection ended, with the words that the gateway sent before, if any. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** Signs in and waits until a query may be sent. `said` hears what is said outside a query. @throws ConnectionLost */
export async function connectGateway(
  access: GatewayAccess,
  database: string,
  parameters: Readonly<Record<string, string>>,
  said: QuerySink['said'],
): Promise<GatewayConnection> {
  const socket = await openSocket(access)
  const client = new PostgresClient({
    user: access.user,
    database,
    password: access.token,
    parameters: { client_encoding: 'UTF8', application_name: 'hp', ...parameters },
    nonce: randomBytes(24).toString('base64'),
  })
  let key: { readonly pid: number; readonly secret: Buffer } | undefined
  let sink: QuerySink | undefined
  let failed = false
  let lost: ConnectionLost | undefined
  let lastError: string | undefined
  let settle: { readonly resolve: (ok: boolean) => void; readonly reject: (error: Error) => void } | undefined
  const end = (message: string): void => {
    lost ??= new ConnectionLost(lastError ?? message)
    socket.destroy()
    settle?.reject(lost)
    settle = undefined
  }
  const hear = (event: ClientEvent): void => {
    switch (event.kind) {
      case 'send':
        socket.write(event.bytes)
        return
      case 'ready': {
        const waiting = settle
        settle = undefined
        waiting?.resolve(!failed)
        return
      }
      case 'notice':
      case 'error':
        if (event.kind === 'error') {
          failed = true
          if (sink === undefined) lastError = event.said.message
        }
        ;(sink?.said ?? said)(event.kind, event.said)
        return
      case 'columns':
        sink?.columns(event.names)
        return
      case 'row':
        sink?.row(event.values)
        return
      case 'copied':
        sink?.copied(event.bytes)
        return
      case 'complete':
        sink?.complete(event.tag)
        return
      case 'key':
        key = event
        return
      case 'violation':
        end(`the gateway sent ${event.reason}`)
        return
      case 'parameter':
    }
  }
  socket.on('data', (chunk: Buffer) => {
    for (const event of client.receive(chunk)) hear(event)
  })
  socket.on('error', (error) => end(error.message))
  socket.on('close', () => end('the gateway closed the connection'))
  const untilReady = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      if (lost !== undefined) reject(lost)
      else settle = { resolve, reject }
    })

  const ready = untilReady()
  socket.write(client.start())
  await ready
  return {
    async query(text, given) {
      const done = untilReady()
      sink = given
      failed = false
      if (lost === undefined) socket.write(client.query(text))
      try {
        return await done
      } finally {
        sink = undefined
      }
    },
    cancel() {
      if (key === undefined) return
      const { pid, secret } = key
      // A plain CancelRequest, on a connection of its own (PostgreSQL 18, 54.2.8).
      const once = connectSocket({ host: access.host, port: access.port }, () =>
        once.end(encodeCancelRequest(pid, secret)),
      )
      once.on('error', () => undefined)
    },
    close() {
      socket.removeAllListeners('close')
      socket.on('close', () => undefined)
      socket.end(TERMINATE)
    },
  }
}

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])

/** Plain on loopback, TLS elsewhere (as libpq's sslmode=require: SCRAM proves the gateway, the certificate may be its own). */
async function openSocket(access: GatewayAccess): Promise<Socket> {
  const { host, port } = access
  const socket = connectSocket({ host, port, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(CONNECT_WITHIN, () => socket.destroy(new Error(`${host}:${port} does not answer`)))
    socket.once('connect', resolve)
    socket.once('error', (cause) =>
      reject(new ConnectionLost(`the gateway at ${host}:${port} does not answer`, { cause })),
    )
  })
  socket.setTimeout(0)
  socket.removeAllListeners('error')
  if (isLoopback(host)) return socket
  socket.write(encodeSslRequest())
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new ConnectionLost('the gateway closed the connection')))
  })
  socket.removeAllListeners()
  // Anything behind the one byte was not sent by the gateway under TLS (CVE-2021-23222).
  if (answer.length !== 1 || answer[0] !== 0x53) {
    socket.destroy()
    throw new ConnectionLost('the gateway does not offer TLS; the token was not sent')
  }
  const secure = connectTls({ socket, servername: host, rejectUnauthorized: false })
  await new Promise<void>((resolve, reject) => {
    secure.once('secureConnect', resolve)
    secure.once('error', (cause) => reject(new ConnectionLost('TLS with the gateway failed', { cause })))
  })
  secure.removeAllListeners('error')
  return secure
}
