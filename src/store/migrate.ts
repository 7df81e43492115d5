import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import pg from 'pg'
import type { Executor } from './database.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** The database's schema and this program do not fit. The message is for the operator. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch'
}

/** Any constant does: only Holdpoint's migrations take it. */
export const MIGRATION_LOCK = 4_711_021
const FROZEN_MS = 30_000
const FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url))

/** The numbered files of `folder`, in order. Throws on a bad name or a number used twice. */
export function readMigrations(folder = FOLDER): readonly Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .toSorted()
  const found = files.map((file) => {
    const [, number, name] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(file) ?? []
    if (number === undefined || name === undefined)
      throw new Error(`a migration's file is called NNNN-name.sql, not ${file}`)
    const sql = readFileSync(`${folder}/${file}`, 'utf8')
    return { number: Number(number), name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
  const twice = found.find((migration, index) => found[index + 1]?.number === migration.number)
  if (twice) throw new Error(`two migrations have the number ${twice.number}`)
  return found
}

/**
 * Brings the database to this program's schema. Each migration is one transaction that also notes it as done, so an
 * interrupted run goes on where it was; of several processes that start at once, one works and the rest wait.
 * Throws SchemaMismatch when a newer program was here, or an applied migration has changed since.
 */
export async function migrate(url: string, migrations: readonly Migration[] = readMigrations()): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'holdpoint migrate' })
  // The statement that was under way rejects; without a listener Node would end the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await refuseOldServer(client)
    // One that freezes in the middle lets the others go on.
    await client.query(
      `SET idle_session_timeout = ${FROZEN_MS}; SET idle_in_transaction_session_timeout = ${FROZEN_MS}`,
    )
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await client.query(TABLE)
    const { rows } = await client.query<Applied>('SELECT number, name, checksum FROM schema_migration ORDER BY number')
    compare(rows, migrations)
    const done = new Set(rows.map((row) => row.number))
    for (const migration of migrations) if (!done.has(migration.number)) await apply(client, migration)
  } finally {
    // Ends the advisory lock too.
    await client.end()
  }
}

const TABLE = `CREATE TABLE IF NOT EXISTS schema_migration (
  number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`
const OLDEST_SERVER = 15

/** Throws SchemaMismatch when the server is too old for Holdpoint. */
export async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; text: string }>(
    "SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS text",
  )
  const [version] = rows
  if (version !== undefined && version.number < OLDEST_SERVER * 10_000) {
    throw new SchemaMismatch(
      `Holdpoint needs PostgreSQL ${OLDEST_SERVER} or newer; this database runs on ${version.text}.`,
    )
  }
}

/** Throws SchemaMismatch unless exactly this program's migrations are in force. For a look without changing anything. */
export async function checkSchema(url: string, migrations: readonly Migration[] = readMigrations()): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<Applied>('SELECT number, name, checksum FROM schema_migration ORDER BY number')
    compare(rows, migrations)
    if (rows.length < migrations.length)
      throw new SchemaMismatch('The database has not been migrated to this version of Holdpoint.')
  } finally {
    await client.end()
  }
}

interface Applied {
  readonly number: number
  readonly name: string
  readonly checksum: string
}

function compare(applied: readonly Applied[], known: readonly Migration[]): void {
  const byNumber = new Map(known.map((migration) => [migration.number, migration]))
  for (const row of applied) {
    const migration = byNumber.get(row.number)
    if (migration === undefined) {
      throw new SchemaMismatch(
        `The database was migrated by a newer Holdpoint (to ${row.number}-${row.name}). Start that version, or restore a backup from before.`,
      )
    }
    if (migration.checksum !== row.checksum) {
      throw new SchemaMismatch(
        `Migration ${row.number}-${migration.name} is not the one that this database was made with.`,
      )
    }
  }
}

async function apply(client: pg.Client, { number, name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await applyWithin(client, [{ number, name, sql, checksum }])
    await client.query('COMMIT')
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw new Error(`migration ${number}-${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

/** The same inside the caller's transaction, for a database that has no other schema. */
export async function applyWithin(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  await client.query(TABLE)
  for (const { number, name, sql, checksum } of migrations) {
    await client.query(sql)
    await client.query('INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)', [
      number,
      name,
      checksum,
    ])
  }
}

/** The number of the newest migration that the database has. */
export async function newestMigration(executor: Executor): Promise<number> {
  const { rows } = await sql<{ newest: number | null }>`SELECT max(number) AS newest FROM schema_migration`.execute(
    executor,
  )
  return rows[0]?.newest ?? 0
}
