import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { connectPostgres } from '../src/cli/pg-connection.ts'
import type { World } from '../src/tour/world.ts'
import { measureCopyOut } from './copy.ts'
import { CLIENTS, COPY_RATIOS, median, MODES, rounded } from './figures.ts'
import type { Figures } from './figures.ts'
import { measureHoldBeside } from './hold-beside.ts'
import { Pgbench } from './pgbench.ts'
import type { Round } from './pgbench.ts'
import { startBouncer } from './pgbouncer.ts'
import type { Bouncer } from './pgbouncer.ts'
import { find, run } from './programs.ts'
import { spareTarget } from './spare-target.ts'
import { sameTls } from './tls.ts'
import { alternate, ratio, reachesBySocket } from './ways.ts'
import type { Way, WayName, Ways } from './ways.ts'

export interface GatewayOptions {
  readonly rounds: number
  readonly seconds: number
  readonly wants: (key: string) => boolean
  readonly say: (line: string) => void
}

/** Where pgbench's and the demo's tables are, and the ways there. */
interface Shop {
  readonly direct: Way
  readonly gateway: Way
  readonly pgbouncer: Way | undefined
  /** Whether the gateway reaches its target through the Unix socket. */
  readonly bySocket: boolean
}

const TLS_KEY = 'gateway.tls.prepared.8.vs_pgbouncer_tls'
const HOLD_KEY = 'gateway.hold_beside.vs_alone'
const ADDED_KEY = 'gateway.prepared.1.added_p50_us'

/**
 * Three ways to one database: direct, through Holdpoint (rules and statement record on), through PgBouncer. Rounds
 * alternate between the ways, so that what the machine does besides falls on all of them.
 */
export async function measureGateway(world: World, figures: Figures, options: GatewayOptions): Promise<void> {
  const { rounds, say, wants } = options
  /** What fails leaves its figures null and says why; the others are measured all the same. */
  const figure = async (key: string, measure: () => Promise<void>): Promise<void> => {
    if (!wants(key)) return
    try {
      await measure()
    } catch (error) {
      process.exitCode = 1
      say(`${key}: null, ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const bouncer = find('pgbouncer')
  if (bouncer === undefined) say('gateway.*.vs_pgbouncer*: null, pgbouncer is not installed')
  const pgbench = find('pgbench')
  if (pgbench === undefined) {
    say('gateway.*: null but for gateway.copy_out, pgbench is not installed (Debian: postgresql-contrib)')
  } else if (needsShop(wants)) {
    const bench = new Pgbench(pgbench, world.folder, options.seconds)
    await using parts = new AsyncDisposableStack()
    const shop = await openShop(world, pgbench, bouncer, parts)
    const named: [WayName, Way | undefined][] = [
      ['direct', shop.direct],
      ['gateway', shop.gateway],
      ['pgbouncer', shop.pgbouncer],
    ]
    const ways: Ways = named.flatMap(([name, way]) => (way === undefined ? [] : [[name, way] as const]))
    say(`the gateway and PgBouncer reach the target by ${shop.bySocket ? 'its Unix socket' : 'TCP'}`)
    // Nobody is measured while code is still being compiled and caches are empty.
    for (const [, way] of ways)
      for (const mode of MODES) for (let turn = 0; turn < 2; turn++) await bench.throughput(way, mode, 8)
    for (const mode of MODES) {
      for (const clients of CLIENTS) {
        const key = `gateway.${mode}.${clients}`
        await figure(key, async () => {
          const seen = await alternate(ways, rounds, (way) => bench.throughput(way, mode, clients))
          compare(key, seen, figures)
          say(`${key}: ${inWords(seen)}`)
        })
      }
    }
    await figure(ADDED_KEY, async () => {
      const both = ways.filter(([name]) => name !== 'pgbouncer')
      const latency = await alternate(both, rounds, (way) => bench.latency(way))
      figures.set(ADDED_KEY, rounded(median(latency.get('gateway') ?? []) - median(latency.get('direct') ?? [])))
    })
    await figure(TLS_KEY, async () => {
      const both = ways.filter(([name]) => name !== 'direct')
      if (both.length < 2) return
      say(`${TLS_KEY}: ${await sameTls(both.map(([, way]) => way.port))}`)
      for (const [, way] of both) await bench.throughput(way, 'prepared', 8, 'require')
      const seen = await alternate(both, rounds, (way) => bench.throughput(way, 'prepared', 8, 'require'))
      figures.set(TLS_KEY, ratio(tps(seen.get('gateway')), tps(seen.get('pgbouncer'))))
      say(`${TLS_KEY}: ${inWords(seen)}`)
    })
    await figure(HOLD_KEY, async () => {
      const found = await measureHoldBeside(shop.gateway, rounds, async () => {
        return (await bench.throughput(shop.gateway, 'prepared', 8)).tps
      })
      figures.set(HOLD_KEY, ratio(found.beside, found.alone))
      say(`${HOLD_KEY}: ${Math.round(median(found.beside))}/s beside, ${Math.round(median(found.alone))}/s alone`)
    })
  }
  await figure('gateway.copy_out', async () => {
    await using target = await spareTarget(world, { connections: 100, megabytes: 200 })
    const pooled = await bounce(bouncer, target, world, target.bySocket)
    try {
      const named: [WayName, Way | undefined][] = [
        ['direct', target.direct],
        ['gateway', target.gateway],
        ['pgbouncer', pooled === undefined ? undefined : { ...target.direct, port: pooled.port }],
      ]
      const ways: Ways = named.flatMap(([name, way]) => (way === undefined ? [] : [[name, way] as const]))
      for (const [, way] of ways) await measureCopyOut(way)
      const seen = await alternate(ways, Math.max(5, rounds), measureCopyOut)
      for (const of of COPY_RATIOS)
        figures.set(
          `gateway.copy_out.${of}`,
          ratio(seen.get('gateway'), seen.get(of === 'vs_direct' ? 'direct' : 'pgbouncer')),
        )
      say(
        `gateway.copy_out: ${[...seen].map(([name, of]) => `${name} ${Math.round(median(of) / 1e6)} MB/s`).join(', ')}`,
      )
    } finally {
      await pooled?.stop()
    }
  })
}

const needsShop = (wants: (key: string) => boolean): boolean =>
  [TLS_KEY, HOLD_KEY, ADDED_KEY, ...MODES.flatMap((mode) => CLIENTS.map((n) => `gateway.${mode}.${n}`))].some(wants)

type Rounds = ReadonlyMap<WayName, readonly Round[]>
const tps = (rounds: readonly Round[] | undefined): readonly number[] | undefined => rounds?.map((one) => one.tps)
const cpu = (rounds: readonly Round[] | undefined): readonly number[] =>
  (rounds ?? []).flatMap((one) => (one.cpu === undefined ? [] : [one.cpu]))
const inWords = (rounds: Rounds): string =>
  [...rounds].map(([name, of]) => `${name} ${Math.round(median(of.map((one) => one.tps)))}/s`).join(', ')

function compare(key: string, rounds: Rounds, figures: Figures): void {
  const [direct, gateway, pgbouncer] = [rounds.get('direct'), rounds.get('gateway'), rounds.get('pgbouncer')]
  figures.set(`${key}.vs_direct`, ratio(tps(gateway), tps(direct)))
  figures.set(`${key}.vs_pgbouncer`, ratio(tps(gateway), tps(pgbouncer)))
  figures.set(`${key}.cpu_vs_pgbouncer`, ratio(cpu(gateway), cpu(pgbouncer)))
}

async function openShop(
  world: World,
  pgbench: string,
  bouncer: string | undefined,
  parts: AsyncDisposableStack,
): Promise<Shop> {
  const direct = await prepare(pgbench, world)
  const token = await world.hp('ana', 'token', '--lifetime', '12h')
  if (token.code !== 0) throw new Error(`no token: ${token.err}`)
  const gateway = {
    port: world.gatewayPort,
    database: 'shop-db',
    user: 'ana',
    password: token.out.trim(),
    pid: world.pid(),
  }
  const bySocket = await reachesBySocket(gateway)
  const target = { direct, socketDir: socketOf(path.join(world.folder, 'data', 'demo', 'target', 'postgres')) }
  const pooled = await bounce(bouncer, target, world, bySocket)
  parts.defer(() => pooled?.stop())
  return {
    direct,
    gateway,
    pgbouncer: pooled === undefined ? undefined : { ...direct, port: pooled.port, pid: pooled.pid },
    bySocket,
  }
}

/** PgBouncer reaches the target the way the gateway does, and has its certificate. */
async function bounce(
  program: string | undefined,
  { direct, socketDir }: { readonly direct: Way; readonly socketDir: string },
  world: World,
  bySocket: boolean,
): Promise<Bouncer | undefined> {
  if (program === undefined) return undefined
  const tls = path.join(world.folder, 'data', 'tls', 'gateway-tls.pem')
  return await startBouncer(program, { ...direct, host: bySocket ? socketDir : '127.0.0.1', tls })
}

/** The fifth line of postmaster.pid. */
const socketOf = (cluster: string): string =>
  readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n')[4] ?? ''

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
