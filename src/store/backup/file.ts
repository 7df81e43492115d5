import { createReadStream, createWriteStream } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { BackupError } from './manifest.ts'

/**
 * Writes a backup, compressed, into a new file that only its owner may read: whole and on disk when this resolves, or
 * not there at all. Throws BackupError when there is such a file.
 */
export async function writeBackupFile(file: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const draft = `${file}.${process.pid}.part`
  try {
    await pipeline(
      Readable.from(bytes),
      createGzip(),
      createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true }),
    )
    // Unlike a rename this never replaces.
    await link(draft, file).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
      throw new BackupError(`${file} is there already. Backups are never written over one another.`, { cause })
    })
  } finally {
    await rm(draft, { force: true })
  }
  const folder = await open(dirname(file), 'r')
  await folder.sync()
  await folder.close()
}

/** What `writeBackupFile` was given. Throws BackupError where the file is not compressed, damaged, or breaks off. */
export async function* readBackupFile(file: string): AsyncGenerator<Buffer, void> {
  const source = createReadStream(file)
  const plain = createGunzip()
  source.on('error', (error) => plain.destroy(error))
  source.pipe(plain)
  try {
    yield* plain as AsyncIterable<Buffer>
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code?.startsWith('Z_') === true)
      throw new BackupError(
        code === 'Z_BUF_ERROR'
          ? 'The backup breaks off.'
          : `This is no backup of Holdpoint, or a damaged one: ${message}.`,
        { cause },
      )
    throw cause
  } finally {
    source.destroy()
  }
}
