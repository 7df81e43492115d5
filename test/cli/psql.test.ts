import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { done } from '../../src/app/result.ts'
import type { TokenId } from '../../src/domain/ids.ts'
import { instant } from '../../src/domain/time.ts'
import { testServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { callerNamed, fakeApp } from '../support/fake-app.ts'
import { gatewayWorld } from '../support/gateway-world.ts'
import type { GatewayWorld } from '../support/gateway-world.ts'
import { startHttp } from '../support/http.ts'
import type { TestHttp } from '../support/http.ts'
import { hp } from './hp-process.ts'
import type { HpProcess } from './hp-process.ts'

/** The machine's psql, where there is one, and the small client: the same promises. */
const CLIENTS = ['psql', 'lite'] as const
const hasPsql = (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => {
  try {
    return readdirSync(folder).includes('psql')
  } catch {
    return false
  }
})

let target: TestDatabase
let world: GatewayWorld
let http: TestHttp
let home: string
const revoked: string[] = []

beforeAll(async () => {
  target = await testServer()
  await target.query('CREATE TABLE carts (id int, note text)')
  await target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
  world = await gatewayWorld({ ...target.target, sslmode: 'disable' })
  home = await mkdtemp(path.join(tmpdir(), 'hp-psql-'))
  const { app } = fakeApp({
    authenticate: async () => callerNamed('ana'),
    issueToken: async (caller, { kind, label = '' }) =>
      done({
        id: 'T-1' as TokenId,
        principal: caller.principal.id,
        kind,
        scopes: ['gateway'],
        label,
        createdAt: instant(0),
        expiresAt: instant(4_000_000_000_000),
        text: world.password,
      }),
    revokeToken: async (_, id) => {
      revoked.push(id)
      return done(undefined)
    },
  })
  http = await startHttp(app, {
    info: { version: '0.0.0', demo: false, gateway: () => ({ host: '127.0.0.1', port: world.connection.port }) },
  })
})
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await world.close()
  await rm(home, { recursive: true, force: true })
  await target.close()
})

const clients = hasPsql ? CLIENTS : (['lite'] as const)
if (!hasPsql) process.stderr.write('psql is not installed: hp psql is tested with its small client alone\n')

describe.each(clients)('hp psql with %s', (client) => {
  const start = (args: readonly string[], input?: string): HpProcess =>
    hp(
      args,
      {
        HOME: home,
        TMPDIR: home,
        HP_URL: http.url,
        HP_TOKEN: 'hpt_x',
        HP_PSQL: client,
        // What a person's own environment may hold does not lead elsewhere.
        PGSERVICE: 'elsewhere',
        PGHOSTADDR: '203.0.113.1',
        PGPASSWORD: 'another',
      },
      input,
    )

  test('runs what policy allows, before and behind --', async () => {
    for (const separator of [[], ['--']]) {
      const read = start(['psql', 'shop-db', ...separator, '-At', '-c', 'SELECT count(*) FROM carts'])
      expect({ code: await read.ended, out: read.out(), err: read.err() }).toEqual({ code: 0, out: '20\n', err: '' })
    }
    expect(revoked).toContain('T-1')
  })

  test('prints rows as psql does', async () => {
    const read = start(['psql', 'shop-db', '-c', 'SELECT id, note FROM carts WHERE id < 3 ORDER BY id'])
    expect(await read.ended).toBe(0)
    expect(read.out()).toBe(' id |  note  \n----+--------\n  1 | cart 1\n  2 | cart 2\n(2 rows)\n\n')
  })

  test('a held statement waits, says so, and goes on when it is approved', async () => {
    const next = world.app.nextHold()
    const waiting = start([
      'psql',
      '--reason',
      'INC-9: a \\ cart  too many',
      'shop-db',
      '-c',
      'DELETE FROM carts WHERE id = 20',
    ])
    const held = await next
    await waiting.says(/NOTICE: {2}held HP-\d+/)
    expect(held.input.reason).toBe('INC-9: a \\ cart  too many')
    held.approve()
    expect({ code: await waiting.ended, out: waiting.out() }).toEqual({ code: 0, out: 'DELETE 1\n' })
    await target.query("INSERT INTO carts VALUES (20, 'cart 20')")
  })

  test('Ctrl-C withdraws what waits; the exit code is that of psql', async () => {
    const next = world.app.nextHold()
    const waiting = start(['psql', 'shop-db', '-c', 'DELETE FROM carts WHERE id = 1'])
    const { id } = await next
    await waiting.says(/held HP-/)
    waiting.signal('SIGINT')
    expect(await waiting.ended).toBe(1)
    expect(waiting.err()).toMatch(/withdrawn/)
    await expect.poll(() => world.app.withdrawals.map(({ request }) => request)).toContain(id)
    expect(await target.query('SELECT FROM carts WHERE id = 1')).toHaveLength(1)
  })

  test("a refusal reaches the person in the reviewer's words", async () => {
    const next = world.app.nextHold()
    const waiting = start(['psql', 'shop-db', '-c', 'DELETE FROM carts WHERE id = 1'])
    const held = await next
    held.decide({ kind: 'denied', by: 'mia' as never, words: 'not on a Friday' })
    expect(await waiting.ended).toBe(1)
    expect(waiting.err()).toContain('not on a Friday')
  })

  test('statements from standard input, one after the other; an error does not stop them unless asked', async () => {
    const script = "SELECT 'a;b' AS x;\nSELECT nonsense;\nSELECT 2 AS y;\n"
    const all = start(['psql', 'shop-db', '-At'], script)
    expect({ code: await all.ended, out: all.out() }).toEqual({ code: 0, out: 'a;b\n2\n' })
    expect(all.err()).toMatch(/ERROR: {2}column "nonsense" does not exist/)
    const stopped = start(['psql', 'shop-db', '-At', '-v', 'ON_ERROR_STOP=1', '-f', '-'], script)
    expect({ code: await stopped.ended, out: stopped.out() }).toEqual({ code: 3, out: 'a;b\n' })
  })

  test('leaves no password behind, and none in its errors', async () => {
    const lost = start(['psql', 'nowhere-db', '-c', 'SELECT 1'])
    expect(await lost.ended).toBe(2)
    expect(lost.err()).not.toContain(world.password)
    // Compiled code of the program is all that may stay.
    const left = readdirSync(home, { recursive: true, encoding: 'utf8' })
    const code = ['.cache', path.join('.cache', 'holdpoint'), path.join('.cache', 'holdpoint', 'code')]
    expect(left.filter((file) => !code.includes(file) && !file.startsWith(`${code[2]}${path.sep}`))).toEqual([])
  })
})
