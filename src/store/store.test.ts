import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import { instant } from '../domain/time.ts'
import type { OpenStore } from './open-store.ts'
import { openStore } from './open-store.ts'

let database: TestDatabase
let open: OpenStore
beforeEach(async () => {
  database = await testDatabase()
  open = await openStore(database.url, () => undefined)
})
afterEach(async () => {
  await open.close()
  await database.close()
})

const entry = (subject: string) => ({ kind: 'test.noted', subject, body: { b: 1, a: [null, 'ö\u0000'] } })

test('an entry is its canonical bytes, in the order of RFC 8785, and reads back as it was', async () => {
  const now = await open.store.transaction(async (tx) => {
    await tx.record.append({ ...entry('x/1'), actor: 'ana', resource: 'shop-db' })
    return tx.now
  })
  const [row] = await database.query<{ body: Buffer; leaf: Buffer; commitment: string }>(
    "SELECT body, leaf, encode(sha256(salt || body), 'base64') AS commitment FROM record",
  )
  expect(row?.body.toString()).toBe(
    `{"actor":"ana","at":${now},"body":{"a":[null,"ö\\u0000"],"b":1},"kind":"test.noted","resource":"shop-db","subject":"x/1"}`,
  )
  expect(JSON.parse(row?.leaf.toString() ?? '')).toMatchObject({ v: 1, subject: 'x/1', commitment: row?.commitment })
  const read = await open.store.recorded.after(undefined, 10)
  expect(read).toEqual([{ ...entry('x/1'), actor: 'ana', resource: 'shop-db', at: now, cursor: expect.any(String) }])
  expect((await open.store.recorded.settled()) > (read[0]?.cursor ?? '')).toBe(true)
})

test('the change and its entry fall together, and nobody is woken', async () => {
  const heard: string[] = []
  const stop = open.wake.subscribe('x/', (subject) => heard.push(subject))
  await expect(
    open.store.transaction(async (tx) => {
      await tx.record.append(entry('x/lost'))
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  await open.store.transaction((tx) => tx.record.append(entry('x/kept')))
  await expect.poll(() => heard.filter((subject) => subject !== 'x/')).toEqual(['x/kept'])
  expect((await open.store.recorded.after(undefined, 10)).map((read) => read.subject)).toEqual(['x/kept'])
  stop()
})

test('a transaction whose statement failed is not taken for committed, though the failure was swallowed', async () => {
  const swallowing = open.store.transaction(async (tx) => {
    await tx.record.append(entry('x/1'))
    await tx.people.setPassword('x' as never, '\u0000').catch(() => undefined)
  })
  await expect(swallowing).rejects.toThrow(/rolled back/)
  expect(await open.store.recorded.after(undefined, 10)).toEqual([])
})

test('serialisation failures and deadlocks are tried again; other refusals are not', async () => {
  let runs = 0
  const failing = (code: string) => async (): Promise<string> => {
    runs++
    if (runs < 3) throw Object.assign(new pg.DatabaseError('conflict', 8, 'error'), { code, severity: 'ERROR' })
    return 'done'
  }
  expect(await open.store.transaction(failing('40001'))).toBe('done')
  expect(runs).toBe(3)
  runs = 0
  await expect(open.store.transaction(failing('23505'))).rejects.toThrow('conflict')
  expect(runs).toBe(1)
})

test('the record refuses to be changed, whoever asks', async () => {
  await open.store.transaction((tx) => tx.record.append(entry('x/1')))
  for (const attempt of ["UPDATE record SET kind = 'other'", 'DELETE FROM record', 'TRUNCATE record']) {
    await expect(database.query(attempt)).rejects.toThrow(/append-only/)
  }
  await expect(
    database.query("INSERT INTO record (at, kind, subject, body) VALUES (1, 'a', 'b', 'c')"),
  ).rejects.toThrow(/check constraint/)
})

test('a cursor never skips an entry that is committed later than ones behind it', async () => {
  const slow = new pg.Client(database.url)
  await slow.connect()
  const seen: string[] = []
  let cursor: string | undefined
  const read = async (): Promise<void> => {
    for (const found of await open.store.recorded.after(cursor, 1)) {
      seen.push(found.subject)
      cursor = found.cursor
    }
  }
  try {
    await open.store.transaction((tx) => tx.record.append(entry('first')))
    await read()
    await slow.query(
      "BEGIN; INSERT INTO record (at, kind, subject, body, salt, leaf) VALUES (1, 'k', 'slow', '{}', repeat('s', 16)::bytea, '{}')",
    )
    await open.store.transaction((tx) => tx.record.append(entry('fast')))
    await read()
    // The fast one waits for the slow one: giving it out now would lose the other.
    expect(seen).toEqual(['first'])
    await slow.query('COMMIT')
  } finally {
    await slow.end()
  }
  const all = (await open.store.recorded.after(cursor, 10)).length
  expect(all).toBe(2)
})

test('a long transaction in another database of the same server holds up no reader', async () => {
  const other = await testDatabase()
  const slow = new pg.Client(other.url)
  await slow.connect()
  try {
    await slow.query('BEGIN; CREATE TABLE busy (n integer)')
    await open.store.transaction((tx) => tx.record.append(entry('x/1')))
    expect((await open.store.recorded.after(undefined, 10)).map((read) => read.subject)).toEqual(['x/1'])
  } finally {
    await slow.end()
    await other.close()
  }
})

test('many writers and a reader that pages by twos: every entry once, in one order', async () => {
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let n = 0; n < 12; n++) {
      await open.store.transaction(async (tx) => {
        await tx.record.append(entry(`w/${writer}/${n}`))
        if (n % 3 === 0) await tx.record.append(entry(`w/${writer}/${n}/second`))
      })
    }
  })
  const cursors: string[] = []
  const state = { writing: true }
  const written = Promise.all(writers).finally(() => (state.writing = false))
  const seen: string[] = []
  let cursor: string | undefined
  const page = async (): Promise<number> => {
    const found = await open.store.recorded.after(cursor, 2)
    for (const one of found) seen.push(one.subject)
    cursors.push(...found.map((one) => one.cursor))
    cursor = found.at(-1)?.cursor ?? cursor
    return found.length
  }
  while (state.writing) await page()
  await written
  while ((await page()) > 0);
  expect(seen.length).toBe(8 * 16)
  expect(new Set(seen).size).toBe(seen.length)
  expect(cursors).toEqual(cursors.toSorted())
  const again = await open.store.recorded.after(undefined, 1000)
  expect(again.map((one) => one.subject)).toEqual(seen)
})

test('a cursor that never was one is a RangeError, not a query', async () => {
  for (const forged of ['', 'x', '0'.repeat(29), 'f'.repeat(30), "0000000000000000';drop--00000000"]) {
    await expect(open.store.recorded.after(forged, 1)).rejects.toBeInstanceOf(RangeError)
  }
})

test('a store that is gone is a fault for everything, and works again when it is back', async () => {
  await open.store.transaction((tx) => tx.record.append(entry('x/1')))
  const kill =
    'SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
  const during = open.store.transaction(async (tx) => {
    await tx.record.append(entry('x/2'))
    await database.query(kill)
    await tx.record.append(entry('x/3'))
  })
  await expect(during).rejects.toThrow()
  await open.store.transaction((tx) => tx.record.append(entry('x/4')))
  expect((await open.store.recorded.after(undefined, 10)).map((read) => read.subject)).toEqual(['x/1', 'x/4'])
  await expect.poll(() => open.wake.listening(), { timeout: 5000 }).toBe(true)
})

test('whoever waits hears subjects by prefix, from another replica too, and once more after the connection was lost', async () => {
  const other = await openStore(database.url, () => undefined)
  try {
    const heard: string[] = []
    open.wake.subscribe('account/', (subject) => heard.push(subject))
    await expect.poll(() => open.wake.listening()).toBe(true)
    await other.store.transaction(async (tx) => {
      await tx.record.append(entry('account/ana'))
      await tx.record.append(entry('request/HP-1'))
      await tx.record.append(entry(`account/${'x'.repeat(9000)}`))
    })
    await expect.poll(() => heard).toContain('account/ana')
    expect(heard).not.toContain('request/HP-1')
    heard.length = 0
    await database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdpoint listen'",
    )
    await expect.poll(() => heard, { timeout: 5000 }).toEqual(['account/'])
  } finally {
    await other.close()
  }
})

test('readiness tells of each part', async () => {
  await expect.poll(async () => (await open.readiness()).filter((part) => !part.ok)).toEqual([])
  expect(instant(open.clock.now())).toBeGreaterThan(0)
  // A newer program came while this one runs.
  await database.query("INSERT INTO schema_migration (number, name, checksum) VALUES (9999, 'later', '')")
  expect((await open.readiness()).filter((part) => !part.ok)).toEqual([
    { name: 'schema', ok: false, detail: expect.stringContaining('a newer Holdpoint (to 9999)') },
  ])
})

test('what is vital does not wait behind what everybody asks for', async () => {
  const release = Promise.withResolvers<void>()
  const crowd = Array.from({ length: 40 }, () => open.store.transaction(() => release.promise))
  try {
    expect(await open.vital.documents.currentRevision()).toBe(0)
    await open.vital.transaction((tx) => tx.record.append(entry('x/vital')))
  } finally {
    release.resolve()
    await Promise.all(crowd)
  }
  expect((await open.store.recorded.after(undefined, 10)).map((read) => read.subject)).toEqual(['x/vital'])
})
