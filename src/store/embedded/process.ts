import { execFile } from 'node:child_process'
import { readdir, readlink, realpath } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * The processes whose working folder is `folder`. PostgreSQL's stand in their data folder for as long as they live,
 * so this finds ours and never an unrelated one that got the same number. The dead that nobody has collected yet
 * do not count.
 */
export async function processesIn(folder: string): Promise<readonly number[]> {
  const real = await realpath(folder)
  if (process.platform !== 'linux') {
    // lsof exits 1 when it finds nothing.
    const { stdout } = await promisify(execFile)('lsof', ['-a', '-d', 'cwd', '-Fp', '--', real]).catch(
      (error: unknown) => {
        if (typeof error === 'object' && error !== null && 'stdout' in error) return { stdout: String(error.stdout) }
        throw error
      },
    )
    return [...stdout.matchAll(/^p(\d+)$/gm)].map((match) => Number(match[1]))
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  // Gone meanwhile, or another user's: not ours.
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, index) => folders[index] === real).map(Number)
}

/** Looks every `everyMs` until `look` gives something; undefined after `withinMs`. */
export async function until<T>(
  look: () => Promise<T | undefined> | T | undefined,
  withinMs: number,
  everyMs = 10,
): Promise<T | undefined> {
  const end = performance.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined) return seen
    if (performance.now() > end) return undefined
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
