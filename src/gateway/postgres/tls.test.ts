import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { certificateOf } from '../../../test/support/certificates.ts'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, tlsSocket } from '../../../test/support/raw-client.ts'
import { writeSaslInitialResponse } from '../../wire/postgres/auth/sasl.ts'
import { decodeFields } from '../../wire/postgres/backend.ts'
import { encodePassword, encodeQuery } from '../../wire/postgres/frontend.ts'
import { encodeCancelRequest, encodeSslRequest, encodeStartup } from '../../wire/postgres/startup.ts'

let db: TestDatabase
let world: GatewayWorld
beforeAll(async () => {
  db = await testServer()
  world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { limits: { signInMs: 1500 } })
})
afterEach(async () => {
  await expect.poll(() => world.gateway.connections()).toBe(0)
  expect(world.app.faults).toEqual([])
})
afterAll(async () => {
  await world.close()
  await db.close()
})
const STARTUP = encodeStartup([
  ['user', 'ana'],
  ['database', 'shop-db'],
])

/** Everything that is read until the gateway closes; TLS alerts are an empty answer with a fault. */
const toEnd = (socket: NodeJS.ReadWriteStream): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk)).on('error', () => undefined)
    socket.once('close', () => resolve(Buffer.concat(chunks)))
  })

/** What a client sends first, taken by a server that only listens. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['postgresql'] }).on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  server.close()
  return chunk
}

describe('TLS from the first byte (54.2.10)', () => {
  it('signs in and works, as with TLS that was asked for', async () => {
    for (const tls of ['direct', 'asked'] as const) {
      const client = await rawClient(world.connection, { tls })
      client.send(encodeQuery('SELECT 1'))
      expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
      client.close()
    }
  })

  it('is refused without the name of the protocol, or with other names only', async () => {
    // With TLS 1.3 the client is done before the server has looked.
    const unnamed = await tlsSocket(world.connection, { direct: [] })
    unnamed.write(STARTUP)
    expect(await toEnd(unnamed)).toEqual(Buffer.alloc(0))
    await expect(tlsSocket(world.connection, { direct: ['http/1.1', 'h2'] })).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    })
    const several = await tlsSocket(world.connection, { direct: ['h2', 'postgresql'] })
    several.destroy()
    expect(world.app.sessions.filter(({ backend }) => backend === undefined)).toEqual([])
  })

  it('43: plain bytes behind a ClientHello are never read as a message', async () => {
    const hello = await clientHello()
    const before = world.app.turnedAway.length
    for (const behind of [STARTUP, encodeSslRequest(), Buffer.from('GET / HTTP/1.1\r\n\r\n'), hello]) {
      const socket = connect(world.connection.port, '127.0.0.1')
      socket.write(Buffer.concat([hello, behind]))
      const answer = await toEnd(socket)
      // TLS records only: a ServerHello and an alert, never a message of ours.
      expect([0x15, 0x16]).toContain(answer[0])
      expect(answer.includes('SCRAM')).toBe(false)
    }
    expect(world.app.turnedAway.length).toBe(before)
  })

  it('what only begins like TLS is closed', async () => {
    for (const bytes of [
      Buffer.from([0x16]),
      Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]),
      Buffer.alloc(3000, 0x16),
    ]) {
      const socket = connect(world.connection.port, '127.0.0.1')
      socket.write(bytes)
      expect((await toEnd(socket)).includes('SCRAM')).toBe(false)
    }
  })

  it('may not begin behind an answer that had nothing to do with TLS, nor twice', async () => {
    const socket = connect(world.connection.port, '127.0.0.1')
    socket.write(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]))
    expect(String(await once(socket, 'data'))).toBe('N')
    socket.write(Buffer.from([0x16, 3, 1, 2, 0]))
    expect(await toEnd(socket)).toEqual(Buffer.alloc(0))
    const secured = await tlsSocket(world.connection, 'asked')
    secured.write(encodeSslRequest())
    expect(await toEnd(secured)).toEqual(Buffer.alloc(0))
    const nested = await tlsSocket(world.connection, { direct: ['postgresql'] })
    nested.write(Buffer.from([0x16, 3, 1, 2, 0]))
    expect(await toEnd(nested)).toEqual(Buffer.alloc(0))
  })
})

const psql = (conninfo: string): Promise<{ readonly code: number; readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], PGPASSWORD: world.password, HOME: tmpdir() }
    execFile('psql', ['-XAtc', 'SELECT 1', conninfo], { env }, (fault, out, err) =>
      resolve({ code: fault === null ? 0 : Number(fault.code), out, err }),
    )
  })

it('a cancel inside TLS ends it properly, whether its key fits or not', async () => {
  const client = await rawClient(world.connection, { tls: 'direct', minor: 2 })
  world.app.rule = () => 'allow'
  client.send(encodeQuery('SELECT pg_sleep(60)'))
  const running = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
  await expect.poll(() => db.query(running)).toHaveLength(1)
  const seen: Buffer[] = []
  const between = createServer((plain) => {
    const onward = connect(world.connection.port, '127.0.0.1').on('data', (bytes: Buffer) => void seen.push(bytes))
    plain.pipe(onward).pipe(plain)
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  const { port } = between.address() as AddressInfo
  for (const secret of [Buffer.alloc(200), Buffer.alloc(1), client.key.secret]) {
    seen.length = 0
    const socket = await tlsSocket({ host: '127.0.0.1', port }, { direct: ['postgresql'] }, 'TLSv1.2')
    socket.write(encodeCancelRequest(client.key.pid, secret))
    await toEnd(socket)
    // The last record of the gateway is an alert: close_notify.
    const records = Buffer.concat(seen)
    let type = 0
    for (let at = 0; at < records.length; at += 5 + records.readUInt16BE(at + 3)) type = records.readUInt8(at)
    expect(type).toBe(0x15)
  }
  between.close()
  expect(brief(await client.until('Z'))).toMatch(/E\(57014\) Z\(I\)$/)
  client.close()
})

describe('SCRAM-SHA-256-PLUS', () => {
  it.each(['ecdsaSha256', 'ecdsaSha384', 'rsaSha1', 'rsaSha512', 'rsaPssSha384', 'chain', 'ed25519'] as const)(
    'binds psql to the certificate (%s)',
    async (kind) => {
      const issued =
        kind === 'chain'
          ? await certificateOf('ecdsaSha256', await certificateOf('rsaSha512'))
          : await certificateOf(kind)
      const dir = await mkdtemp(path.join(tmpdir(), 'hp-bound-'))
      // SHA-1 is not good enough for TLS 1.2 and newer at OpenSSL's ordinary level, except where a client asks for it.
      const tls = {
        cert: issued.cert,
        key: issued.key,
        ...(kind === 'rsaSha1' ? { ciphers: 'DEFAULT:@SECLEVEL=0' } : {}),
      }
      const other = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { tls })
      try {
        const root = path.join(dir, 'root.crt')
        await writeFile(root, issued.cert)
        const info = (more: string) =>
          `host=127.0.0.1 port=${other.connection.port} dbname=shop-db user=ana password=${other.password} sslmode=require ${more}`
        const required = await psql(info('channel_binding=require'))
        // No hash of its own, so nothing to bind to (RFC 5929 section 4.1): not offered, and the client knows.
        expect(required.code === 0 ? required.out : required.err).toContain(
          kind === 'ed25519' ? 'channel binding is required, but server did not offer' : '1\n',
        )
        expect(await psql(info('channel_binding=prefer'))).toEqual({ code: 0, out: '1\n', err: '' })
        expect(await psql(info('channel_binding=disable'))).toEqual({ code: 0, out: '1\n', err: '' })
        expect((await psql(info('channel_binding=require password=wrong'))).code).toBe(2)
      } finally {
        await other.close()
        await rm(dir, { recursive: true })
      }
    },
  )

  /** What the gateway offers, and what it answers to a first message under that mechanism. */
  async function begin(tls: boolean, mechanism: string, first: string): Promise<{ offered: string; answer: Buffer }> {
    const socket = tls ? await tlsSocket(world.connection, 'asked') : connect(world.connection.port, '127.0.0.1')
    socket.write(STARTUP)
    const [offered] = (await once(socket, 'data')) as [Buffer]
    socket.write(encodePassword(writeSaslInitialResponse(mechanism, Buffer.from(first))))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return { offered: offered.subarray(9).toString(), answer }
  }
  const PLUS = 'SCRAM-SHA-256-PLUS'
  const bare = 'n=,r=abcdefghijklmnopqrstuvwx'
  const said = ({ answer }: { answer: Buffer }) => {
    const fields = decodeFields(answer)
    return `${fields?.get('C')} ${fields?.get('M')}`
  }

  it('is offered inside TLS, and only there', async () => {
    expect((await begin(true, PLUS, `p=tls-server-end-point,,${bare}`)).offered).toBe(`${PLUS}\0SCRAM-SHA-256\0\0`)
    expect((await begin(false, 'SCRAM-SHA-256', `y,,${bare}`)).offered).toBe('SCRAM-SHA-256\0\0')
    expect(said(await begin(false, PLUS, `p=tls-server-end-point,,${bare}`))).toBe('08P01 malformed SCRAM message')
  })

  it('a client that was told there is none, inside TLS where there is, is refused and recorded', async () => {
    const before = world.app.turnedAway.length
    const downgraded = await begin(true, 'SCRAM-SHA-256', `y,,${bare}`)
    expect(said(downgraded)).toContain('28000 channel binding was offered')
    expect(world.app.turnedAway.slice(before)).toMatchObject([{ user: 'ana', refusal: 'invalid_input' }])
    // Outside of TLS there is none, so the client is right; and one that cannot bind need not.
    expect((await begin(false, 'SCRAM-SHA-256', `y,,${bare}`)).answer.toString('latin1', 0, 1)).toBe('R')
    expect((await begin(true, 'SCRAM-SHA-256', `n,,${bare}`)).answer.toString('latin1', 0, 1)).toBe('R')
  })

  it('what was chosen and what is said must agree', async () => {
    for (const [mechanism, flag, reason] of [
      [PLUS, 'n', 'channel binding missing'],
      [PLUS, 'y', 'channel binding missing'],
      [PLUS, 'p=tls-unique', 'channel binding unknown'],
      [PLUS, 'p=tls-exporter', 'channel binding unknown'],
      [PLUS, 'p=', 'channel binding unknown'],
      ['SCRAM-SHA-256', 'p=tls-server-end-point', 'channel binding not chosen'],
    ] as const) {
      expect(said(await begin(true, mechanism, `${flag},,${bare}`))).toBe(`08P01 malformed SCRAM message (${reason})`)
    }
  })

  it('somebody between who ends TLS with another certificate gets nowhere', async () => {
    const { cert, key } = await certificateOf('ecdsaSha256')
    const between = createTlsServer({ cert, key, ALPNProtocols: ['postgresql'] }, (client) => {
      const onward = connectTls({
        port: world.connection.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols: ['postgresql'],
      })
      client.pipe(onward).pipe(client)
      client.on('error', () => onward.destroy()).on('close', () => onward.destroy())
      onward.on('error', () => client.destroy()).on('close', () => client.destroy())
    }).listen(0, '127.0.0.1')
    await once(between, 'listening')
    const { port } = between.address() as AddressInfo
    const through = { ...world.connection, port }
    await expect(rawClient(through, { tls: 'direct' })).rejects.toThrow('channel binding differs')
    // The same without binding: the certificate is all that is left, and here nobody looks at it.
    const client = await rawClient(through, { tls: 'direct', bind: false })
    client.close()
    between.close()
  })
})

describe('a TLS connection that stands', () => {
  it('is closed when the client negotiates again', async () => {
    const client = await rawClient(world.connection, { tls: 'direct', maxVersion: 'TLSv1.2' })
    const secured = client.socket as TLSSocket
    let again = 0
    // One is over before the server is told that it began; then it closes.
    const more = (fault: Error | null) => {
      if (fault === null && ++again < 50) secured.renegotiate({ rejectUnauthorized: false }, more)
    }
    secured.renegotiate({ rejectUnauthorized: false }, more)
    await client.toEnd()
    expect(again).toBeLessThan(3)
    await expect.poll(() => world.app.closed.at(-1)?.why).toBe('client_left')
  })

  it('is closed when somebody on the way puts plain bytes into it', async () => {
    const onward = connect(world.connection.port, '127.0.0.1')
    const between = createServer((socket) => {
      socket.pipe(onward).pipe(socket)
      socket.on('error', () => undefined)
    }).listen(0, '127.0.0.1')
    await once(between, 'listening')
    const { port } = between.address() as AddressInfo
    const client = await rawClient({ ...world.connection, port }, { tls: 'direct' })
    onward.write(encodeQuery('SELECT 1'))
    expect(brief(await client.toEnd())).toBe('')
    await expect.poll(() => world.app.closed.at(-1)?.why).toBe('client_left')
    between.close()
  })
})
