import pg from 'pg'
import { connectionOptions } from '../database.ts'
import { copyOut } from './copy.ts'
import { BackupError } from './manifest.ts'
import type { EndLine, Manifest } from './manifest.ts'
import { tableOrder } from './table-order.ts'
import { writeFormat } from './write-format.ts'
import type { TableRows, Written } from './write-format.ts'

export interface DumpOptions {
  readonly url: string
  /** Of this program. */
  readonly version: string
  readonly seal: (sha256: Buffer) => EndLine['seal']
  readonly written?: (total: Written) => void
}

/**
 * The store as it was at one moment, while everybody else goes on writing: one snapshot (REPEATABLE READ, READ ONLY),
 * table by table, streamed. Nothing is locked against anything but a change of the schema.
 *
 * Columns of the type xid8 are left out: they number transactions of the server that they were written on, and mean
 * nothing on another.
 */
export async function* dumpStore(options: DumpOptions): AsyncGenerator<Buffer, void> {
  const client = new pg.Client(connectionOptions(options.url, 'holdpoint backup'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
      SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '10s';
      SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL DateStyle = 'ISO';
      SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'`)
    const manifest = await describe(client, options.version)
    const tables = await tablesOf(client)
    const rows = async function* (): AsyncGenerator<TableRows, void> {
      for (const { table, columns } of tables) {
        const names = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
        yield {
          table,
          columns,
          rows: copyOut(client, `COPY public.${pg.escapeIdentifier(table)} (${names}) TO STDOUT`),
        }
      }
    }
    yield* writeFormat(manifest, rows(), options.seal, options.written)
    await client.query('COMMIT')
  } finally {
    // A copy that was left half-way has destroyed its connection.
    await client.end().catch(() => undefined)
  }
}

type Described = Omit<Manifest, 'format'>

/** Reading it takes the snapshot: everything that follows is of the same moment. */
async function describe(client: pg.Client, version: string): Promise<Described> {
  const one = async <R extends pg.QueryResultRow>(text: string): Promise<R> => {
    const [row] = (await client.query<R>(text)).rows
    if (row === undefined) throw new Error(`no answer to: ${text}`)
    return row
  }
  const { exists } = await one<{ exists: boolean }>(
    "SELECT to_regclass('public.schema_migration') IS NOT NULL AS exists",
  )
  if (!exists) throw new BackupError('There is no store of Holdpoint in this database.')
  const { rows: migrations } = await client.query<Described['migrations'][number]>(
    'SELECT number, name, checksum FROM public.schema_migration ORDER BY number',
  )
  const { at, accounts, entries } = await one<{ at: number; accounts: number; entries: number }>(
    `SELECT public.holdpoint_now() AS at, (SELECT count(*) FROM public.principal) AS accounts,
      (SELECT count(*) FROM public.record) AS entries`,
  )
  const { rows: keys } = await client.query<{ key_id: string }>(
    'SELECT DISTINCT key_id FROM public.secret ORDER BY key_id',
  )
  const ledger = await ledgerOf(client)
  return {
    version,
    at,
    migrations,
    sequences: await sequencesOf(client),
    keys: keys.map((row) => row.key_id),
    accounts,
    entries,
    ...(ledger === undefined ? {} : { ledger }),
  }
}

/** The newest checkpoint that it holds. Nothing of a store from before there was a ledger. */
async function ledgerOf(client: pg.Client): Promise<Manifest['ledger']> {
  const { rows: found } = await client.query<{ exists: boolean }>(
    "SELECT to_regclass('public.ledger_checkpoint') IS NOT NULL AS exists",
  )
  if (found[0]?.exists !== true) return undefined
  const { rows } = await client.query<{ origin: string; size: number; root: string }>(
    `SELECT split_part(note, E'\\n', 1) AS origin, size, encode(root, 'base64') AS root
     FROM public.ledger_checkpoint ORDER BY size DESC LIMIT 1`,
  )
  return rows[0]
}

/** Sequences are of no snapshot: what is read here, after it was taken, is never behind its rows. */
async function sequencesOf(client: pg.Client): Promise<Described['sequences']> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname",
  )
  const found: Described['sequences'] = []
  for (const { name } of rows) {
    const at = await client.query<{ last: string; called: boolean }>(
      `SELECT last_value::text AS last, is_called AS called FROM public.${pg.escapeIdentifier(name)}`,
    )
    const [row] = at.rows
    if (row !== undefined) found.push({ name, ...row })
  }
  return found
}

/** Every table of ours, each behind those that it points at. */
async function tablesOf(
  client: pg.Client,
): Promise<readonly { readonly table: string; readonly columns: readonly string[] }[]> {
  const { rows } = await client.query<{ table: string; columns: string[] }>(
    `SELECT c.relname AS table, array_agg(a.attname::text ORDER BY a.attnum) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'schema_migration'
       AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.atttypid <> 'xid8'::regtype
     GROUP BY c.relname ORDER BY c.relname`,
  )
  const { rows: links } = await client.query<{ from: string; to: string }>(
    `SELECT f.relname AS from, t.relname AS to FROM pg_constraint k
     JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
     WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND f.oid <> t.oid`,
  )
  const columns = new Map(rows.map((row) => [row.table, row.columns]))
  return tableOrder([...columns.keys()], links).map((table) => ({ table, columns: columns.get(table) ?? [] }))
}
