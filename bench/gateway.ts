import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { connectPostgres } from '../src/cli/pg-connection.ts'
import type { World } from '../src/tour/world.ts'
import { CLIENTS, median, MODES, percentile, rounded } from './figures.ts'
import type { Figures, Mode } from './figures.ts'
import { startBouncer } from './pgbouncer.ts'
import { cpuSeconds, find, run } from './programs.ts'

/** One way to the same tables, as the same kind of client goes it. */
interface Way {
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  /** Whose CPU is counted; absent for the direct way. */
  readonly pid?: number
}
interface Round {
  readonly tps: number
  /** CPU seconds of the one in between, by transaction. */
  readonly cpu: number | undefined
}
type WayName = 'direct' | 'gateway' | 'pgbouncer'

export interface GatewayOptions {
  readonly rounds: number
  readonly seconds: number
  readonly wants: (key: string) => boolean
  readonly say: (line: string) => void
}

/**
 * pgbench -S over three ways to one database: direct, through Holdpoint (rules and statement record on), through
 * PgBouncer. Rounds alternate between the ways, so that what the machine does besides falls on all of them.
 */
export async function measureGateway(world: World, figures: Figures, options: GatewayOptions): Promise<void> {
  const pgbench = find('pgbench')
  const bouncer = find('pgbouncer')
  if (pgbench === undefined)
    return options.say('gateway.*: null, pgbench is not installed (Debian: postgresql-contrib)')
  if (bouncer === undefined) options.say('gateway.*.vs_pgbouncer: null, pgbouncer is not installed')
  const bench = new Bench(pgbench, world.folder, options.seconds)
  const direct = await prepare(pgbench, world)
  const pooled = bouncer === undefined ? undefined : await startBouncer(bouncer, { host: '127.0.0.1', ...direct })
  try {
    const token = await world.hp('ana', 'token', '--lifetime', '12h')
    if (token.code !== 0) throw new Error(`no token: ${token.err}`)
    const ways: [WayName, Way][] = [
      ['direct', direct],
      [
        'gateway',
        { port: world.gatewayPort, database: 'shop-db', user: 'ana', password: token.out.trim(), pid: world.pid() },
      ],
    ]
    if (pooled !== undefined) ways.push(['pgbouncer', { ...direct, port: pooled.port, pid: pooled.pid }])
    // Nobody is measured while code is still being compiled and caches are empty.
    for (const [, way] of ways) await bench.throughput(way, 'extended', 8)
    for (const mode of MODES) {
      for (const clients of CLIENTS) {
        const key = `gateway.${mode}.${clients}`
        if (!options.wants(key)) continue
        try {
          const rounds = await alternate(ways, options.rounds, (way) => bench.throughput(way, mode, clients))
          compare(key, rounds, figures)
          options.say(`${key}: ${ways.map(([name]) => `${name} ${Math.round(tps(rounds, name) ?? 0)}/s`).join(', ')}`)
        } catch (error) {
          process.exitCode = 1
          options.say(`${key}: null, ${error instanceof Error ? error.message : String(error)}`)
        }
      }
    }
    const added = 'gateway.prepared.1.added_p50_us'
    if (options.wants(added)) {
      const both = ways.filter(([name]) => name !== 'pgbouncer')
      const latency = await alternate(both, options.rounds, (way) => bench.latency(way))
      figures.set(added, rounded(median(latency.get('gateway') ?? []) - median(latency.get('direct') ?? [])))
    }
  } finally {
    await pooled?.stop()
  }
}

async function alternate<T>(
  ways: readonly [WayName, Way][],
  rounds: number,
  measure: (way: Way) => Promise<T>,
): Promise<ReadonlyMap<WayName, readonly T[]>> {
  const seen = new Map<WayName, T[]>(ways.map(([name]) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    // Each round begins elsewhere: nobody always runs behind the same neighbour.
    for (let i = 0; i < ways.length; i++) {
      const [name, way] = ways[(i + round) % ways.length] ?? []
      if (name !== undefined && way !== undefined) seen.get(name)?.push(await measure(way))
    }
  }
  return seen
}

type Rounds = ReadonlyMap<WayName, readonly Round[]>
const tps = (rounds: Rounds, name: WayName): number | undefined => {
  const of = rounds.get(name)
  return of === undefined ? undefined : median(of.map((one) => one.tps))
}
const cpu = (rounds: Rounds, name: WayName): number | undefined => {
  const used = (rounds.get(name) ?? []).flatMap((one) => (one.cpu === undefined ? [] : [one.cpu]))
  return used.length === 0 ? undefined : median(used)
}
const ratio = (a: number | undefined, b: number | undefined): number | null =>
  a === undefined || b === undefined || b === 0 ? null : rounded(a / b)

function compare(key: string, rounds: Rounds, figures: Figures): void {
  figures.set(`${key}.vs_direct`, ratio(tps(rounds, 'gateway'), tps(rounds, 'direct')))
  figures.set(`${key}.vs_pgbouncer`, ratio(tps(rounds, 'gateway'), tps(rounds, 'pgbouncer')))
  figures.set(`${key}.cpu_vs_pgbouncer`, ratio(cpu(rounds, 'gateway'), cpu(rounds, 'pgbouncer')))
}

/** pgbench's tables in the demo's shop, owned by the role that Holdpoint uses, and a role for the ways around it. */
async function prepare(pgbench: string, world: World): Promise<Way> {
  const target = world.target()
  const password = randomBytes(18).toString('base64url')
  const admin = await connectPostgres({ ...target, database: 'shop', tls: 'disable' })
  try {
    await admin.query(
      `CREATE ROLE bench LOGIN PASSWORD '${password}'; GRANT CONNECT ON DATABASE shop TO bench; GRANT shop_gate TO bench`,
    )
    const env = { ...process.env, PGPASSWORD: target.password }
    const to = ['-h', target.host, '-p', String(target.port), '-U', target.user]
    await run(pgbench, ['-i', '-q', '-s', '10', ...to, 'shop'], env, world.folder)
    for (const table of ['accounts', 'branches', 'tellers', 'history']) {
      await admin.query(`ALTER TABLE pgbench_${table} OWNER TO shop_gate`)
    }
    return { port: target.port, database: 'shop', user: 'bench', password }
  } finally {
    await admin.close()
  }
}

class Bench {
  readonly #pgbench: string
  readonly #folder: string
  readonly #seconds: number

  constructor(pgbench: string, folder: string, seconds: number) {
    this.#pgbench = pgbench
    this.#folder = folder
    this.#seconds = seconds
  }

  async throughput(way: Way, mode: Mode, clients: number): Promise<Round> {
    const before = way.pid === undefined ? undefined : cpuSeconds(way.pid)
    const out = await this.#run(way, mode, clients, [])
    const after = way.pid === undefined ? undefined : cpuSeconds(way.pid)
    const done = Number(/number of transactions actually processed: (\d+)/.exec(out)?.[1])
    const rate = Number(/^tps = ([\d.]+)/m.exec(out)?.[1])
    if (!(done > 0) || !(rate > 0)) throw new Error(`pgbench said nothing that can be read: ${out}`)
    return { tps: rate, cpu: before === undefined || after === undefined ? undefined : (after - before) / done }
  }

  /** Microseconds of the middle transaction of one client. */
  async latency(way: Way): Promise<number> {
    const folder = path.join(this.#folder, 'pgbench-log')
    mkdirSync(folder)
    try {
      await this.#run(way, 'prepared', 1, ['-l', '--log-prefix', path.join(folder, 'log')])
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

  async #run(way: Way, mode: Mode, clients: number, more: readonly string[]): Promise<string> {
    const how = ['-S', '-n', '-M', mode, '-c', String(clients), '-j', '1', '-T', String(this.#seconds)]
    const where = ['-h', '127.0.0.1', '-p', String(way.port), '-U', way.user, way.database]
    const env = { ...process.env, PGPASSWORD: way.password, PGSSLMODE: 'disable' }
    const { out } = await run(this.#pgbench, [...how, ...more, ...where], env, this.#folder)
    return out
  }
}
