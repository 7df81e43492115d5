import { once } from 'node:events'
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect as connectTls, createSecureContext, createServer as createTlsServer, TLSSocket } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { certificateOf } from '../../../test/support/certificates.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { OpenTarget } from '../../app/ports/target.ts'
import { startEmbedded } from '../../store/embedded/start-embedded.ts'
import type { Embedded } from '../../store/embedded/start-embedded.ts'
import { encodeQuery } from '../../wire/postgres/frontend.ts'
import { encodeCancelRequest } from '../../wire/postgres/startup.ts'

/** A PostgreSQL of the test's own, because it has TLS. */
let dataDir: string
let server: Embedded
let target: OpenTarget
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'holdpoint-tls-target-'))
  const settings = { max_connections: '20', autovacuum: 'off' }
  server = await startEmbedded({ dataDir, durable: false, settings, log: () => undefined })
  const { cert, key } = await certificateOf('rsaSha512')
  const folder = path.join(dataDir, 'postgres')
  const { uid, gid } = await stat(folder)
  for (const [name, text] of Object.entries({ 'server.crt': cert, 'server.key': key })) {
    await writeFile(path.join(folder, name), text, { mode: 0o600 })
    await chown(path.join(folder, name), uid, gid)
  }
  const client = new pg.Client(server.url)
  await client.connect()
  await client.query("ALTER SYSTEM SET ssl = 'on'")
  await client.query('SELECT pg_reload_conf()')
  await client.end()
  const { port, user, password, database } = server
  target = { host: '127.0.0.1', port, user, password, database, sslmode: 'require' }
}, 60_000)
afterAll(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** What a client reads of a first query through a gateway in front of `behind`; the refusal when it gets none. */
async function through(behind: OpenTarget): Promise<string> {
  const world = await gatewayWorld(behind)
  try {
    const client = await rawClient(world.connection)
    client.send(encodeQuery('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))
    const answer = brief(await client.until('Z'))
    client.close()
    return answer
  } catch (fault) {
    return (fault as Error).message
  } finally {
    await world.close()
  }
}

/** Somebody on the way who ends TLS with a certificate of his own, and changes what the target says. */
async function interception(change: (bytes: Buffer) => Buffer): Promise<{ port: number; close: () => void }> {
  const secureContext = createSecureContext(await certificateOf('ecdsaSha256'))
  const sockets = new Set<Socket>()
  const quiet = (socket: Socket) => {
    sockets.add(socket)
    return socket.on('error', () => undefined)
  }
  const between = createServer((plain) => {
    const onward = quiet(connect(server.port, '127.0.0.1'))
    quiet(plain).once('data', (asked: Buffer) => {
      onward.write(asked)
      onward.once('data', (answer: Buffer) => {
        plain.write(answer)
        const near = quiet(new TLSSocket(plain, { isServer: true, secureContext }))
        const far = quiet(connectTls({ socket: onward, rejectUnauthorized: false }))
        near.on('data', (bytes: Buffer) => far.write(bytes)).on('close', () => far.destroy())
        far.on('data', (bytes: Buffer) => near.write(change(bytes))).on('close', () => near.destroy())
      })
    })
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  return {
    port: (between.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy()
      between.close()
    },
  }
}

it('works through TLS, bound to the certificate of the target', async () => {
  expect(await through(target)).toBe('T D(t) C(SELECT 1) Z(I)')
})

it('TLS from the first byte where the profile asks for it, cancels included; and a server of something else is not one', async () => {
  const direct: OpenTarget = { ...target, direct: true }
  expect(await through(direct)).toBe('T D(t) C(SELECT 1) Z(I)')
  const world = await gatewayWorld(direct)
  world.app.rule = () => 'allow'
  const client = await rawClient(world.connection)
  client.send(encodeQuery('SELECT pg_sleep(60)'))
  await expect.poll(() => world.app.sessions[0]?.backend?.pid).toBeGreaterThan(0)
  const again = setInterval(() => {
    connect(world.connection.port, '127.0.0.1')
      .on('error', () => undefined)
      .resume()
      .end(encodeCancelRequest(client.key.pid, client.key.secret))
  }, 50)
  expect(brief(await client.until('Z'))).toMatch(/E\(57014\) Z\(I\)$/)
  clearInterval(again)
  client.close()
  await world.close()
  const other = createTlsServer(await certificateOf('ecdsaSha256')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  expect(await through({ ...direct, port: (other.address() as AddressInfo).port })).toContain('sslnegotiation=direct')
  other.close()
})

it('somebody on the way is found out by the binding, although nobody verifies the certificate', async () => {
  const between = await interception((bytes) => bytes)
  expect(await through({ ...target, port: between.port })).toMatch(/the target refuses: .*channel binding/)
  between.close()
})

it('and when he takes the offer to bind away', async () => {
  const between = await interception((bytes) => {
    const at = bytes.indexOf('SCRAM-SHA-256-PLUS\0')
    if (at < 0) return bytes
    const less = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 19)])
    less.writeUInt32BE(less.length - 1, 1)
    return less
  })
  expect(await through({ ...target, port: between.port })).toMatch(/the target refuses: .*channel binding/)
  between.close()
})

it('a cancel key of any length that the target gives is the one that it is sent back', async () => {
  const secret = Buffer.alloc(200, 'long ')
  const cancels: Buffer[] = []
  const sockets = new Set<Socket>()
  const between = createServer((client) => {
    const onward = connect(server.port, '127.0.0.1')
    for (const socket of [client, onward]) sockets.add(socket.on('error', () => undefined))
    client.once('data', (first: Buffer) => {
      if (first.readUInt32BE(4) === 80_877_102) cancels.push(first)
    })
    client.pipe(onward)
    onward.on('data', (bytes: Buffer) => {
      const at = bytes.indexOf(Buffer.from('K\0\0\0\x0c', 'latin1'))
      if (at < 0) return void client.write(bytes)
      const key = Buffer.concat([bytes.subarray(at, at + 9), secret])
      key.writeUInt32BE(key.length - 1, 1)
      client.write(Buffer.concat([bytes.subarray(0, at), key, bytes.subarray(at + 13)]))
    })
    onward.on('close', () => client.destroy())
    client.on('close', () => onward.destroy())
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  const { port } = between.address() as AddressInfo
  const world = await gatewayWorld({ ...target, port, sslmode: 'disable' })
  world.app.rule = () => 'allow'
  // A client of 3.2 has a long key of the gateway's own, one of 3.0 a short one; the target's is never shown.
  for (const [minor, size] of [
    [2, 32],
    [0, 4],
  ] as const) {
    const client = await rawClient(world.connection, { minor })
    expect(client.key.secret).toHaveLength(size)
    client.send(encodeQuery('SELECT pg_sleep(60)'))
    const pid = world.app.sessions.at(-1)?.backend?.pid ?? 0
    const control = new pg.Client(server.url)
    await control.connect()
    await expect
      .poll(
        async () =>
          (
            await control.query(
              "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND pid = $1",
              [pid],
            )
          ).rows,
      )
      .toHaveLength(1)
    const cancelling = connect(world.connection.port, '127.0.0.1')
    cancelling.end(encodeCancelRequest(client.key.pid, client.key.secret))
    cancelling.resume()
    await expect.poll(() => cancels.shift()?.subarray(8)).toEqual(encodeCancelRequest(pid, secret).subarray(8))
    client.close()
    await control.end()
  }
  await world.close()
  for (const socket of sockets) socket.destroy()
  between.close()
})
