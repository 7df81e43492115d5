import {
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { oneLine } from './exposed-text.ts'
import { EXIT, Stop } from './exit.ts'

/** Larger than any token file; a mistaken path to something else is not slurped. */
const LARGEST = 1024 * 1024

/**
 * The text of a file that only its owner may read; undefined when there is none. The mode is taken from the
 * opened file, so it cannot be swapped between the look and the read.
 * @throws Stop when others could read or change it, or when it belongs to somebody else.
 */
export function readPrivateFile(file: string): string | undefined {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Stop(EXIT.failed, `${oneLine(file)} cannot be read: ${reasonOf(cause)}`, undefined, { cause })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.size > LARGEST) throw new Stop(EXIT.failed, `${oneLine(file)} is not a file of tokens`)
    if ((stat.mode & 0o077) !== 0) {
      throw new Stop(
        EXIT.failed,
        `${oneLine(file)} can be read by others (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}); it was not used`,
        `Make it yours alone: chmod 600 '${oneLine(file)}'. If others may have read it, revoke the token too.`,
      )
    }
    const me = process.getuid?.()
    if (me !== undefined && me !== 0 && stat.uid !== me)
      throw new Stop(EXIT.failed, `${oneLine(file)} belongs to somebody else; it was not used`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** Written whole or not at all, mode 0600 in a directory of mode 0700. */
export function writePrivateFile(file: string, text: string): void {
  const directory = path.dirname(file)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.tmp`
  rmSync(draft, { force: true })
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx', flush: true })
  chmodSync(draft, 0o600)
  renameSync(draft, file)
}

export function reasonOf(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is not a directory',
  }
  return (code === undefined ? undefined : words[code]) ?? (cause instanceof Error ? oneLine(cause.message) : 'unknown')
}
