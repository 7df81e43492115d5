import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Embedded } from '../store/embedded/start-embedded.ts'
import { readDatabaseSql } from './demo-files.ts'

/** A database of the demo's server, and the role that Holdpoint signs in with. It owns the database and is nothing more. */
interface DemoDatabase {
  readonly name: string
  readonly role: string
  /** The resource's name, and its sealed password's; absent where the demo shows what is missing. */
  readonly secret?: string
}

const DATABASES: readonly DemoDatabase[] = [
  { name: 'shop', role: 'shop_gate', secret: 'shop-db' },
  { name: 'payments', role: 'payments_gate', secret: 'payments-db' },
  { name: 'analytics', role: 'analytics_gate', secret: 'analytics-db' },
  { name: 'ledger', role: 'ledger_gate' },
]

/** A password that must be sealed in the store under `secret`. */
export interface TargetPassword {
  readonly secret: string
  readonly password: string
}

/**
 * Makes the databases that are missing. Each is filled under another name and renamed when it is whole, so a crash
 * in between leaves nothing half-made.
 */
export async function fillDatabases(server: Pick<Embedded, 'url'>): Promise<void> {
  const admin = await connect(server.url, 'postgres')
  try {
    const { rows } = await admin.query<{ name: string }>('SELECT datname AS name FROM pg_database')
    const there = new Set(rows.map((row) => row.name))
    const missing = DATABASES.filter(({ name }) => !there.has(name))
    for (const { name, role } of missing) await prepare(admin, name, role)
    await Promise.all(missing.map(({ name, role }) => fill(server.url, name, role)))
    for (const { name } of missing) await admin.query(`ALTER DATABASE ${making(name)} RENAME TO ${name}`)
  } finally {
    await admin.end()
  }
}

/**
 * Gives a new password to every role whose secret `sealed` lacks, and answers what to seal. Dying before that is
 * done loses nothing: the next start makes another one.
 */
export async function freshPasswords(
  server: Pick<Embedded, 'url'>,
  sealed: ReadonlySet<string>,
): Promise<readonly TargetPassword[]> {
  const admin = await connect(server.url, 'postgres')
  try {
    const fresh: TargetPassword[] = []
    for (const { role, secret } of DATABASES) {
      if (secret === undefined || sealed.has(secret)) continue
      const password = randomBytes(24).toString('base64url')
      await admin.query(`ALTER ROLE ${role} PASSWORD ${pg.escapeLiteral(password)}`)
      fresh.push({ secret, password })
    }
    return fresh
  } finally {
    await admin.end()
  }
}

const making = (name: string): string => `${name}_making`

async function connect(url: string, database: string): Promise<pg.Client> {
  const at = new URL(url)
  at.pathname = `/${database}`
  const client = new pg.Client(at.href)
  await client.connect()
  return client
}

async function prepare(admin: pg.Client, name: string, role: string): Promise<void> {
  const { rowCount } = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
  if (rowCount === 0) await admin.query(`CREATE ROLE ${role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE`)
  await admin.query(`DROP DATABASE IF EXISTS ${making(name)} WITH (FORCE)`)
  await admin.query(`CREATE DATABASE ${making(name)} OWNER ${role}`)
  await admin.query(`REVOKE CONNECT ON DATABASE ${making(name)} FROM PUBLIC`)
}

async function fill(url: string, name: string, role: string): Promise<void> {
  const client = await connect(url, making(name))
  try {
    // One transaction: nothing of it is worth waiting for the disk.
    await client.query(`BEGIN; SET LOCAL synchronous_commit = off; SET ROLE ${role}`)
    await client.query(await readDatabaseSql(name))
    await client.query('COMMIT; RESET ROLE')
    // So that the planner's estimates are right from the first statement on.
    await client.query('ANALYZE')
  } finally {
    await client.end()
  }
}
