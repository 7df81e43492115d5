import { createHash } from 'node:crypto'
import path from 'node:path'
import { parseCheckpoint } from '../domain/ledger/checkpoint.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import { configDir } from './settings.ts'
import type { Terminal } from './terminal.ts'

/*
 * The newest checkpoint that this person has verified of a server's log: the next one must go on from it. Kept under the
 * server's address and not under the log's name, for a server that shows another log is what must be noticed.
 */
const fileOf = (env: Terminal['env'], origin: string): string =>
  path.join(configDir(env), `ledger-${createHash('sha256').update(origin).digest('hex').slice(0, 16)}.checkpoint`)

/** @throws Stop for a file that others may change. */
export const keptCheckpoint = (env: Terminal['env'], origin: string): string | undefined =>
  readPrivateFile(fileOf(env, origin))

/** Only after it was verified. Never an older one than is kept. */
export function keepCheckpoint(env: Terminal['env'], origin: string, note: string): void {
  const kept = parseCheckpoint(keptCheckpoint(env, origin) ?? '')?.checkpoint
  const size = parseCheckpoint(note)?.checkpoint.size
  if (size !== undefined && size >= (kept?.size ?? 0)) writePrivateFile(fileOf(env, origin), note)
}
