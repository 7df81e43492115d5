import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect as connectTls } from 'node:tls'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import { decodeFields, decodeNegotiate } from '../../wire/postgres/backend.ts'
import { encodeQuery } from '../../wire/postgres/frontend.ts'
import { encodeSslRequest, encodeStartup } from '../../wire/postgres/startup.ts'

let db: TestDatabase
let world: GatewayWorld
beforeEach(async () => {
  db = await testServer()
  world = await gatewayWorld(
    { ...db.target, sslmode: 'disable' },
    { limits: { signInMs: 700, connectMs: 1500, connections: 20 } },
  )
})
afterEach(async () => {
  await world.close()
  await db.close()
})

/** Send bytes on a fresh connection; everything that comes back until it is closed. */
function speak(bytes: Buffer, port = world.gateway.port): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks)))
    socket.write(bytes)
  })
}
const error = (answer: Buffer): string => {
  const fields = decodeFields(answer.subarray(answer.indexOf('E')))
  return `${fields?.get('C')} ${fields?.get('M')}`
}
const startup = (more: readonly (readonly [string, string])[] = [], database = 'shop-db') =>
  encodeStartup([['user', 'ana'], ['database', database], ...more])

describe('before a client is known', () => {
  it('43: bytes behind SSLRequest close the connection, without an answer', async () => {
    expect(await speak(Buffer.concat([encodeSslRequest(), startup()]))).toEqual(Buffer.alloc(0))
  })

  it('58: GSSAPI encryption is declined, and bytes behind its request close the connection unanswered', async () => {
    const request = Buffer.alloc(8)
    request.writeInt32BE(8, 0)
    request.writeInt32BE(80_877_104, 4) // GSSENCRequest, "Message Formats", 54.7
    expect((await speak(request)).subarray(0, 1).toString()).toBe('N')
    expect(await speak(Buffer.concat([request, startup()]))).toEqual(Buffer.alloc(0))
  })

  it('44: a second StartupMessage during SCRAM closes', async () => {
    const answer = await speak(startup())
    expect(answer.subarray(0, 1).toString()).toBe('R')
    const second = await speak(Buffer.concat([startup(), startup()]))
    expect(error(second)).toBe('08P01 unexpected data behind the startup message')
    const socket = connect(world.gateway.port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (chunks.length === 1) socket.write(startup([['role', 'postgres']]))
    })
    socket.write(startup())
    await new Promise((resolve) => socket.on('close', resolve))
    expect(error(Buffer.concat(chunks.slice(1)))).toBe('08P01 a message that does not belong into a sign-in')
    expect(world.app.sessions).toEqual([])
  })

  it('45, 57, 58: parameters outside the list, replication and other encodings are refused', async () => {
    const refused = async (...more: readonly (readonly [string, string])[]) => error(await speak(startup(more)))
    expect(await refused(['role', 'x'])).toContain('0A000 the parameter "role"')
    expect(await refused(['options', '-crole=x'])).toContain('0A000 the parameter "role"')
    expect(await refused(['options', '-c work_mem=1MB\\ -c -c role=x'])).toContain('0A000 the parameter "role"')
    expect(await refused(['options', '-d 5'])).toContain('22023')
    expect(await refused(['session_authorization', 'postgres'])).toContain('0A000')
    expect(await refused(['replication', 'database'])).toContain('0A000 replication')
    expect(await refused(['client_encoding', 'SJIS'])).toContain('0A000 client_encoding')
    expect(await refused(['standard_conforming_strings', 'off'])).toContain('0A000')
    expect(error(await speak(startup([], '')))).toContain('3D000')
    expect(error(await speak(startup([], 'a/b/c')))).toContain('3D000')
    expect(error(await speak(encodeStartup([['database', 'shop-db']])))).toContain('28000')
  })

  it('garbage, other protocols and impossible lengths are told and closed', async () => {
    expect(error(await speak(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')))).toContain(
      '08P01 this port speaks the PostgreSQL protocol',
    )
    expect(error(await speak(Buffer.from('SSH-2.0-OpenSSH_9\r\n')))).toContain('08P01')
    for (const head of [
      [0, 0, 0, 3],
      [0, 0, 0, 0],
      [0, 0, 0x7f, 0xff],
      [0xff, 0xff, 0xff, 0xff],
    ]) {
      expect(error(await speak(Buffer.from([...head, 0, 3, 0, 0, 0])))).toContain('08P01')
    }
    expect(error(await speak(Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0])))).toContain('protocol 2')
    await expect.poll(() => world.gateway.connections()).toBe(0)
  })

  it('whoever says nothing, or half of it, is closed in time and leaves nothing behind', async () => {
    await Promise.all([
      speak(Buffer.alloc(0)),
      speak(startup().subarray(0, 9)),
      speak(encodeSslRequest()),
      speak(startup()),
    ])
    await expect.poll(() => world.gateway.connections()).toBe(0)
  })

  it('takes so many connections and tells the next', async () => {
    const sockets = Array.from({ length: 20 }, () =>
      connect(world.gateway.port, '127.0.0.1').on('error', () => undefined),
    )
    await expect.poll(() => world.gateway.connections()).toBe(20)
    expect(error(await speak(startup()))).toBe('53300 too many connections to this gateway')
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => world.gateway.connections()).toBe(0)
  })

  it('whoever opens connections and says nothing keeps nobody out, and those who are inside stay', async () => {
    const limits = { signingIn: 3, signInMs: 60_000 }
    const full = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { limits })
    const inside = await rawClient(full.connection)
    const half = [Buffer.alloc(0), startup().subarray(0, 5), startup(), encodeSslRequest(), Buffer.from([0x16, 3, 1])]
    const sockets = half.map((bytes) => {
      const socket = connect(full.gateway.port, '127.0.0.1').on('error', () => undefined)
      socket.write(bytes)
      return socket.resume()
    })
    const come = () =>
      rawClient(full.connection).then(
        (client) => {
          client.close()
          return 'in'
        },
        (fault: Error) => fault.message,
      )
    await expect.poll(come, { timeout: 10_000 }).toBe('in')
    inside.send(encodeQuery('SELECT 1'))
    await inside.until('Z')
    inside.close()
    for (const socket of sockets) socket.destroy()
    await full.close()
  })

  it('answers newer minor versions and unknown options as PostgreSQL 18 does', async () => {
    // SendNegotiateProtocolVersion: the version asked for, where it is one that is spoken.
    const cases: readonly (readonly [number, readonly string[], number | undefined])[] = [
      [0, [], undefined],
      [1, [], undefined],
      [2, [], undefined],
      [3, [], 2],
      [9999, ['_pq_.test_protocol_negotiation'], 2],
      [0xffff, [], 2],
      [0, ['_pq_.wonder'], 0],
      [1, ['_pq_.wonder', '_pq_.'], 1],
      [2, ['_pq_.wonder'], 2],
    ]
    const tried = cases.map(async ([minor, options, expected]) => {
      const parameters = [['user', 'ana'], ['database', 'shop-db'], ...options.map((name) => [name, 'x'])] as const
      const answer = await speak(encodeStartup(parameters as readonly (readonly [string, string])[], minor))
      const negotiated = answer.toString('latin1', 0, 1) === 'v'
      const length = negotiated ? answer.readUInt32BE(1) + 1 : 0
      expect([minor, negotiated ? decodeNegotiate(answer.subarray(0, length)) : undefined]).toEqual([
        minor,
        expected === undefined ? undefined : { minor: expected, unknown: options },
      ])
      expect(answer.toString('latin1', length)).toMatch(/^R[^]*SCRAM-SHA-256/)
    })
    await Promise.all(tried)
  })

  it('only version 3 is spoken', async () => {
    for (const [version, said] of [
      [0x00020000, 'protocol 2'],
      [0x00040000, 'only protocol 3'],
      [0x04d20000, 'only protocol 3'],
    ] as const) {
      const asked = startup()
      asked.writeUInt32BE(version, 4)
      expect(error(await speak(asked))).toContain(`08P01 ${said}`)
    }
  })

  it('GSSAPI is declined, and TLS may follow', async () => {
    const socket = connect(world.gateway.port, '127.0.0.1')
    const gss = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x30])
    socket.write(gss)
    expect(await new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))).toBe('N')
    socket.write(encodeSslRequest())
    expect(await new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))).toBe('S')
    const secured = connectTls({ socket, rejectUnauthorized: false })
    await new Promise((resolve) => secured.once('secureConnect', resolve))
    secured.write(startup())
    expect(
      await new Promise((resolve) => secured.once('data', (chunk: Buffer) => resolve(chunk.subarray(0, 1).toString()))),
    ).toBe('R')
    socket.destroy()
  })

  it('plain text is taken from this machine only', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal)?.address
    if (address === undefined) return
    const open = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { host: '0.0.0.0' })
    try {
      const connection = { ...open.connection, host: address }
      await expect(rawClient(connection)).rejects.toThrow('with TLS only')
      const client = new pg.Client({ ...connection, ssl: { rejectUnauthorized: false } })
      await client.connect()
      expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
      await client.end()
    } finally {
      await open.close()
    }
  })
})

describe('a target', () => {
  /** A server that answers with `script` once a client has connected. */
  async function hostile<T>(
    script: (socket: Socket, chunk: Buffer) => void,
    use: (port: number) => Promise<T>,
  ): Promise<T> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined).on('data', (chunk: Buffer) => script(socket, chunk))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      return await use((server.address() as AddressInfo).port)
    } finally {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
  const through = async (port: number, sslmode: 'disable' | 'prefer' | 'require' = 'disable') => {
    const other = await gatewayWorld({ ...db.target, host: '127.0.0.1', port, sslmode }, { limits: { connectMs: 600 } })
    try {
      await rawClient(other.connection)
      return 'connected'
    } catch (fault) {
      expect(other.app.closed).toHaveLength(1)
      return (fault as Error).message
    } finally {
      await other.close()
    }
  }

  it('that is down, silent or talks nonsense gives a sentence', async () => {
    expect(await through(1)).toBe('shop-db: the target cannot be reached (ECONNREFUSED)')
    expect(
      await hostile(
        () => undefined,
        (port) => through(port),
      ),
    ).toMatch(/^shop-db: the target did not answer/)
    expect(
      await hostile(
        (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
        (port) => through(port),
      ),
    ).toMatch(/^shop-db: the target does not speak as it should/)
    expect(
      await hostile(
        (socket) => void socket.destroy(),
        (port) => through(port),
      ),
    ).toBe('shop-db: the target closed the connection')
    expect(
      await hostile(
        (socket) => void socket.write('N'),
        (port) => through(port, 'require'),
      ),
    ).toContain('does not offer TLS')
    expect(
      await hostile(
        (socket) => void socket.write('Sxx'),
        (port) => through(port, 'require'),
      ),
    ).toContain('before encryption began')
    expect(
      await hostile(
        (socket) => void socket.write(Buffer.from('R\0\0\0\x08\0\0\0\0', 'latin1')),
        (port) => through(port),
      ),
    ).toMatch(/did not answer/)
  })

  it('looks whether the gateway still lives, whatever a client resets; one that refuses to is asked again without', async () => {
    const shown = async (connection: GatewayWorld['connection']) => {
      const client = await rawClient(connection)
      client.send(encodeQuery('DISCARD ALL'), encodeQuery('SHOW client_connection_check_interval'))
      const answers = [...(await client.until('Z')), ...(await client.until('Z'))]
      client.close()
      return brief(answers)
    }
    world.app.rule = () => 'allow'
    expect(await shown(world.connection)).toBe('C(DISCARD ALL) Z(I) T D(1s) C(SHOW) Z(I)')
    // This gateway itself is one that does not take it from a client.
    const { host, port, user, password, database } = world.connection
    const outer = await gatewayWorld({ host, port, user, password, database, sslmode: 'disable' })
    outer.app.rule = () => 'allow'
    expect(await shown(outer.connection)).toBe('C(DISCARD ALL) Z(I) T D(1s) C(SHOW) Z(I)')
    await outer.close()
  })

  it('whose password is wrong is told without the password', async () => {
    const other = await gatewayWorld({ ...db.target, sslmode: 'disable', password: 'hunter2' })
    const said = await rawClient(other.connection).then(
      () => '',
      (fault: Error) => fault.message,
    )
    await other.close()
    expect(said).toMatch(/^shop-db: the target refuses: password authentication failed/)
    expect(said).not.toContain('hunter2')
  })

  it('60: a row with a negative length, or anything out of turn, closes both sides and the gateway lives', async () => {
    const lies: readonly (readonly [string, Buffer])[] = [
      ['columns', Buffer.from('D\0\0\0\x0a\0\x01\xff\xff\xff\xfe', 'latin1')],
      ['length', Buffer.from('C\xff\xff\xff\xff', 'latin1')],
      ['type', Buffer.from('W\0\0\0\x07\0\0\0', 'latin1')],
      ['authentication', Buffer.from('R\0\0\0\x08\0\0\0\x03', 'latin1')],
      ['status', Buffer.from('Z\0\0\0\x05X', 'latin1')],
      ['bind', Buffer.from('2\0\0\0\x04', 'latin1')],
      ['copy in', Buffer.from('G\0\0\0\x07\0\0\0', 'latin1')],
      ['row description', Buffer.from('T\0\0\0\x06\0\x05', 'latin1')],
    ]
    // A real target until the first query that is not the gateway's own, and a lie in place of its answer.
    for (const [what, lie] of lies) {
      const upstreams: Socket[] = []
      await hostile(
        (socket, chunk) => {
          let real = (socket as Socket & { real?: Socket }).real
          if (real === undefined) {
            real = connect(db.target.port, '127.0.0.1')
              .on('error', () => undefined)
              .on('data', (answer: Buffer) => void socket.write(answer))
            ;(socket as Socket & { real?: Socket }).real = real
            upstreams.push(real)
            socket.on('close', () => real?.destroy())
          }
          if (chunk.includes('SELECT 4711')) socket.write(lie)
          else real.write(chunk)
        },
        async (port) => {
          const other = await gatewayWorld({ ...db.target, host: '127.0.0.1', port, sslmode: 'disable' })
          const client = await rawClient(other.connection)
          client.send(encodeQuery('SELECT 4711'))
          const last = (await client.toEnd()).at(-1)
          expect([what, last?.type, last && error(last.bytes)]).toEqual([
            what,
            'E',
            '08P01 the target broke the protocol; the session was closed',
          ])
          await expect.poll(() => other.app.closed).toEqual([{ session: 'S-1', why: 'failed' }])
          expect(other.app.faults).toHaveLength(1)
          await other.close()
        },
      )
      for (const upstream of upstreams) upstream.destroy()
    }
  })

  it('that goes away ends the session with its own words', async () => {
    const client = await rawClient(world.connection)
    await db.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    expect(error((await client.toEnd()).at(-1)?.bytes ?? Buffer.alloc(0))).toContain('57P01 terminating connection')
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'target_left' }])
  })
})

it('policy is asked about the database that the session is in, for its connect and for every statement', async () => {
  const { database } = db.target
  const client = await rawClient({ ...world.connection, database: `shop-db/${database}` })
  client.send(encodeQuery('SELECT 1'))
  await client.until('Z')
  world.app.revise()
  client.send(encodeQuery('SELECT 2'))
  await client.until('Z')
  client.close()
  expect(world.app.databases.length).toBeGreaterThanOrEqual(3)
  expect(new Set(world.app.databases)).toEqual(new Set([database]))
})

it('stopping cuts open sessions and resolves when all are closed', async () => {
  const client = await rawClient(world.connection)
  client.send(encodeQuery('SELECT 1'))
  await client.until('Z')
  await world.gateway.close()
  expect(error((await client.toEnd()).at(-1)?.bytes ?? Buffer.alloc(0))).toBe(
    '57P01 terminating connection due to administrator command',
  )
  expect(world.app.closed).toEqual([{ session: 'S-1', why: 'cut' }])
})
