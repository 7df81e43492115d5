import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** Where Debian and others put what is not on everybody's PATH. */
const PLACES = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']

/** The program's path, or undefined when this machine does not have it. */
export function find(program: string): string | undefined {
  for (const place of PLACES) {
    const file = path.join(place, program)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not there.
    }
  }
  return undefined
}

export interface Output {
  readonly out: string
  readonly err: string
}

/** Runs a program to its end. Throws with what it said when it fails. */
export function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { env, cwd, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) =>
      error === null
        ? resolve({ out, err })
        : reject(new Error(`${path.basename(file)} failed: ${err.trim()}`, { cause: error })),
    )
  })
}
