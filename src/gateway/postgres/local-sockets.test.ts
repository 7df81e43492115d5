import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OpenTarget } from '../../app/ports/target.ts'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { connectTarget } from './connect-target.ts'
import { LocalSockets } from './local-sockets.ts'
import { Poolers } from './poolers.ts'

describe('whether a socket is tried', () => {
  const target: OpenTarget = { host: '127.0.0.1', port: 5432, user: 'u', database: 'd', sslmode: 'prefer' }
  const server = createServer()
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'hp-sockets-'))
    await new Promise<void>((resolve) => server.listen(path.join(folder, '.s.PGSQL.5432'), resolve))
  })
  afterAll(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  const near = (of: OpenTarget, seen: boolean, mode = 0o755, folders = [folder]) => {
    chmodSync(folder, mode)
    const sockets = new LocalSockets(() => [], folders)
    if (seen) sockets.seen(of, 'one')
    return sockets.near(of)
  }

  test('only once the server was seen over TCP, and as plain text that the profile takes', () => {
    expect(near(target, true)).toMatchObject({ socket: folder, port: 5432, sslmode: 'disable', user: 'u' })
    expect(near(target, false)).toBeUndefined()
    for (const sslmode of ['require', 'verify-full'] as const)
      expect(near({ ...target, sslmode }, true)).toBeUndefined()
    expect(near({ ...target, host: 'db.example' }, true)).toBeUndefined()
    expect(near({ ...target, host: '127.0.0.1.example' }, true)).toBeUndefined()
    expect(near({ ...target, port: 5433 }, true)).toBeUndefined()
  })

  test('never in a folder where others can put one, nor what is no socket', () => {
    expect(near(target, true, 0o777)).toBeUndefined()
    expect(near(target, true, 0o1777)).toBeUndefined()
    const other = mkdtempSync(path.join(tmpdir(), 'hp-sockets-'))
    writeFileSync(path.join(other, '.s.PGSQL.5432'), '')
    expect(near(target, true, 0o755, [other])).toBeUndefined()
    rmSync(path.join(other, '.s.PGSQL.5432'))
    symlinkSync(path.join(folder, '.s.PGSQL.5432'), path.join(other, '.s.PGSQL.5432'))
    expect(near(target, true, 0o755, [other])).toBeUndefined()
    rmSync(other, { recursive: true })
  })

  test('not again for a while when another server answers there, or none', () => {
    for (const answer of ['another', undefined]) {
      const sockets = new LocalSockets(() => [folder])
      sockets.seen(target, 'one')
      expect(sockets.confirms(target, 'one')).toBe(true)
      expect(sockets.near(target)).toBeDefined()
      expect(sockets.confirms(target, answer)).toBe(false)
      expect(sockets.near(target)).toBeUndefined()
    }
  })
})

describe('a target on this machine', () => {
  let db: TestDatabase
  beforeAll(async () => (db = await testServer()))
  afterAll(() => db.close())

  const connect = async (sockets: LocalSockets) => {
    const target: OpenTarget = { ...db.target, sslmode: 'prefer' }
    const signal = new AbortController().signal
    const connected = await connectTarget(target, target.database, new Map(), 10_000, signal, sockets, new Poolers())
    if (!connected.ok) throw new Error(connected.message)
    const rows = await db.query('SELECT client_port FROM pg_stat_activity WHERE pid = $1', [connected.backend.pid])
    connected.socket.destroy()
    return rows[0]?.['client_port'] === -1 ? 'socket' : 'tcp'
  }

  test('is reached over TCP first, and over its socket from then on', async () => {
    const sockets = new LocalSockets(() => [db.target.socketDir])
    expect(await connect(sockets)).toBe('tcp')
    expect(await connect(sockets)).toBe('socket')
    expect(await connect(sockets)).toBe('socket')
  })

  test('is reached over TCP when the server behind the socket is not the one that was seen', async () => {
    const sockets = new LocalSockets(() => [db.target.socketDir])
    sockets.seen({ ...db.target, sslmode: 'prefer' }, 'another server')
    expect(await connect(sockets)).toBe('tcp')
    expect(await connect(sockets)).toBe('tcp')
  })

  test('is reached over TCP when nobody answers at the socket', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'hp-sockets-'))
    const dead = createServer()
    await new Promise<void>((resolve) => dead.listen(path.join(folder, `.s.PGSQL.${db.target.port}`), resolve))
    dead.on('connection', (socket) => socket.destroy())
    const sockets = new LocalSockets(() => [folder])
    expect(await connect(sockets)).toBe('tcp')
    expect(await connect(sockets)).toBe('tcp')
    dead.close()
    rmSync(folder, { recursive: true })
  })
})
