import { existsSync, statSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import path from 'node:path'
import type { Cli } from './cli/cli.ts'
import { EXIT } from './cli/exit.ts'
import { oneLine } from './cli/exposed-text.ts'
import { version } from './cli/server.ts'
import type { Config } from './config.ts'
import { counted, forOperators, sealedWith, storeToRead, type Where, whereIs } from './operator.ts'
import { writeBackupFile } from './store/backup/file.ts'
import { dumpStore } from './store/backup/dump.ts'
import { BackupError } from './store/backup/manifest.ts'
import { noteBackup } from './store/backup/note-backup.ts'
import { createSeal } from './store/backup/seal.ts'
import type { Written } from './store/backup/write-format.ts'
import { readKeyring } from './store/keyring.ts'

export interface BackupInput extends Where {
  readonly file: string
}

/**
 * `hp admin backup`: for whoever runs the server, on its machine. It reads the database itself, so it works while a
 * server runs and while none does, and needs no sign-in: it holds more than any role may read (ADR 0014).
 */
export const backup = (cli: Cli, input: BackupInput): Promise<number> =>
  forOperators(async () => {
    const config = whereIs(cli, input)
    const file = path.resolve(cli.terminal.cwd, input.file)
    if (!existsSync(path.dirname(file))) throw new BackupError(`${path.dirname(file)}: there is no such folder`)
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

const size = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`

function keepApart(config: Config, env: Cli['terminal']['env']): string {
  const keyring = env['HP_KEYRING'] ? 'HP_KEYRING' : (env['HP_KEYRING_FILE'] ?? path.join(config.dataDir, 'keyring'))
  return `The keyring (${oneLine(keyring)}) is not in it: keep a copy elsewhere. With both, every sealed secret can be opened; without it, none.`
}
