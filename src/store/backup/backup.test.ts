import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { targetServers, testDatabase, testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import type { Keyring } from '../keyring.ts'
import { migrate, readMigrations } from '../migrate.ts'
import { openStore } from '../open-store.ts'
import { dumpStore } from './dump.ts'
import { readBackupFile, writeBackupFile } from './file.ts'
import { loadStore } from './load.ts'
import { BackupError } from './manifest.ts'
import { readFormat } from './read-format.ts'
import { checkSealWith, createSeal } from './seal.ts'
import { tableOrder } from './table-order.ts'
import { verifyBackup } from './verify.ts'

const keyring = (): Keyring => {
  const id = randomBytes(8).toString('hex')
  return { current: id, keys: new Map([[id, randomBytes(32)]]) }
}
const ours = keyring()
const seal = createSeal(ours)
const checkSeal = checkSealWith(ours)

let folder: string
let source: TestDatabase
let file: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hp-backup-'))
  source = await testDatabase()
  await fillStore(source)
  file = await back(source)
})
afterAll(async () => {
  await source.close()
  await rm(folder, { recursive: true, force: true })
})

let files = 0
const named = (): string => path.join(folder, `${(files += 1)}.backup`)
async function back(database: TestDatabase): Promise<string> {
  const to = named()
  await writeBackupFile(to, dumpStore({ url: database.url, version: '0.0.0', seal }))
  return to
}
const restore = (url: string, from = file, given: { readonly replace?: boolean; readonly keepTokens?: boolean } = {}) =>
  loadStore({
    url,
    open: () => readFormat(readBackupFile(from), checkSeal),
    replace: given.replace ?? false,
    keepTokens: given.keepTokens ?? false,
  })

/** Values that a text format gets wrong, in every kind of column there is. */
async function fillStore(database: TestDatabase): Promise<void> {
  const nasty = 'tab\t newline\n return\r \\. \\N back\\slash "quote" \'single\' \u202e 🙂'
  const opened = await openStore(database.url, () => undefined)
  try {
    await opened.store.people.installationKey('any')
    await opened.store.transaction(async (tx) => {
      for (const subject of ['account/ana', 'account/mia'])
        await tx.record.append({ kind: 'account.created', subject, body: { nasty, kind: 'user', roles: [] } })
    })
  } finally {
    await opened.close()
  }
  await database.query(
    `INSERT INTO principal (name, kind, display_name, roles, gateway_salt, created_at) VALUES
      ('ana', 'user', $1, '{admin,auditor}', decode('00ff5c0a', 'hex'), 1)`,
    [nasty],
  )
  await database.query(
    "INSERT INTO principal (name, kind, display_name, sponsor, gateway_salt, created_at) VALUES ('bot', 'agent', '', 'ana', '', 2)",
  )
  await database.query("INSERT INTO revision (number, at, by, summary, unreviewed) VALUES (1, 3, 'ana', $1, true)", [
    ['a {brace}', '', nasty],
  ])
  await database.query("INSERT INTO document (kind, name, since, body) VALUES ('Team', 'sre', 1, $1)", [
    `{"b": 1,  "a": [1, 2],\n"text": ${JSON.stringify(nasty)}}`,
  ])
  await database.query("SELECT setval('request_number', 41)")
}

/** Every row of every table, but for the columns that belong to the server. */
async function everything(database: TestDatabase): Promise<ReadonlyMap<string, readonly string[]>> {
  const tables = await database.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname",
  )
  const found = new Map<string, readonly string[]>()
  for (const { name } of tables) {
    if (['schema_migration', 'restoration', 'clock'].includes(name)) continue
    const rows = await database.query<{ row: string }>(
      `SELECT (to_jsonb(t) - 'xid')::text AS row FROM ${pg.escapeIdentifier(name)} t ORDER BY row`,
    )
    found.set(
      name,
      rows.map(({ row }) => row),
    )
  }
  return found
}
const isRestored = (row: string): boolean => row.includes('"store.restored"')

test('what is put back is what was there, with its triggers and its numbers', async () => {
  await using target = await empty()
  await restore(target.url)
  const [before, after] = [await everything(source), await everything(target)]
  // What the restoration itself recorded stands beside the record, and waits for its place in the ledger.
  const queued = (rows: readonly string[]): readonly string[] => rows.slice(0, before.get('ledger_queue')?.length)
  const asBefore = (name: string, rows: readonly string[]): readonly string[] =>
    name === 'ledger_queue' ? queued(rows) : rows.filter((row) => !isRestored(row))
  for (const [name, rows] of before) expect([name, asBefore(name, after.get(name) ?? [])]).toEqual([name, rows])
  expect([...after.keys()]).toEqual([...before.keys()])
  expect(after.get('record')?.filter(isRestored)).toHaveLength(1)
  // The store watches over itself again.
  await expect(target.query('DELETE FROM record')).rejects.toThrow(/append-only/)
  await expect(target.query("UPDATE revision SET by = 'bot'")).rejects.toThrow(/history/)
  expect(await target.query("SELECT FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal")).toEqual([])
  // What comes now stands behind what was, and numbers never mean two things.
  const [next] = await target.query<{ next: string }>("SELECT nextval('request_number') AS next")
  expect(next?.next).toBe('1042')
  const opened = await openStore(target.url, () => undefined)
  try {
    const last = (await opened.store.recorded.last(10)).at(-1)
    expect(last?.kind).toBe('store.restored')
    await opened.store.transaction((tx) =>
      tx.record.append({ kind: 'account.changed', subject: 'account/ana', body: {} }),
    )
    await expect.poll(async () => (await opened.store.recorded.last(10)).at(-1)?.kind).toBe('account.changed')
    expect((await opened.store.recorded.after(undefined, 10)).map(({ kind }) => kind)).toEqual([
      'account.created',
      'account.created',
      'store.restored',
      'account.changed',
    ])
  } finally {
    await opened.close()
  }
})

test.each(targetServers())('it is put back on PostgreSQL $version', async ({ url }) => {
  await using target = disposable(await testServer(url))
  await restore(target.url)
  expect(await target.query('SELECT name FROM principal ORDER BY name')).toEqual([{ name: 'ana' }, { name: 'bot' }])
})

test('a backup is of one moment, while others go on writing', async () => {
  await using busy = await testDatabaseOf()
  await fillStore(busy)
  const to = named()
  let read = 0
  const slow = (async function* () {
    for await (const chunk of dumpStore({ url: busy.url, version: '0.0.0', seal })) {
      // Behind the first bytes somebody adds an account, which no table of the backup may know of.
      if ((read += 1) === 1)
        await busy.query(
          "INSERT INTO principal (name, kind, display_name, gateway_salt, created_at) VALUES ('late', 'user', '', '', 9)",
        )
      yield chunk
    }
  })()
  await writeBackupFile(to, slow)
  const text = gunzipSync(await readFile(to)).toString()
  expect(text).toContain('\nana\tuser\t')
  expect(text).not.toContain('\nlate\tuser\t')
})

test('a large store passes through without being held in memory', async () => {
  await using large = await testDatabaseOf()
  await large.query(`INSERT INTO throttle SELECT n || repeat('x', 2000), n FROM generate_series(1, 4000) n`)
  const from = await back(large)
  await using target = await empty()
  await restore(target.url, from)
  const sum = "SELECT count(*)::int AS count, md5(string_agg(bucket, '' ORDER BY full_at)) AS sum FROM throttle"
  expect(await target.query(sum)).toEqual(await large.query(sum))
})

describe('a file', () => {
  test('belongs to its owner alone, and is never written over', async () => {
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    await expect(writeBackupFile(file, dumpStore({ url: source.url, version: '0.0.0', seal }))).rejects.toThrow(
      /is there already/,
    )
    expect((await verifyBackup(file, checkSeal)).manifest.accounts).toBe(2)
  })

  test('that could not be written whole is not there', async () => {
    const to = named()
    const broken = (async function* () {
      yield Buffer.from('half')
      await Promise.resolve()
      throw new Error('the disk is full')
    })()
    await expect(writeBackupFile(to, broken)).rejects.toThrow('the disk is full')
    await expect(stat(to)).rejects.toThrow(/ENOENT/)
  })

  test('changed or cut off anywhere is refused, and nothing of it is put back', async () => {
    const plain = gunzipSync(await readFile(file))
    const wrong = named()
    await using target = await empty()
    await fc.assert(
      fc.asyncProperty(fc.nat(plain.length - 1), fc.constantFrom('flip', 'cut', 'drop', 'twice'), async (at, how) => {
        const bytes =
          how === 'flip'
            ? Buffer.concat([plain.subarray(0, at), Buffer.of((plain[at] ?? 0) ^ 1), plain.subarray(at + 1)])
            : how === 'cut'
              ? plain.subarray(0, at)
              : how === 'drop'
                ? Buffer.concat([plain.subarray(0, at), plain.subarray(at + 1)])
                : Buffer.concat([plain.subarray(0, at), plain.subarray(at - 1)])
        if (how === 'twice' && at === 0) return
        await writeFile(wrong, gzipSync(bytes, { level: 1 }))
        await expect(verifyBackup(wrong, checkSeal)).rejects.toBeInstanceOf(BackupError)
      }),
      { numRuns: 150 },
    )
    await writeFile(wrong, gzipSync(plain.subarray(0, plain.length - 400)))
    await expect(restore(target.url, wrong)).rejects.toBeInstanceOf(BackupError)
    expect(await target.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")).toEqual([])
  })

  test('compressed wrongly, of another kind, or none at all is told apart from a backup', async () => {
    const other = named()
    await writeFile(other, 'CREATE TABLE carts (id int);\n')
    await expect(verifyBackup(other, checkSeal)).rejects.toThrow(/no backup of Holdpoint/)
    await writeFile(other, gzipSync('CREATE TABLE carts (id int);\n'))
    await expect(verifyBackup(other, checkSeal)).rejects.toThrow('This is no backup of Holdpoint.')
    const whole = await readFile(file)
    await writeFile(other, whole.subarray(0, whole.length / 2))
    await expect(verifyBackup(other, checkSeal)).rejects.toThrow(/breaks off/)
    await writeFile(other, gzipSync(gunzipSync(whole).toString().replace('backup/1', 'backup/2')))
    await expect(verifyBackup(other, checkSeal)).rejects.toThrow(/another version/)
  })

  test('rewritten by somebody without the keyring is refused', async () => {
    const plain = gunzipSync(await readFile(file)).toString()
    const lines = plain.split('\n')
    const at = lines.findIndex((line) => line.startsWith('ana\tuser\t'))
    lines[at] = (lines[at] ?? '').replace('{admin,auditor}', '{auditor}')
    // Every sum is made to fit.
    const begins = lines.findIndex((line) => line.startsWith('{"table":"principal"'))
    const ends = lines.indexOf('\\.', begins)
    const rows = lines.slice(begins + 1, ends).map((line) => `${line}\n`)
    const sum = createHash('sha256').update(rows.join('')).digest('hex')
    lines[ends + 1] = JSON.stringify({ rows: rows.length, sha256: sum })
    const before = `${lines.slice(0, -2).join('\n')}\n`
    const end = JSON.parse(lines.at(-2) ?? '') as Record<string, unknown>
    const forged = { ...end, sha256: createHash('sha256').update(before).digest('hex') }
    const wrong = named()
    await writeFile(wrong, gzipSync(`${before}${JSON.stringify(forged)}\n`))
    await expect(verifyBackup(wrong, checkSeal)).rejects.toThrow(/changed by somebody/)
    // And with another installation's keyring nothing can be said about it.
    await expect(verifyBackup(file, checkSealWith(keyring()))).rejects.toThrow(/not in the keyring/)
  })
})

describe('a store', () => {
  test('that is not empty is not written over, unless told', async () => {
    await using other = await testDatabaseOf()
    await other.query(
      "INSERT INTO principal (name, kind, display_name, gateway_salt, created_at) VALUES ('lee', 'user', '', '', 9)",
    )
    await expect(restore(other.url)).rejects.toThrow(/not empty: it has 1 account\b.*--replace/)
    expect(await other.query('SELECT name FROM principal')).toEqual([{ name: 'lee' }])
    await restore(other.url, file, { replace: true })
    expect(await other.query('SELECT name FROM principal ORDER BY name')).toEqual([{ name: 'ana' }, { name: 'bot' }])
  })

  test('stays as it was when the backup turns out to be damaged', async () => {
    await using other = await testDatabaseOf()
    await fillStore(other)
    const before = await everything(other)
    const wrong = named()
    await writeFile(wrong, gzipSync(gunzipSync(await readFile(file)).subarray(0, -300)))
    await expect(restore(other.url, wrong, { replace: true })).rejects.toThrow(/breaks off/)
    expect(await everything(other)).toEqual(before)
  })

  test('that somebody else keeps tables in is let be', async () => {
    await using target = await empty()
    await target.query('CREATE TABLE carts (id int)')
    await expect(restore(target.url, file, { replace: true })).rejects.toThrow(/not Holdpoint's/)
  })

  test('that a server runs on is refused', async () => {
    await using target = await testDatabaseOf()
    const running = await openStore(target.url, () => undefined)
    try {
      await expect(restore(target.url, file, { replace: true })).rejects.toThrow(/is using this database/)
    } finally {
      await running.close()
    }
    // The connections of a server that stopped a moment ago are gone soon.
    await expect
      .poll(() => restore(target.url, file, { replace: true }).then(() => 'done', String), { timeout: 20_000 })
      .toBe('done')
  })

  test('written under an older schema is brought to this one; under a newer one it is refused', async () => {
    await using old = await empty()
    const all = readMigrations()
    // Before the restoration's own table, and everything that came with it.
    await migrate(old.url, all.slice(0, 4))
    await old.query(
      "INSERT INTO principal (name, kind, display_name, gateway_salt, created_at) VALUES ('ana', 'user', '', '', 1)",
    )
    await old.query("INSERT INTO replica (id, started_at, heartbeat_at) VALUES ('r', 1, 1)")
    await old.query(`INSERT INTO session (number, principal, token, resource, database, client, source_address, replica, target, opened_at, state)
      VALUES (7, 'ana', 'T-1', 'shop-db', 'shop', 'psql', '::1', 'r', '{}', 1, 'open')`)
    await old.query(`INSERT INTO statement (session, number, at, verbs, decision, rules, text, objects, duration_micros, outcome)
      VALUES (7, 1, 2, '{read}', 'allow', '{reads}', 'SELECT 1', '{}', 3, 'succeeded')`)
    await old.query(
      "INSERT INTO record (at, kind, subject, body, digest) VALUES (5, 'account.created', 'account/ana', '{}', sha256('{}'))",
    )
    const from = await back(old)
    await using target = await empty()
    await restore(target.url, from)
    const opened = await openStore(target.url, () => undefined)
    try {
      const [session] = await opened.store.requests.openSessionsOfPrincipal('ana' as never)
      expect(session).toBe('S-7')
      expect((await opened.store.requests.listStatements('S-7' as never, 0, 10)).map(({ text }) => text)).toEqual([
        'SELECT 1',
      ])
    } finally {
      await opened.close()
    }
    const newer = named()
    const plain = gunzipSync(await readFile(file)).toString()
    const last = all.at(-1)
    await writeFile(newer, gzipSync(plain.replace(`"number":${last?.number},`, '"number":9999,')))
    await using another = await empty()
    await expect(restore(another.url, newer)).rejects.toThrow(/newer Holdpoint/)
  })
})

test('tables stand behind those that they point at', () => {
  expect(
    tableOrder(
      ['c', 'b', 'a'],
      [
        { from: 'c', to: 'b' },
        { from: 'b', to: 'a' },
      ],
    ),
  ).toEqual(['a', 'b', 'c'])
  expect(() =>
    tableOrder(
      ['a', 'b'],
      [
        { from: 'a', to: 'b' },
        { from: 'b', to: 'a' },
      ],
    ),
  ).toThrow(/point at each other/)
})

type Disposable = TestDatabase & AsyncDisposable
const disposable = (database: TestDatabase): Disposable => ({
  ...database,
  [Symbol.asyncDispose]: () => database.close(),
})
const empty = async (): Promise<Disposable> => disposable(await testServer())
const testDatabaseOf = async (): Promise<Disposable> => disposable(await testDatabase())
