import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { percentile } from './figures.ts'
import type { Mode } from './figures.ts'
import { cpuSeconds } from './processes.ts'
import { run } from './programs.ts'
import type { Way } from './ways.ts'

export interface Round {
  /** Transactions a second. */
  readonly tps: number
  /** CPU seconds of the one in between, by transaction. */
  readonly cpu: number | undefined
}

/** pgbench -S, the same on every way. */
export class Pgbench {
  readonly #program: string
  readonly #folder: string
  readonly #seconds: number

  /** `folder`: where it may write its logs. */
  constructor(program: string, folder: string, seconds: number) {
    this.#program = program
    this.#folder = folder
    this.#seconds = seconds
  }

  async throughput(way: Way, mode: Mode, clients: number, sslmode: 'disable' | 'require' = 'disable'): Promise<Round> {
    const [out, used] = await Promise.all([
      this.#run(way, mode, clients, sslmode, []),
      way.pid === undefined ? undefined : usedMeanwhile(way.pid, this.#seconds),
    ])
    const done = Number(/number of transactions actually processed: (\d+)/.exec(out)?.[1])
    const rate = Number(/^tps = ([\d.]+)/m.exec(out)?.[1])
    if (!(done > 0) || !(rate > 0)) throw new Error(`pgbench said nothing that can be read: ${out}`)
    return { tps: rate, cpu: used === undefined ? undefined : used / rate }
  }

  /** Microseconds of the middle transaction of one client. */
  async latency(way: Way): Promise<number> {
    const folder = path.join(this.#folder, 'pgbench-log')
    mkdirSync(folder)
    try {
      await this.#run(way, 'prepared', 1, 'disable', ['-l', '--log-prefix', path.join(folder, 'log')])
      // client, transaction, microseconds, script, time, time
      const times = readdirSync(folder).flatMap((file) =>
        readFileSync(path.join(folder, file), 'utf8')
          .split('\n')
          .flatMap((line) => (line === '' ? [] : [Number(line.split(' ')[2])])),
      )
      return percentile(times, 0.5)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  async #run(
    way: Way,
    mode: Mode,
    clients: number,
    sslmode: 'disable' | 'require',
    more: readonly string[],
  ): Promise<string> {
    const how = ['-S', '-n', '-M', mode, '-c', String(clients), '-j', String(threads(clients))]
    const where = ['-T', String(this.#seconds), '-h', '127.0.0.1', '-p', String(way.port), '-U', way.user, way.database]
    const env = { ...process.env, PGPASSWORD: way.password, PGSSLMODE: sslmode }
    const { out } = await run(this.#program, [...how, ...more, ...where], env, this.#folder)
    return out
  }
}

/**
 * CPU seconds a second, from the second on in which everybody has signed in until shortly before the end. pgbench leaves the
 * time of signing in out of its transactions a second, so that CPU is left out too.
 */
async function usedMeanwhile(pid: number, seconds: number): Promise<number | undefined> {
  await sleep(SIGNED_IN_MS)
  const [before, from] = [cpuSeconds(pid), performance.now()]
  await sleep(Math.max(500, seconds * 1000 - SIGNED_IN_MS - 500))
  const [after, to] = [cpuSeconds(pid), performance.now()]
  return before === undefined || after === undefined ? undefined : (after - before) / ((to - from) / 1000)
}
const SIGNED_IN_MS = 1500

/**
 * The same for every way. One thread alone would be what is measured where there are cores enough, and hide what is
 * lost in between; more than half the cores would take them from what is measured.
 */
const threads = (clients: number): number => Math.min(clients, Math.max(1, Math.floor(availableParallelism() / 2)))
