import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** A file that must not be used for a secret, such as one that others on this machine could read. The message is for the operator. */
export class ExposedFile extends Error {
  override readonly name = 'ExposedFile'
}

/**
 * Reads a file that only its owner may read. Throws ExposedFile when others may, when it is no ordinary file, or
 * larger than `atMost` bytes; ENOENT when there is none.
 */
export function readPrivateFile(file: string, atMost = 1_048_576): Buffer {
  // Not waiting for the other end, should it be a pipe.
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = fstatSync(handle)
    const { mode, uid } = status
    if (!status.isFile() || status.size > atMost) throw new ExposedFile(`${file} is no file of at most ${atMost} bytes`)
    const own = process.getuid?.() ?? uid
    if ((mode & 0o077) !== 0)
      throw new ExposedFile(
        `${file} can be read or changed by others on this machine. Close it first: chmod 600 ${file}`,
      )
    if (uid !== own && uid !== 0) throw new ExposedFile(`${file} belongs to another user of this machine`)
    return readFileSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Writes a new file with mode 0600: whole or not at all, on disk when this returns. Throws EEXIST when there is one. */
export function writePrivateFile(file: string, content: string): void {
  const draft = `${file}.${process.pid}`
  rmSync(draft, { force: true })
  const handle = openSync(draft, 'wx', 0o600)
  try {
    writeSync(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    // Unlike a rename this never replaces: of two processes one wins.
    linkSync(draft, file)
  } finally {
    rmSync(draft)
  }
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}
