import { readBackupFile } from './file.ts'
import type { Manifest } from './manifest.ts'
import { readFormat } from './read-format.ts'
import type { CheckSeal } from './read-format.ts'
import type { Written } from './write-format.ts'

/** Reads a whole backup and checks every sum and the seal, changing nothing. @throws BackupError */
export async function verifyBackup(
  file: string,
  checkSeal: CheckSeal,
): Promise<{ readonly manifest: Manifest; readonly total: Written }> {
  const backup = await readFormat(readBackupFile(file), checkSeal)
  const each = backup.tables()
  for (;;) {
    const next = await each.next()
    if (next.done === true) return { manifest: backup.manifest, total: next.value }
    for await (const _ of next.value.rows);
  }
}
