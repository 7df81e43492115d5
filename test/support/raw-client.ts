import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { SecureVersion } from 'node:tls'
import { serverEndPoint } from '../../src/wire/postgres/auth/channel-binding.ts'
import { PostgresClient } from '../../src/wire/postgres/client.ts'
import { decodeFields } from '../../src/wire/postgres/backend.ts'
import { FrameReader } from '../../src/wire/postgres/frame.ts'
import { encodeSslRequest } from '../../src/wire/postgres/startup.ts'

export interface RawMessage {
  /** The type byte as a letter. */
  readonly type: string
  readonly bytes: Buffer
}

/** A client that speaks in single messages, in any order it likes. */
export interface RawClient {
  readonly socket: Socket
  readonly key: { readonly pid: number; readonly secret: Buffer }
  send(...parts: readonly Buffer[]): void
  /** Everything up to and with the next message of this type. Rejects when the connection ends first. */
  until(type: string): Promise<readonly RawMessage[]>
  /** Everything until the server closes. */
  toEnd(): Promise<readonly RawMessage[]>
  close(): void
}

interface Address {
  readonly host: string
  readonly port: number
}

/** TLS with whoever answers: asked for first, or from the first byte on with these protocols (`postgresql`). */
export async function tlsSocket(
  to: Address,
  how: 'asked' | { readonly direct: readonly string[] },
  maxVersion: SecureVersion = 'TLSv1.3',
): Promise<TLSSocket> {
  const plain = connect({ host: to.host, port: to.port, noDelay: true })
  if (how === 'asked') {
    plain.write(encodeSslRequest())
    const [answer] = (await once(plain, 'data')) as [Buffer]
    if (answer.toString() !== 'S') throw new Error(`no TLS: ${answer.toString('latin1')}`)
  }
  const ALPNProtocols = how === 'asked' ? ['postgresql'] : [...how.direct]
  const secured = connectTls({ socket: plain, rejectUnauthorized: false, ALPNProtocols, maxVersion })
  await new Promise<void>((resolve, reject) => {
    secured.once('secureConnect', resolve).once('error', reject)
    plain.once('close', () => reject(new Error('closed during the handshake')))
  })
  return secured
}

/**
 * Connect and sign in, without TLS unless asked for. With it, SCRAM is bound to the server's certificate where it offers
 * that; `bind: false` plays a client that cannot.
 */
export async function rawClient(
  to: Address & { readonly user: string; readonly password: string; readonly database: string },
  how: {
    readonly tls?: 'asked' | 'direct'
    readonly bind?: boolean
    readonly maxVersion?: SecureVersion
    readonly minor?: number
    readonly parameters?: Readonly<Record<string, string>>
  } = {},
): Promise<RawClient> {
  const { tls, bind = true, maxVersion, ...asked } = how
  const socket =
    tls === undefined
      ? connect({ host: to.host, port: to.port, noDelay: true })
      : await tlsSocket(to, tls === 'asked' ? tls : { direct: ['postgresql'] }, maxVersion)
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
  const endPoint = certificate === undefined || !bind ? undefined : serverEndPoint(certificate)
  const client = new PostgresClient({ ...to, ...asked, endPoint, nonce: randomBytes(18).toString('base64') })
  let key: RawClient['key'] = { pid: 0, secret: Buffer.alloc(0) }
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed while signing in')))
    socket.on('data', (chunk: Buffer) => {
      for (const event of client.receive(chunk)) {
        if (event.kind === 'send') socket.write(event.bytes)
        if (event.kind === 'key') key = event
        if (event.kind === 'ready') resolve()
        if (event.kind === 'error') reject(new Error(event.said.message))
        if (event.kind === 'violation') reject(new Error(event.reason))
      }
    })
    socket.write(client.start())
  })
  socket.removeAllListeners()
  const reader = new FrameReader(() => 1 << 30)
  const messages: RawMessage[] = []
  let wake: () => void = () => undefined
  let ended = false
  socket.on('data', (chunk: Buffer) => {
    reader.push(chunk)
    for (let piece = reader.next(); piece?.kind === 'piece'; piece = reader.next()) {
      messages.push({ type: String.fromCharCode(piece.tag), bytes: piece.bytes })
    }
    wake()
  })
  const over = () => {
    ended = true
    wake()
  }
  socket.on('close', over).on('end', over).on('error', over)
  // Without any listeners a socket resumes itself in the next tick, which would undo a pause of the test's own.
  await new Promise((resolve) => setImmediate(resolve))
  const waitFor = async (type: string | undefined): Promise<readonly RawMessage[]> => {
    for (;;) {
      const at = messages.findIndex((message) => message.type === type)
      if (at >= 0) return messages.splice(0, at + 1)
      if (ended && type === undefined) return messages.splice(0)
      if (ended) throw new Error(`closed before ${type}: ${brief(messages)}`)
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  return {
    socket,
    key,
    send: (...parts) => void socket.write(Buffer.concat(parts)),
    until: (type) => waitFor(type),
    toEnd: () => waitFor(undefined),
    close: () => socket.destroy(),
  }
}

/** `1 2 C(INSERT 0 1) E(42501) Z(I)`: what a test compares. Notices are left out. */
export const brief = (messages: readonly RawMessage[]): string =>
  messages
    .filter(({ type }) => type !== 'N')
    .map(({ type, bytes }) => {
      if (type === 'E') return `E(${decodeFields(bytes)?.get('C')})`
      if (type === 'Z' || type === 'C') return `${type}(${bytes.toString('latin1', 5).replace('\0', '')})`
      return type === 'D' ? `D(${bytes.subarray(11).toString()})` : type
    })
    .join(' ')

export const textOf = (message: RawMessage | undefined): string =>
  message === undefined ? '' : (decodeFields(message.bytes)?.get('M') ?? '')
