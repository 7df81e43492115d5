import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '../../src/contract/client.ts'
import type { Client } from '../../src/contract/client.ts'
import { generatedCertificate } from '../../src/gateway/tls.ts'
import { freePort } from '../../src/store/embedded/start-embedded.ts'
import { readKeyring } from '../../src/store/keyring.ts'
import { testDatabase, testServer } from './database.ts'
import type { TestDatabase } from './database.ts'
import { furnish, RULES } from './installation.ts'
import type { Person } from './installation.ts'

/*
 * Several `hp start` on one database, as processes of their own that a test may kill, pause and wake: each with its
 * own data folder, and with the keyring and the certificate that replicas must share.
 */

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const READY_MS = 60_000

export interface Replica {
  readonly name: string
  readonly url: string
  readonly gatewayPort: number
  readonly dataDir: string
  /** What it printed and logged, since its first start. */
  said(): string
  /** Undefined while it does not run. */
  pid(): number | undefined
  /** Resolves when it is ready, or, without `wait`, at once. */
  start(how?: { readonly wait?: boolean }): Promise<void>
  /** To the server and its gateway processes, as an init system does. */
  signal(name: NodeJS.Signals): void
  /** The exit code, once it has ended; -1 when a signal ended it. */
  ended(): Promise<number>
  /** What /readyz says; undefined when nobody answers. */
  ready(): Promise<{ readonly ready: boolean; readonly checks: readonly Check[] } | undefined>
}
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
}

export interface Fleet extends AsyncDisposable {
  readonly replicas: readonly Replica[]
  readonly store: TestDatabase
  readonly target: TestDatabase
  /** The API as one of the people, through a replica with the role `api`. */
  as(name: Person, through: Replica): Client
  /** For `hp`: a token of that person's for the API. */
  token(name: Person): string
  /** For pg: ana at shop-db, through a replica with the role `gateway`. */
  connection(through: Replica): {
    readonly host: string
    port: number
    user: string
    password: string
    database: string
  }
}

export interface FleetOptions {
  /** Flags of each replica; the first must have the role `api`. */
  readonly replicas: readonly (readonly string[])[]
  readonly documents?: readonly string[]
  readonly tables?: readonly string[]
  readonly store?: TestDatabase
  /** In place of the store's own address: a line that can be cut. */
  readonly storeUrl?: string
  readonly env?: Readonly<Record<string, string>>
}

export async function fleet(options: FleetOptions): Promise<Fleet> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'hp-fleet-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const [store, target] = await Promise.all([options.store ?? testDatabase(), testServer()])
  parts.defer(() => store.close())
  parts.defer(() => target.close())
  for (const table of options.tables ?? ['CREATE TABLE carts (id int, note text)']) await target.query(table)
  await generatedCertificate(folder, ['127.0.0.1', hostname()])
  const env = {
    DATABASE_URL: options.storeUrl ?? store.url,
    HP_KEYRING_FILE: path.join(folder, 'keyring'),
    ...options.env,
  }
  const replicas: Replica[] = []
  for (const [i, flags] of options.replicas.entries()) {
    const dataDir = path.join(folder, `replica-${i}`)
    await mkdir(path.join(dataDir, 'tls'), { recursive: true, mode: 0o700 })
    await copyFile(path.join(folder, 'gateway-tls.pem'), path.join(dataDir, 'tls', 'gateway-tls.pem'))
    replicas.push(replica(`replica-${i}`, dataDir, { api: await freePort(), gateway: await freePort() }, flags, env))
  }
  parts.defer(async () => {
    for (const one of replicas) {
      one.signal('SIGKILL')
      await one.ended()
    }
  })
  const [first, ...rest] = replicas
  if (first === undefined) throw new Error('no replica')
  readKeyring(folder, {})
  // The others would print a one-time code of their own.
  await first.start()
  const code = /One-time code: (\S+)/.exec(first.said())?.[1] ?? ''
  const { tokens, gatewayToken } = await furnish(first.url, code, target, options.documents ?? [RULES])
  await Promise.all(rest.map((one) => one.start()))
  const all = parts.move()
  return {
    replicas,
    store,
    target,
    as: (name, { url }) => createClient({ url, token: () => tokens.get(name) ?? '' }),
    token: (name) => tokens.get(name) ?? '',
    connection: ({ gatewayPort }) => ({
      host: '127.0.0.1',
      port: gatewayPort,
      user: 'ana',
      password: gatewayToken,
      database: 'shop-db',
    }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function replica(
  name: string,
  dataDir: string,
  ports: { readonly api: number; readonly gateway: number },
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Replica {
  const url = `http://127.0.0.1:${ports.api}`
  const addresses = ['--listen', `127.0.0.1:${ports.api}`, '--gateway', `127.0.0.1:${ports.gateway}`]
  const args = [
    MAIN,
    'start',
    '--data',
    dataDir,
    ...addresses,
    '--gateway-workers',
    '0',
    '--log-level',
    'warn',
    ...flags,
  ]
  let child: ChildProcess | undefined
  let ended = Promise.resolve(-1)
  let said = ''
  const ready: Replica['ready'] = async () => {
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) })
      return (await response.json()) as { ready: boolean; checks: Check[] }
    } catch {
      return undefined
    }
  }
  return {
    name,
    url,
    gatewayPort: ports.gateway,
    dataDir,
    said: () => said,
    pid: () => child?.pid,
    ready,
    async start({ wait = true } = {}) {
      if (child !== undefined) throw new Error(`${name} runs`)
      const mine = spawn(process.execPath, args, {
        // A group of its own, with its gateway processes.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'] ?? '',
          HOME: dataDir,
          NO_COLOR: '1',
          NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
          ...env,
        },
      })
      child = mine
      for (const stream of [mine.stdout, mine.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
      ended = new Promise((resolve) => {
        mine.on('close', (code) => {
          if (child === mine) child = undefined
          resolve(code ?? -1)
        })
      })
      if (!wait) return
      const begun = performance.now()
      while ((await ready())?.ready !== true) {
        const late = performance.now() - begun > READY_MS
        if (child !== mine || late) throw new Error(`${name} is not ready: ${said.slice(-2_000)}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    signal(signal) {
      if (child?.pid === undefined) return
      try {
        process.kill(-child.pid, signal)
      } catch {
        // It ended a moment ago.
      }
    },
    ended: () => ended,
  }
}

/** Asks until it is so; what `look` throws counts as not yet. */
export async function eventually<T>(
  look: () => Promise<T | undefined | false>,
  what: string,
  withinMs = 30_000,
): Promise<T> {
  let last: unknown
  for (const until = performance.now() + withinMs; ;) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      last = error
    }
    if (performance.now() > until) throw new Error(`${what} did not come true`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
