import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { connectionOptions, executorOn } from '../database.ts'
import { applyWithin, migrate, MIGRATION_LOCK, readMigrations, refuseOldServer } from '../migrate.ts'
import type { Migration } from '../migrate.ts'
import { ledgerOrigin } from '../ledger-origin.ts'
import { peopleStore } from '../people.ts'
import { recordWriter } from '../record.ts'
import { restorationStore } from '../restorations.ts'
import { instant } from '../../domain/time.ts'
import { copyIn } from './copy.ts'
import { BackupError, FORMAT } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import type { BackupReader } from './read-format.ts'
import type { TableRows, Written } from './write-format.ts'

export interface LoadOptions {
  readonly url: string
  /** Reads the file from its beginning. Called once the database is found to take it. */
  readonly open: () => Promise<BackupReader>
  /** What is in the database goes. */
  readonly replace: boolean
  /** API tokens of the backup go on; otherwise all tokens end. */
  readonly keepTokens: boolean
  /** The last tree that was signed from here, as the signer remembers it. */
  readonly signed?: SignedTree
  readonly loaded?: (total: Written) => void
}

interface SignedTree {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** What was put back. */
export interface Loaded {
  readonly manifest: Manifest
  /** The log's name, and the other one that it had until now when it could not go on under that. */
  readonly log: { readonly origin: string; readonly instead?: string }
}

/** Numbers that people see, and that must never mean two things: what was made after the backup had the next ones. */
const NUMBERED = ['request_number', 'session_number', 'grant_number']
/** They go on this far behind the last of the backup, or by as many as it had ever used, whichever is more. */
const GAP = 1_000

/**
 * Puts a backup into a database: all of it or nothing, in one transaction. It is made with the schema that the backup
 * was written under and then brought to this program's. What was restored is written down (`restoration`), and whoever
 * starts on the store serves nobody before that is dealt with.
 * @throws BackupError when the file, or the database, is not what it must be. Nothing was changed then.
 */
export async function loadStore(options: LoadOptions): Promise<Loaded> {
  return alone(options.url, async (client) => {
    await makeRoom(client, options.replace)
    const backup = await options.open()
    return { manifest: backup.manifest, log: await fill(client, backup, options) }
  })
}

/** One transaction on a database that nobody else uses. */
async function alone(url: string, work: (client: pg.Client) => Promise<Loaded>): Promise<Loaded> {
  const client = new pg.Client(connectionOptions(url, 'holdpoint restore'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    await refuseOldServer(client)
    await client.query("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET DateStyle = 'ISO'")
    // Whoever starts a server on it meanwhile waits here.
    const { rows } = await client.query<{ ours: boolean }>('SELECT pg_try_advisory_lock($1) AS ours', [MIGRATION_LOCK])
    if (rows[0]?.ours !== true)
      throw new BackupError('Another Holdpoint is starting or being restored on this database. Stop it first.')
    await refuseUsers(client)
    await client.query('BEGIN')
    try {
      const loaded = await work(client)
      await client.query('COMMIT')
      await client.query('ANALYZE')
      return loaded
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined)
      throw error
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** A server that runs on the database would go on with what it knew. */
async function refuseUsers(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*) AS count FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'holdpoint%'`,
  )
  const count = rows[0]?.count ?? 0
  if (count > 0)
    throw new BackupError(
      `A Holdpoint is using this database (${count} connections). Stop every replica first: hp stop, on each machine.`,
    )
}

/**
 * Says of a store that was put back by other means that this was meant: what the backup would have said of itself is
 * taken from the store. It is brought to this program's schema first.
 */
export async function markRestored(
  options: Pick<LoadOptions, 'url' | 'keepTokens' | 'signed'> & { readonly version: string },
): Promise<Loaded> {
  await migrate(options.url)
  return alone(options.url, async (client) => {
    const { rows } = await client.query<{ at: number; accounts: number; entries: number }>(
      `SELECT greatest((SELECT high FROM clock), (SELECT max(at) FROM record)) AS at,
        (SELECT count(*) FROM principal) AS accounts, (SELECT count(*) FROM record) AS entries`,
    )
    const [found] = rows
    if (found === undefined || found.accounts === 0)
      throw new BackupError('The store is empty: nothing was put back in it yet.')
    const manifest: Manifest = {
      format: FORMAT,
      version: options.version,
      ...found,
      migrations: [],
      sequences: [],
      keys: [],
    }
    await renumberTransactions(client)
    await makeItThisServers(client)
    return { manifest, log: await writeDown(client, manifest, options) }
  })
}

/** Rows that name transactions which this server has yet to begin came from another: they would be seen by nobody until then. */
async function renumberTransactions(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ foreign: boolean }>(
    'SELECT EXISTS (SELECT FROM record WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())) AS foreign',
  )
  if (rows[0]?.foreign !== true) return
  await client.query('ALTER TABLE record DISABLE TRIGGER USER')
  await client.query('UPDATE record SET xid = pg_current_xact_id()')
  await client.query('ALTER TABLE record ENABLE TRIGGER USER')
}

async function makeRoom(client: pg.Client, replace: boolean): Promise<void> {
  const { rows } = await client.query<{ store: boolean; tables: number }>(
    `SELECT to_regclass('public.schema_migration') IS NOT NULL AS store,
      (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')) AS tables`,
  )
  const { store, tables } = rows[0] ?? { store: false, tables: 0 }
  if (!store && tables > 0)
    throw new BackupError(`This database holds ${tables} tables that are not Holdpoint's. Choose an empty one.`)
  if (!store) return
  const accounts = await accountsIn(client)
  if (accounts > 0 && !replace)
    throw new BackupError(
      `The store is not empty: it has ${accounts} ${accounts === 1 ? 'account' : 'accounts'}. To lose all of it and put the backup in its place, add --replace.`,
    )
  await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC')
  await client.query('DROP SCHEMA IF EXISTS pgboss CASCADE')
}

async function accountsIn(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ exists: boolean }>(
    "SELECT to_regclass('public.principal') IS NOT NULL AS exists",
  )
  if (rows[0]?.exists !== true) return 0
  const { rows: counted } = await client.query<{ count: number }>('SELECT count(*) AS count FROM public.principal')
  return counted[0]?.count ?? 0
}

async function fill(client: pg.Client, backup: BackupReader, options: LoadOptions): Promise<Loaded['log']> {
  const { manifest } = backup
  const known = readMigrations()
  const before = migrationsOf(manifest, known)
  await applyWithin(client, before)
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'schema_migration' ORDER BY relname`,
  )
  const tables = rows.map(({ name }) => name)
  const names = tables.map(quoted).join(', ')
  // INVARIANT: rows are put back as they were, so what the triggers watch over did not happen here. Foreign keys and checks hold.
  for (const table of tables) await client.query(`ALTER TABLE ${quoted(table)} DISABLE TRIGGER USER`)
  const later = await setAside(client)
  await client.query(`TRUNCATE ${names}`)

  const left = new Set(tables)
  for await (const one of backup.tables()) {
    if (!left.delete(one.table))
      throw new BackupError(`The backup holds a table that is not in its schema: ${one.table}.`)
    await loadTable(client, one)
    options.loaded?.({ tables: tables.length - left.size, rows: 0 })
  }
  if (left.size > 0) throw new BackupError(`The backup lacks the table ${[...left].join(', ')}.`)
  for (const { name, last, called } of manifest.sequences)
    await client.query('SELECT setval($1::regclass, $2::bigint, $3)', [quoted(name), last, called])

  for (const { table, name, definition } of later)
    await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${pg.escapeIdentifier(name)} ${definition}`)
  for (const table of tables) await client.query(`ALTER TABLE ${quoted(table)} ENABLE TRIGGER USER`)
  const done = new Set(before.map(({ number }) => number))
  await applyWithin(
    client,
    known.filter(({ number }) => !done.has(number)),
  )
  await makeItThisServers(client)
  return writeDown(client, manifest, options)
}

const quoted = (table: string): string => `public.${pg.escapeIdentifier(table)}`

/** The migrations that the rows were written under: all of them must be this program's own. */
function migrationsOf(manifest: Manifest, known: readonly Migration[]): readonly Migration[] {
  const byNumber = new Map(known.map((migration) => [migration.number, migration]))
  return manifest.migrations.map(({ number, name, checksum }) => {
    const migration = byNumber.get(number)
    if (migration === undefined)
      throw new BackupError(
        `The backup was made by a newer Holdpoint (${manifest.version}, migration ${number}-${name}). Restore it with that version.`,
      )
    if (migration.checksum !== checksum)
      throw new BackupError(`Migration ${number}-${name} is not the one that the backup was made with.`)
    return migration
  })
}

interface SetAside {
  readonly table: string
  readonly name: string
  readonly definition: string
}

/** Constraints that were added without looking at the rows of before do not hold for them now either. */
async function setAside(client: pg.Client): Promise<readonly SetAside[]> {
  const { rows } = await client.query<SetAside>(
    `SELECT conrelid::regclass::text AS table, conname AS name, pg_get_constraintdef(oid) AS definition
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND NOT convalidated AND contype IN ('c', 'f')`,
  )
  for (const { table, name } of rows)
    await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${pg.escapeIdentifier(name)}`)
  return rows
}

async function loadTable(client: pg.Client, { table, columns, rows }: TableRows): Promise<void> {
  const names = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  try {
    await copyIn(client, `COPY ${quoted(table)} (${names}) FROM STDIN`, rows)
  } catch (cause) {
    if (cause instanceof BackupError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new BackupError(`The rows of ${table} cannot be put back: ${why}`, { cause })
  }
}

/** What is true of the server that the store stands on, or of the moment, and not of the store. */
async function makeItThisServers(client: pg.Client): Promise<void> {
  await client.query('UPDATE clock SET timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)')
  // What targets had at the time of the backup: looked at anew, and at once.
  await client.query('DELETE FROM inventory')
}

async function writeDown(
  client: pg.Client,
  manifest: Manifest,
  options: Pick<LoadOptions, 'keepTokens' | 'signed'>,
): Promise<Loaded['log']> {
  const { rows } = await client.query<{ now: number; sessions: number; grants: number; number: number }>(
    `SELECT holdpoint_now() AS now, (SELECT coalesce(max(number), 0) FROM session) AS sessions,
      (SELECT coalesce(max(number), 0) FROM access_grant) AS grants,
      (SELECT coalesce(max(number), 0) + 1 FROM restoration) AS number`,
  )
  const [row] = rows
  if (row === undefined) throw new Error('the clock has no row')
  for (const sequence of NUMBERED)
    await client.query(`SELECT setval('${sequence}', last_value + greatest($1::bigint, last_value)) FROM ${sequence}`, [
      GAP,
    ])
  const executor = executorOn(client)
  const store = { people: peopleStore(executor), restorations: restorationStore(executor) }
  const before = await ledgerOrigin(store)
  const log = (await goesOn(client, before, options.signed)) ? null : randomBytes(8).toString('hex')
  await client.query(
    `INSERT INTO restoration (number, restored_at, backup_at, sessions, grants, keep_tokens, log) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [row.number, row.now, manifest.at, row.sessions, row.grants, options.keepTokens, log],
  )
  // Signed under another name. The tree is the same, so its old checkpoints, wherever they are kept, still fit it.
  if (log !== null) await forget(client, ['ledger_cosignature', 'ledger_checkpoint', 'ledger_key'])
  const origin = await ledgerOrigin(store)
  const { ledger } = manifest
  await recordWriter(executor, instant(row.now), new Set()).append({
    kind: 'store.restored',
    subject: 'store',
    body: {
      backupAt: manifest.at,
      version: manifest.version,
      entries: manifest.entries,
      keepTokens: options.keepTokens,
      ...(ledger === undefined ? {} : { ledger }),
      ...(log === null ? {} : { log: origin, instead: before }),
      // How much was signed that the backup does not have.
      ...(options.signed === undefined ? {} : { signed: { origin: options.signed.origin, size: options.signed.size } }),
    },
  })
  return { origin, ...(log === null ? {} : { instead: before }) }
}

async function forget(client: pg.Client, tables: readonly string[]): Promise<void> {
  for (const table of tables) await client.query(`ALTER TABLE ${quoted(table)} DISABLE TRIGGER USER`)
  await client.query(`TRUNCATE ${tables.map(quoted).join(', ')}`)
  for (const table of tables) await client.query(`ALTER TABLE ${quoted(table)} ENABLE TRIGGER USER`)
}

/**
 * Whether the signer may go on with the log that the backup holds: what was signed last is known, and is no more than
 * the backup has. Anything else would show two histories under one name.
 */
async function goesOn(client: pg.Client, origin: string, signed: SignedTree | undefined): Promise<boolean> {
  const { rows } = await client.query<{ size: number; root: Buffer }>('SELECT size, root FROM ledger_head')
  const head = rows[0] ?? { size: 0, root: Buffer.alloc(0) }
  if (signed === undefined) return head.size === 0
  if (signed.origin !== origin || signed.size > head.size) return false
  // A smaller one is looked at by the signer itself, which asks for the proof.
  return signed.size < head.size || head.root.equals(signed.root)
}
