import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/*
 * A server of Holdpoint is one process or several: those that it forked for the gateway are its descendants and run
 * the same executable. Its PostgreSQL is a descendant too and runs another.
 */

interface Stat {
  readonly parent: number
  /** CPU in clock ticks. */
  readonly used: number
}

/** CPU seconds that `pid` and its descendants of the same executable have used (Linux). Undefined elsewhere. */
export function cpuSeconds(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const stats = readStats()
  const own = ownProcesses(pid, stats)
  if (own.length === 0) return undefined
  return own.reduce((sum, id) => sum + (stats.get(id)?.used ?? 0), 0) / ticksPerSecond()
}

/**
 * Memory in MiB of `pid` and its descendants of the same executable, together: PSS, which counts what several of
 * them map once; where the system tells none, RSS. Undefined where it tells neither.
 */
export function memoryMib(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const own = ownProcesses(pid, readStats())
  if (own.length === 0) return undefined
  return own.reduce((sum, id) => sum + (pss(id) ?? rss(id)), 0) / 1024
}

const pss = (pid: number): number | undefined => {
  try {
    const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib)
  } catch {
    return undefined
  }
}
const rss = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)

function ownProcesses(pid: number, stats: ReadonlyMap<number, Stat>): readonly number[] {
  const program = executable(pid)
  return program === undefined
    ? []
    : [...stats.keys()].filter((id) => descends(id, pid, stats) && executable(id) === program)
}

function executable(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    // It ended a moment ago, or is another user's.
    return undefined
  }
}

function descends(id: number, from: number, stats: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = id; at !== undefined && at > 0; at = stats.get(at)?.parent)
    if (at === from) return true
  return false
}

function readStats(): ReadonlyMap<number, Stat> {
  const stats = new Map<number, Stat>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readStat(entry)
    if (stat !== undefined) stats.set(Number(entry), stat)
  }
  return stats
}

/** proc(5): the name stands in brackets and may hold anything, so fields count from the last bracket. */
function readStat(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined
  }
}

let clock: number | undefined
const ticksPerSecond = (): number => (clock ??= Number(execFileSync('getconf', ['CLK_TCK']).toString()))
