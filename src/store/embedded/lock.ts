import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Another live process uses the data folder. The message is for the operator. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/**
 * Takes the data folder for this process; the answer gives it back. The lock is the kernel's (fcntl, by way of
 * SQLite, which Node carries), so it ends with the process however that dies, and can never be stale.
 */
export function lockFolder(dataDir: string): () => void {
  const holder = join(dataDir, 'lock.pid')
  const lock = new DatabaseSync(join(dataDir, 'lock'))
  try {
    lock.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause
    throw new FolderInUse(
      `Another Holdpoint${holderOf(holder)} uses the data folder ${dataDir}. Stop it first (hp stop), or choose another folder with --data DIR.`,
      { cause },
    )
  }
  writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 })
  return () => lock.close()
}

const SQLITE_BUSY = 5

function holderOf(file: string): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(file, 'utf8'), 10)})`
  } catch {
    return ''
  }
}
