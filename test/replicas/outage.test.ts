import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import pg from 'pg'
import { eventually } from '../support/fleet.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { ownServer } from '../support/own-server.ts'
import type { OwnServer } from '../support/own-server.ts'
import { severedLine } from '../support/severed-line.ts'
import type { SeveredLine } from '../support/severed-line.ts'

/*
 * Holdpoint's own database dies, is away, or cannot write any more (abuse case 115): what waits goes on waiting, what runs
 * under a live grant goes on until its time is up and no longer, nothing new passes, and nothing acknowledged is lost.
 */

let database: OwnServer
let line: SeveredLine
let at: Installation

beforeAll(async () => {
  database = await ownServer({ durable: true })
  line = await severedLine({ host: '127.0.0.1', port: database.port })
  const store = await database.asStore()
  const url = new URL(store.url)
  url.port = String(line.port)
  at = await installation({
    store: { ...store, url: url.href },
    documents: [RULES.replace('scope: once}', 'scope: once, grantAtMost: 5s}')],
  })
})
afterAll(async () => {
  await at[Symbol.asyncDispose]()
  await line.close()
  await database[Symbol.asyncDispose]()
})
beforeEach(() => at.target.query('TRUNCATE carts'))

const count = async (note: string): Promise<number> =>
  (await at.target.query('SELECT FROM carts WHERE note = $1', [note])).length
const executionOf = async (id: string) =>
  (await database.query<{ state: string }>("SELECT state FROM execution WHERE 'HP-' || request = $1", [id]))[0]?.state
const ready = async (): Promise<boolean> => (await fetch(`${at.running.url}/readyz`)).ok

test('PostgreSQL is killed in the middle: what is held stays held, what runs is told as it went, nothing is lost', async () => {
  await withClient(at.connection, (held) =>
    withClient(at.connection, async (running) => {
      const slow = running.query("INSERT INTO carts SELECT 1, 'ran' FROM pg_sleep(3)")
      const { id: ran } = await at.approve()
      await eventually(async () => (await executionOf(ran)) === 'started', 'the start')
      const waiting = held.query("INSERT INTO carts VALUES (2, 'waited')")
      const { id: waited } = await at.pending()
      const before = await database.query<{ n: number }>('SELECT count(*)::int AS n FROM record')

      process.kill(database.pid(), 'SIGQUIT')
      line.sever()
      await eventually(async () => !(await ready()), 'not ready')
      expect((await slow).rowCount).toBe(1)
      await eventually(ready, 'ready again')

      const after = await database.query<{ n: number }>('SELECT count(*)::int AS n FROM record')
      expect(after[0]?.n).toBeGreaterThanOrEqual(before[0]?.n ?? Number.NaN)
      await eventually(async () => (await executionOf(ran)) === 'succeeded', 'the end that was owed')
      const { id } = await at.approve()
      expect(id).toBe(waited)
      expect((await waiting).rowCount).toBe(1)
      expect([await count('ran'), await count('waited')]).toEqual([1, 1])
      // Nobody was taken for dead because nobody could be heard.
      expect(await database.query("SELECT FROM session WHERE why = 'gateway_died'")).toEqual([])
    }),
  )
}, 60_000)

test('while it is away nothing new passes, and what runs is cut when its time is up', async () => {
  const [reads, runs] = [new pg.Client(at.connection), new pg.Client(at.connection)]
  for (const client of [reads, runs]) client.on('error', () => undefined)
  await Promise.all([reads.connect(), runs.connect()])
  const text = "INSERT INTO carts SELECT 3, 'too long' FROM pg_sleep(600)"
  const slow = runs.query(text).catch((error: unknown) => error)
  const { id } = await at.approve()
  const backend = () =>
    at.target.query('SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = $1', [text])
  await eventually(async () => (await backend()).length === 1, 'the statement to run')
  line.down()
  const another = new pg.Client(at.connection).connect().then(
    () => 'let in',
    () => 'refused',
  )
  try {
    // Policy that cannot be confirmed for two seconds is in doubt (I7), and says that it is a failure.
    const refused = await eventually(
      () =>
        reads.query('SELECT FROM carts').then(
          () => undefined,
          (error: unknown) => error,
        ),
      'a refusal',
    )
    expect(refused).toMatchObject({ code: '58000', message: expect.stringContaining('failure') })
    expect(await slow).toMatchObject({ code: '57P01', message: expect.stringContaining('expired') })
    await eventually(async () => (await backend()).length === 0, 'the backend is gone')
    expect(await another).toBe('refused')
    expect(await ready()).toBe(false)
  } finally {
    line.restore()
  }
  await eventually(ready, 'ready again')
  await eventually(async () => (await executionOf(id)) === 'unknown', 'the end')
  expect(await count('too long')).toBe(0)
  await Promise.all([reads.end(), runs.end()].map((ended) => ended.catch(() => undefined)))
}, 60_000)

describe('the disk is full', () => {
  const appends = (fails: boolean) =>
    fails
      ? database.query(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
          CREATE TRIGGER full_disk BEFORE INSERT ON record EXECUTE FUNCTION full_disk()`)
      : database.query('DROP FUNCTION IF EXISTS full_disk CASCADE')

  test('what cannot be recorded does not happen, whoever asks; when there is room again it does', async () => {
    await withClient(at.connection, async (client) => {
      const held = client.query("INSERT INTO carts VALUES (4, 'no room')")
      const { id, digest } = await at.pending()
      await appends(true)
      try {
        const approve = () => at.as('mia').call('review', { params: { id }, body: { verdict: 'approve', digest } })
        await expect(approve()).rejects.toMatchObject({ problem: { status: 500 } })
        await expect(
          withClient(at.connection, (other) => other.query("INSERT INTO carts VALUES (5, 'no room')")),
        ).rejects.toMatchObject({ code: '58000', message: expect.stringContaining('failure') })
        expect(await count('no room')).toBe(0)
        expect(await database.query("SELECT FROM review WHERE 'HP-' || request = $1", [id])).toEqual([])
      } finally {
        await appends(false)
      }
      expect((await at.approve()).id).toBe(id)
      expect((await held).rowCount).toBe(1)
      expect(await count('no room')).toBe(1)
    })
  })

  test('the server cannot write its log and dies of it: closed until it can, and nothing acknowledged is gone', async () => {
    await withClient(at.connection, async (client) => {
      const done = client.query("INSERT INTO carts VALUES (6, 'before')")
      const { id } = await at.approve()
      await done
      await eventually(async () => (await executionOf(id)) === 'succeeded', 'the end')
      const writable = await database.readOnlyLog()
      try {
        // The next file of the log cannot be made, and the server panics, now and at each new start.
        const next = "SELECT pg_switch_wal(); SELECT pg_logical_emit_message(true, 'x', 'x')"
        await eventually(
          () =>
            database.query(next).then(
              () => false,
              () => true,
            ),
          'its end',
        )
        await eventually(async () => !(await ready()), 'not ready')
        const refused = client.query("INSERT INTO carts VALUES (7, 'no log')").catch((error: unknown) => error)
        expect(await refused).toBeInstanceOf(Error)
        expect(await count('no log')).toBe(0)
      } finally {
        await writable()
      }
      await eventually(ready, 'ready again', 60_000)
      expect(await executionOf(id)).toBe('succeeded')
    })
    await withClient(at.connection, async (client) => {
      const again = client.query("INSERT INTO carts VALUES (8, 'after')")
      await at.approve()
      expect((await again).rowCount).toBe(1)
    })
  }, 120_000)
})
