import { existsSync, renameSync } from 'node:fs'
import path from 'node:path'
import type { Cli } from './cli/cli.ts'
import { EXIT, usage } from './cli/exit.ts'
import { oneLine } from './cli/exposed-text.ts'
import { version } from './cli/server.ts'
import type { Config } from './config.ts'
import type { Checkpoint } from './domain/ledger/checkpoint.ts'
import { counted, forOperators, storeToWrite, type Where, whereIs } from './operator.ts'
import { readBackupFile } from './store/backup/file.ts'
import { type Loaded, loadStore, markRestored } from './store/backup/load.ts'
import { BackupError } from './store/backup/manifest.ts'
import { readFormat } from './store/backup/read-format.ts'
import { checkSealWith } from './store/backup/seal.ts'
import { verifyBackup } from './store/backup/verify.ts'
import type { Written } from './store/backup/write-format.ts'
import { type Keyring, KeyringError, readKeyring } from './store/keyring.ts'
import { openLedgerMemory } from './store/ledger-memory.ts'

export interface RestoreInput extends Where {
  readonly file?: string
  readonly replace?: true
  readonly inPlace?: true
  readonly keepApiTokens?: true
}

/**
 * `hp admin restore`: puts a backup into the store of a server that does not run, or says with `--in-place` that one was
 * put there by other means.
 */
export const restore = (cli: Cli, input: RestoreInput): Promise<number> =>
  forOperators(async () => {
    if ((input.file === undefined) !== (input.inPlace === true))
      throw usage('name the backup, or say --in-place for a database that was put back by other means')
    const config = whereIs(cli, input)
    await using parts = new AsyncDisposableStack()
    const put = await (input.file === undefined
      ? inPlace(config, input, parts)
      : fromFile(config, path.resolve(cli.terminal.cwd, input.file), input, cli.terminal.env, parts))
    const { log, manifest } = put
    const aside = log.instead === undefined ? undefined : setAside(config.dataDir)
    const at = new Date(manifest.at).toISOString()
    if (cli.wantsJson) cli.json({ at, version: manifest.version, ...put.total, log })
    else
      cli.print(
        `${put.total === undefined ? 'The store is taken for one that was put back' : `Put back ${counted(put.total)}`}, as it was at ${at}.\n` +
          'The next start ends every session, grant, pending request and token in it, and serves nobody before.\n' +
          'What was changed after that moment is as it was then: look at accounts, passwords, roles and policy.' +
          (log.instead === undefined ? '' : `\n${newLog(log.origin, log.instead, put, aside)}`),
      )
    return EXIT.ok
  })

interface Put extends Loaded {
  /** Of a file. */
  readonly total?: Written
  readonly signed: Checkpoint | undefined
}

async function fromFile(
  config: Config,
  file: string,
  input: RestoreInput,
  env: Cli['terminal']['env'],
  parts: AsyncDisposableStack,
): Promise<Put> {
  if (!existsSync(file)) throw new BackupError(`${file}: there is no such file`)
  // The whole file before anything is touched.
  const keyring = keyringOf(config, env)
  const checkSeal = checkSealWith(keyring)
  const { manifest, total } = await verifyBackup(file, checkSeal)
  const missing = manifest.keys.filter((key) => !keyring.keys.has(key))
  if (missing.length > 0)
    throw new KeyringError(
      `Secrets in the backup are sealed with the key ${missing.join(', ')}, which is not in the keyring.`,
    )
  const url = await storeToWrite(config, parts)
  const signed = await lastSigned(config.dataDir)
  const loaded = await loadStore({
    url,
    open: () => readFormat(readBackupFile(file), checkSeal),
    replace: input.replace === true,
    keepTokens: input.keepApiTokens === true,
    ...(signed === undefined ? {} : { signed }),
  })
  return { ...loaded, total, signed }
}

async function inPlace(config: Config, input: RestoreInput, parts: AsyncDisposableStack): Promise<Put> {
  const url = await storeToWrite(config, parts)
  const signed = await lastSigned(config.dataDir)
  const keepTokens = input.keepApiTokens === true
  const marked = await markRestored({
    url,
    keepTokens,
    version: version(),
    ...(signed === undefined ? {} : { signed }),
  })
  return { ...marked, signed }
}

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

function newLog(now: string, before: string, { signed, manifest }: Put, aside: string | undefined): string {
  const held = manifest.ledger === undefined ? '' : `, and the backup has ${manifest.ledger.size} of them`
  const why =
    signed === undefined
      ? `how far ${before} was signed is not known here`
      : `${before} was signed up to ${signed.size} entries${held}`
  const memory = aside === undefined ? '' : ` What the signer remembered of the old one is in ${oneLine(aside)}.`
  return `The ledger goes on as another log, ${now}: ${why}.${memory} Give its name and its key to auditors and witnesses, and on other replicas move ${SIGNED} out of the data folder.`
}
