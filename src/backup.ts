import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import type { Cli } from './cli/cli.ts'
import { EXIT, Stop } from './cli/exit.ts'
import { oneLine } from './cli/exposed-text.ts'
import { version } from './cli/server.ts'
import type { Checkpoint } from './domain/ledger/checkpoint.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { readBackupFile, writeBackupFile } from './store/backup/file.ts'
import { dumpStore } from './store/backup/dump.ts'
import { loadStore } from './store/backup/load.ts'
import { BackupError } from './store/backup/manifest.ts'
import { noteBackup } from './store/backup/note-backup.ts'
import { readFormat } from './store/backup/read-format.ts'
import { checkSealWith, createSeal } from './store/backup/seal.ts'
import { verifyBackup } from './store/backup/verify.ts'
import type { Written } from './store/backup/write-format.ts'
import { FolderInUse, lockFolder } from './store/embedded/lock.ts'
import { runningUrl, startEmbedded } from './store/embedded/start-embedded.ts'
import { type Keyring, KeyringError, readKeyring } from './store/keyring.ts'
import { openLedgerMemory } from './store/ledger-memory.ts'
import { SchemaMismatch } from './store/migrate.ts'
import { ExposedFile } from './store/private-file.ts'

interface Where {
  readonly data?: string
  readonly demo?: true
}
export interface BackupInput extends Where {
  readonly file: string
}
export interface RestoreInput extends BackupInput {
  readonly replace?: true
  readonly keepApiTokens?: true
}

/**
 * `hp admin backup`: for whoever runs the server, on its machine. It reads the database itself, so it works while a
 * server runs and while none does, and needs no sign-in: it holds more than any role may read (ADR 0014).
 */
export const backup = (cli: Cli, input: BackupInput): Promise<number> =>
  forOperators(async () => {
    const config = whereIs(cli, input)
    const file = path.resolve(cli.terminal.cwd, input.file)
    // Looked at before the work; made sure of behind it.
    if (existsSync(file)) throw new BackupError(`${file} is there already. Backups are never written over one another.`)
    await using parts = new AsyncDisposableStack()
    const url = await storeToRead(config, parts)
    const keyring = readKeyring(config.dataDir, cli.terminal.env, await sealedWith(url))
    let total: Written = { tables: 0, rows: 0 }
    await noteBackup(url, { by: userInfo().username, on: hostname() })
    const written = (now: Written): void => {
      total = { ...now }
    }
    await writeBackupFile(file, dumpStore({ url, version: version(), seal: createSeal(keyring), written }))
    const bytes = statSync(file).size
    if (cli.wantsJson) cli.json({ file, bytes, ...total })
    else cli.print(`Backed up ${counted(total)} into ${oneLine(file)} (${size(bytes)}).`)
    cli.note(keepApart(config, cli.terminal.env))
    return EXIT.ok
  })

/** `hp admin restore`: puts a backup into the store of a server that does not run. */
export const restore = (cli: Cli, input: RestoreInput): Promise<number> =>
  forOperators(async () => {
    const config = whereIs(cli, input)
    const file = path.resolve(cli.terminal.cwd, input.file)
    if (!existsSync(file)) throw new BackupError(`${file}: there is no such file`)
    // The whole file before anything is touched.
    const keyring = keyringOf(config, cli.terminal.env)
    const checkSeal = checkSealWith(keyring)
    const { manifest, total } = await verifyBackup(file, checkSeal)
    const missing = manifest.keys.filter((key) => !keyring.keys.has(key))
    if (missing.length > 0)
      throw new KeyringError(
        `Secrets in the backup are sealed with the key ${missing.join(', ')}, which is not in the keyring.`,
      )
    await using parts = new AsyncDisposableStack()
    const url = await storeToWrite(config, parts)
    const signed = await lastSigned(config.dataDir)
    const { log } = await loadStore({
      url,
      open: () => readFormat(readBackupFile(file), checkSeal),
      replace: input.replace === true,
      keepTokens: input.keepApiTokens === true,
      ...(signed === undefined ? {} : { signed }),
    })
    const aside = log.instead === undefined ? undefined : setAside(config.dataDir)
    const at = new Date(manifest.at).toISOString()
    if (cli.wantsJson) cli.json({ file, at, version: manifest.version, ...total, log })
    else
      cli.print(
        `Put back ${counted(total)}, as they were at ${at}.\n` +
          'The next start ends every session, grant, pending request and token of the backup, and serves nobody before.\n' +
          'What was changed after the backup is as it was then: look at accounts, passwords, roles and policy.' +
          (log.instead === undefined
            ? ''
            : `\n${newLog(log.origin, log.instead, signed?.size, manifest.ledger?.size, aside)}`),
      )
    return EXIT.ok
  })

const SIGNED = 'ledger-signed'

/** None is made here: another would open nothing of the backup. */
function keyringOf({ dataDir }: Config, env: Cli['terminal']['env']): Keyring {
  const given = Boolean(env['HP_KEYRING']) || Boolean(env['HP_KEYRING_FILE'])
  if (!given && !existsSync(path.join(dataDir, 'keyring')))
    throw new KeyringError(
      `There is no keyring in ${dataDir}. Put the one of the installation that made the backup there first (mode 0600), or name it with HP_KEYRING_FILE.`,
    )
  return readKeyring(dataDir, env)
}

/** What the signer of this data folder remembers. */
async function lastSigned(dataDir: string): Promise<Checkpoint | undefined> {
  const file = path.join(dataDir, SIGNED)
  if (!existsSync(file)) return undefined
  const memory = await openLedgerMemory(file)
  try {
    return await memory.read()
  } finally {
    await memory.close()
  }
}

/** The signer begins with the new log. What it remembers of the old one stays, as proof of how far that went. */
function setAside(dataDir: string): string | undefined {
  const file = path.join(dataDir, SIGNED)
  if (!existsSync(file)) return undefined
  const aside = `${file}.${new Date().toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}`
  renameSync(file, aside)
  return aside
}

function newLog(
  now: string,
  before: string,
  signed: number | undefined,
  held: number | undefined,
  aside: string | undefined,
): string {
  const why =
    signed === undefined
      ? `how far the log ${before} was signed is not known here`
      : `the log ${before} was signed up to ${signed} entries, and the backup has ${held ?? 0} of them signed`
  const memory = aside === undefined ? '' : ` What the signer remembered of the old one is in ${oneLine(aside)}.`
  return `The ledger goes on as another log, ${now}: ${why}.${memory} Give its name and its key to auditors and witnesses, and on other replicas move ${SIGNED} out of the data folder.`
}

const counted = ({ rows, tables }: Written): string => `${rows.toLocaleString('en-US')} rows of ${tables} tables`
const size = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`

function keepApart(config: Config, env: Cli['terminal']['env']): string {
  const keyring = env['HP_KEYRING'] ? 'HP_KEYRING' : (env['HP_KEYRING_FILE'] ?? path.join(config.dataDir, 'keyring'))
  return `The keyring (${oneLine(keyring)}) is not in it: keep a copy elsewhere. With both, every sealed secret can be opened; without it, none.`
}

/** The same folder and database as `hp start` with these settings. */
function whereIs(cli: Cli, { data, demo }: Where): Config {
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
async function storeToRead(config: Config, parts: AsyncDisposableStack): Promise<string> {
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
async function storeToWrite(config: Config, parts: AsyncDisposableStack): Promise<string> {
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
async function sealedWith(url: string): Promise<string | undefined> {
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
async function forOperators(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (cause instanceof ConfigError) throw new Stop(EXIT.usage, message, undefined, { cause })
    if (FOR_PEOPLE.some((kind) => cause instanceof kind))
      throw new Stop(EXIT.failed, oneLine(message), undefined, { cause })
    if (code !== undefined && CANNOT_CONNECT.test(code))
      throw new Stop(EXIT.failed, `the store cannot be reached: ${oneLine(message)}`, undefined, { cause })
    if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
      throw new Stop(EXIT.failed, oneLine(message), undefined, { cause })
    throw cause
  }
}
