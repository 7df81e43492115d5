import { execFile, execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
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

/** CPU seconds that a process and its descendants named like it have used (Linux). Undefined elsewhere. */
export function cpuSeconds(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const ticks = ticksPerSecond()
  const parents = new Map<number, { readonly parent: number; readonly name: string; readonly used: number }>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readStat(entry)
    if (stat !== undefined) parents.set(Number(entry), stat)
  }
  const root = parents.get(pid)
  if (root === undefined) return undefined
  let total = 0
  for (const [id, { name, used }] of parents) {
    if (name === root.name && descends(id, pid, parents)) total += used
  }
  return total / ticks
}

function descends(id: number, from: number, parents: ReadonlyMap<number, { readonly parent: number }>): boolean {
  for (let at: number | undefined = id; at !== undefined && at > 0; at = parents.get(at)?.parent)
    if (at === from) return true
  return false
}

/** proc(5): the name stands in brackets and may hold anything, so fields count from the last bracket. */
function readStat(pid: string): { parent: number; name: string; used: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = text.lastIndexOf(')')
    const fields = text.slice(end + 2).split(' ')
    return {
      name: text.slice(text.indexOf('(') + 1, end),
      parent: Number(fields[1]),
      used: Number(fields[11]) + Number(fields[12]),
    }
  } catch {
    return undefined
  }
}

let clock: number | undefined
const ticksPerSecond = (): number => (clock ??= Number(execFileSync('getconf', ['CLK_TCK']).toString()))
