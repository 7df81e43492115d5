import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { PostgresClient } from '../../src/wire/postgres/client.ts'
import { decodeFields } from '../../src/wire/postgres/backend.ts'
import { FrameReader } from '../../src/wire/postgres/frame.ts'

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

/** Connect without TLS and sign in. */
export async function rawClient(to: {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}): Promise<RawClient> {
  const socket = connect({ host: to.host, port: to.port, noDelay: true })
  const client = new PostgresClient({ ...to, nonce: randomBytes(18).toString('base64') })
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
