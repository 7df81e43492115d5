import { createHash } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { encodeSslRequest } from '../src/wire/postgres/startup.ts'

/**
 * Protocol, cipher and certificate that every one of these PostgreSQL ports on 127.0.0.1 agrees on with one client, in words.
 * Throws when they differ: their speed could not be compared.
 */
export async function sameTls(ports: readonly number[]): Promise<string> {
  const all = new Set(await Promise.all(ports.map(agreed)))
  if (all.size !== 1) throw new Error(`TLS is not the same: ${[...all].join(' and ')}`)
  return [...all].join('')
}

async function agreed(port: number): Promise<string> {
  const plain = connectTcp({ host: '127.0.0.1', port })
  try {
    await new Promise<void>((resolve, reject) => {
      plain.once('error', reject)
      plain.once('close', () => reject(new Error('closed before TLS began')))
      plain.once('data', () => resolve())
      plain.write(encodeSslRequest())
    })
    const secured = await new Promise<TLSSocket>((resolve, reject) => {
      const socket = connectTls({ socket: plain, rejectUnauthorized: false }, () => resolve(socket))
      socket.once('error', reject)
    })
    const print = createHash('sha256').update(secured.getPeerCertificate().raw).digest('hex').slice(0, 12)
    return `${secured.getProtocol()} ${secured.getCipher().standardName}, certificate ${print}`
  } finally {
    plain.destroy()
  }
}
