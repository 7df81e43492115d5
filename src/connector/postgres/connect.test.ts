import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, test, vi } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import { severedLine } from '../../../test/support/severed-line.ts'
import { createConnections } from './connect.ts'
import { whyNot } from './probe.ts'

test('a target that dies in the middle of a question rejects it, and the next use makes another connection', async () => {
  const database = await testServer()
  const line = await severedLine(database.target)
  const { host, user, password, database: name } = database.target
  const target = { host, port: line.port, user, password, database: name, sslmode: 'disable' as const }
  const connections = createConnections()
  const on = connections.on(target, name)
  try {
    // Nobody may hear of it but whoever asked: an event that nobody hears would end the process.
    for (const text of ['select pg_sleep(60)', 'select 1']) {
      const asked = on(async (client) => {
        await client.query('select 1')
        const running = client.query(text)
        line.sever()
        return await running
      })
      await expect(asked).rejects.toThrow()
    }
    expect(await on(async (client) => (await client.query('select 1 as one')).rows)).toEqual([{ one: 1 }])
  } finally {
    await connections.close()
    await line.close()
    await database.close()
  }
})

test('many who ask a target without TLS at once, which `prefer` allows, all get their answer', async () => {
  const database = await testServer()
  const { host, port, user, password, database: name } = database.target
  const target = { host, port, user, password, database: name, sslmode: 'prefer' as const }
  const connections = createConnections()
  try {
    const asked = Array.from({ length: 20 }, () =>
      connections.on(target, name)(async (client) => (await client.query('select 1 as one')).rows),
    )
    expect(await Promise.all(asked)).toEqual(asked.map(() => [{ one: 1 }]))
  } finally {
    await connections.close()
    await database.close()
  }
})

describe('a target that stands in the place of another', () => {
  const external = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address
  const framed = (type: string, body: Buffer | string): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(body) + 4)
    return Buffer.concat([Buffer.from(type), length, Buffer.from(body)])
  }
  const ready = framed('Z', 'I')
  const letIn = Buffer.concat([framed('R', Buffer.alloc(4)), ready])

  /** What whoever asks it reads, and everything that it was sent. */
  async function asked(answers: readonly Buffer[], of: { readonly host?: string; readonly password?: string }) {
    const sent: Buffer[] = []
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        sent.push(chunk)
        socket.write(answers[sent.length - 1] ?? ready)
      })
    })
    const { host = '127.0.0.1', ...password } = of
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const { port } = server.address() as AddressInfo
    const connections = createConnections()
    try {
      const target = { host, port, user: 'shop', database: 'shop', sslmode: 'disable' as const, ...password }
      const use = connections.on(target, 'shop')(() => Promise.resolve('used'))
      const said = await use.catch((error: unknown) => whyNot(error))
      return { said, sent: Buffer.concat(sent).toString('latin1') }
    } finally {
      await connections.close()
      server.close()
    }
  }
  const NOT_ASKED = 'it does not ask for the password that there is for it, and may not be the right server'

  test.skipIf(external === undefined)('has to ask for the password, and gets none in clear text', async () => {
    const there = { host: external ?? '', password: 'pencil' }
    const unasked = await asked([letIn], there)
    expect(unasked.said).toBe(NOT_ASKED)
    expect(unasked.sent).not.toContain('search_path')
    const clear = await asked([framed('R', Buffer.from([0, 0, 0, 3])), letIn], there)
    expect(clear.said).toBe('it asks for the password in clear text')
    expect(clear.sent).not.toContain('pencil')
    // SCRAM that ends before the server has proven anything.
    const sasl = framed('R', Buffer.concat([Buffer.from([0, 0, 0, 10]), Buffer.from('SCRAM-SHA-256\0\0')]))
    expect((await asked([sasl, letIn], there)).said).toBe(NOT_ASKED)
  })

  test('need not ask on this machine, nor where there is no password; what the environment has stays here', async () => {
    expect(await asked([letIn], { password: 'pencil' })).toMatchObject({ said: 'used' })
    vi.stubEnv('PGPASSWORD', 'pencil')
    const { said, sent } = await asked([framed('R', Buffer.from([0, 0, 0, 3])), letIn], {})
    vi.unstubAllEnvs()
    expect(said).toBe('used')
    expect(sent).not.toContain('pencil')
  })
})
