import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { encodeQuery } from '../src/wire/postgres/frontend.ts'
import { PostgresClient } from '../src/wire/postgres/client.ts'
import { COPIED } from './spare-target.ts'
import type { Way } from './ways.ts'

/** ReadyForQuery outside of a transaction. No other message has these bytes, and no text of a COPY a zero. */
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1')
const READ_SIZE = 256 * 1024

/**
 * Bytes a second of one COPY TO STDOUT, from its Query to ReadyForQuery, at a client that looks at nothing it reads:
 * what is measured is not the client.
 */
export async function measureCopyOut(way: Way): Promise<number> {
  const password = way.password
  const client = new PostgresClient({ ...way, password, nonce: randomBytes(18).toString('base64') })
  let bytes = 0
  let tail = Buffer.alloc(0)
  let signedIn: (() => void) | undefined
  let copied: (() => void) | undefined
  let failed: (error: Error) => void = () => undefined
  const read = (size: number, buffer: Uint8Array): boolean => {
    const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, size)
    if (signedIn === undefined) {
      bytes += size
      tail = Buffer.concat([tail, chunk.subarray(-READY.length)]).subarray(-READY.length)
      if (tail.equals(READY)) copied?.()
      return true
    }
    for (const event of client.receive(chunk)) {
      if (event.kind === 'send') socket.write(event.bytes)
      if (event.kind === 'ready') signedIn?.()
      if (event.kind === 'error') failed(new Error(event.said.message))
      if (event.kind === 'violation') failed(new Error(event.reason))
    }
    return true
  }
  const onread = { buffer: Buffer.alloc(READ_SIZE), callback: read }
  const socket = connect({ host: '127.0.0.1', port: way.port, noDelay: true, onread })
  const turn = (begin: (done: () => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      failed = reject
      begin(resolve)
    })
  socket.on('error', (error) => failed(error))
  socket.on('close', () => failed(new Error('the connection was closed')))
  try {
    await turn((done) => {
      signedIn = done
      socket.write(client.start())
    })
    signedIn = undefined
    const begun = performance.now()
    await turn((done) => {
      copied = done
      socket.write(encodeQuery(`COPY ${COPIED} TO STDOUT`))
    })
    const seconds = (performance.now() - begun) / 1000
    if (bytes < 1_000_000) throw new Error('the COPY was refused')
    return bytes / seconds
  } finally {
    socket.destroy()
  }
}
