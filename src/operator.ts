import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Cli } from './cli/cli.ts'
import { EXIT, Stop } from './cli/exit.ts'
import { oneLine } from './cli/exposed-text.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { BackupError } from './store/backup/manifest.ts'
import type { Written } from './store/backup/write-format.ts'
import { FolderInUse, lockFolder } from './store/embedded/lock.ts'
import { runningUrl, startEmbedded } from './store/embedded/start-embedded.ts'
import { KeyringError } from './store/keyring.ts'
import { SchemaMismatch } from './store/migrate.ts'
import { ExposedFile } from './store/private-file.ts'

/** Which installation of this machine: what `hp start` takes. */
export interface Where {
  readonly data?: string
  readonly demo?: true
}

/** The same folder and database as `hp start` with these settings. */
export function whereIs(cli: Cli, { data, demo }: Where): Config {
  const env = { ...cli.terminal.env }
  return readConfig(
    {
      ...(data === undefined ? {} : { data: path.resolve(cli.terminal.cwd, data) }),
      ...(demo === undefined ? {} : { demo }),
    },
    env,
  )
}

/** A server may be running on it. */
export async function storeToRead(config: Config, parts: AsyncDisposableStack): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl
  if (!existsSync(path.join(config.dataDir, 'postgres', 'PG_VERSION')))
    throw new BackupError(
      `There is no store in ${config.dataDir}. Name its data folder with --data DIR, or --demo for the demo's.`,
    )
  const running = runningUrl(config.dataDir)
  if (running !== undefined && (await answers(running))) return running
  return embeddedUrl(config, parts)
}

/** No server may be running on it. */
export async function storeToWrite(config: Config, parts: AsyncDisposableStack): Promise<string> {
  if (config.databaseUrl === undefined) return embeddedUrl(config, parts)
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  parts.defer(lockFolder(config.dataDir))
  return config.databaseUrl
}

async function embeddedUrl({ dataDir }: Config, parts: AsyncDisposableStack): Promise<string> {
  const embedded = await startEmbedded({ dataDir, log: () => undefined })
  parts.defer(() => embedded.stop())
  return embedded.url
}

async function answers(url: string): Promise<boolean> {
  try {
    await sealedWith(url)
    return true
  } catch {
    return false
  }
}

/** The key that its replicas seal with; undefined where there is none yet. */
export async function sealedWith(url: string): Promise<string | undefined> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'holdpoint backup',
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ key_id: string }>('SELECT key_id FROM sealing_key')
    return rows[0]?.key_id
  } catch (error) {
    // undefined_table: of an older version, or no store at all, which the backup itself says.
    if ((error as { code?: string }).code === '42P01') return undefined
    throw error
  } finally {
    await client.end()
  }
}

const FOR_PEOPLE = [BackupError, KeyringError, ExposedFile, FolderInUse, SchemaMismatch]
const CANNOT_CONNECT = /^(ECONNREFUSED|ENOENT|ENOTFOUND|ETIMEDOUT|28|3D|57P03)/

/** What the operator can do something about, as `error:` and `hint:`. */
export async function forOperators(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (cause) {
    const { code, message, syscall } = cause as NodeJS.ErrnoException
    if (cause instanceof ConfigError) throw new Stop(EXIT.usage, message, undefined, { cause })
    if (FOR_PEOPLE.some((kind) => cause instanceof kind))
      throw new Stop(EXIT.failed, oneLine(message), undefined, { cause })
    if (code !== undefined && syscall !== 'open' && CANNOT_CONNECT.test(code))
      throw new Stop(EXIT.failed, `the store cannot be reached: ${oneLine(message)}`, undefined, { cause })
    // insufficient_privilege
    if (code === '42501')
      throw new Stop(
        EXIT.failed,
        `the database refuses: ${oneLine(message)}`,
        'The user of DATABASE_URL must own the database and its schema public. An empty database of its own will do.',
        { cause },
      )
    if (syscall === 'open' || code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
      throw new Stop(EXIT.failed, oneLine(message), undefined, { cause })
    throw cause
  }
}

export const counted = ({ rows, tables }: Written): string => `${rows.toLocaleString('en-US')} rows of ${tables} tables`
