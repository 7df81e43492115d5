import { availableParallelism, homedir } from 'node:os'
import path from 'node:path'

export interface Address {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
}

/** What a replica does: answer the API, end what must end and do what waits, carry sessions. */
export const ROLES = ['api', 'worker', 'gateway'] as const
export type ReplicaRole = (typeof ROLES)[number]

/** Everything `hp start` can be told. Read once, at the start. */
export interface Config {
  readonly dataDir: string
  /** In the order of `ROLES`, at least one. */
  readonly roles: readonly ReplicaRole[]
  /** A PostgreSQL of the operator's own; the embedded one when absent. */
  readonly databaseUrl?: string
  readonly listen: Address
  readonly gateway: Address
  /** Processes that take the gateway's connections between them; 0: the server does it itself. */
  readonly gatewayWorkers: number
  /** How long open transactions and statements under way may take after SIGTERM, in ms. */
  readonly drainMs: number
  /** What links in notices begin with. Follows the API's address when absent. */
  readonly publicUrl?: string
  readonly demo: boolean
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  /** Hosts, as `name` or `name:port`, that webhooks may call although their address is not a public one. */
  readonly webhookAllow?: readonly string[]
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  readonly logLevel: string
}

/** Flags as the command line gives them; each wins over its environment variable. */
export interface StartFlags {
  readonly data?: string
  readonly listen?: string
  readonly gateway?: string
  readonly gatewayWorkers?: string
  readonly role?: string
  readonly drain?: string
  readonly publicUrl?: string
  readonly demo?: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly logLevel?: string
}

/** A setting that cannot be used: the message says which and why, for `error:` on the terminal. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/
export const isLoopback = (host: string): boolean => LOOPBACK.test(host)
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** `$XDG_DATA_HOME/holdpoint`, or `holdpoint-demo` beside it: a demo never touches a real installation's data. */
function defaultDataDir(env: NodeJS.ProcessEnv, demo: boolean): string {
  const base = env['XDG_DATA_HOME'] || path.join(homedir(), '.local', 'share')
  return path.join(base, demo ? 'holdpoint-demo' : 'holdpoint')
}

/** `host:port`, `[::1]:port`, or `port` alone for loopback. */
function parseAddress(what: string, text: string): Address {
  const found = /^(?:(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):)?(\d{1,5})$/.exec(text)
  const port = Number(found?.[3])
  if (found === null || port > 65_535) throw new ConfigError(`${what}: '${text}' is not HOST:PORT`)
  return { host: found[1] ?? found[2] ?? '127.0.0.1', port }
}

/** More than these open more connections to the store than they are worth; who has the cores may ask for them. */
const WORKERS_UNASKED = 8
const MOST_WORKERS = 127

/** One a core, where the system can share a port between processes. */
function parseWorkers(text: string | undefined): number {
  if (text === undefined) return process.platform === 'linux' ? Math.min(availableParallelism(), WORKERS_UNASKED) : 1
  const count = Number(text)
  if (!/^\d{1,3}$/.test(text) || count > MOST_WORKERS)
    throw new ConfigError(`--gateway-workers: '${text}' is not a number from 0 to ${MOST_WORKERS}`)
  if (count > 1 && process.platform !== 'linux')
    throw new ConfigError('--gateway-workers: more than one process on a port is known to work on Linux only')
  return count
}

function parseRoles(text: string | undefined): readonly ReplicaRole[] {
  if (text === undefined) return ROLES
  const asked = text.split(',').map((part) => part.trim())
  const unknown = asked.find((name) => !(ROLES as readonly string[]).includes(name))
  if (unknown !== undefined) throw new ConfigError(`--role: '${unknown}' is none of ${ROLES.join(', ')}`)
  return ROLES.filter((role) => asked.includes(role))
}

/** Below what Docker gives a container that it stops: 10 s. */
const DRAIN_S = 5
const LONGEST_DRAIN_S = 3_600

function parseDrain(text: string | undefined): number {
  const seconds = text === undefined ? DRAIN_S : Number(text)
  if (text !== undefined && (!/^\d{1,4}$/.test(text) || seconds > LONGEST_DRAIN_S))
    throw new ConfigError(`--drain: '${text}' is not a number of seconds from 0 to ${LONGEST_DRAIN_S}`)
  return seconds * 1_000
}

/** @throws ConfigError */
export function readConfig(flags: StartFlags, env: NodeJS.ProcessEnv): Config {
  const demo = flags.demo ?? false
  const databaseUrl = env['DATABASE_URL'] || undefined
  const listen = parseAddress('--listen', flags.listen ?? env['HP_LISTEN'] ?? '127.0.0.1:7400')
  const gateway = parseAddress('--gateway', flags.gateway ?? env['HP_GATEWAY'] ?? '127.0.0.1:7432')
  if (demo && !(isLoopback(listen.host) && isLoopback(gateway.host))) {
    throw new ConfigError('the demo listens on loopback only: its people have tokens that lie in files')
  }
  if (demo && databaseUrl !== undefined) {
    throw new ConfigError('the demo brings its own database: unset DATABASE_URL')
  }
  const roles = parseRoles(flags.role ?? (env['HP_ROLE'] || undefined))
  if (roles.length < ROLES.length && databaseUrl === undefined) {
    throw new ConfigError('--role: the rest would be done by nobody: replicas share a database, so set DATABASE_URL')
  }
  const certFile = flags.tlsCert ?? env['HP_TLS_CERT']
  const keyFile = flags.tlsKey ?? env['HP_TLS_KEY']
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new ConfigError('--tls-cert and --tls-key go together')
  }
  const publicUrl = flags.publicUrl ?? env['HP_PUBLIC_URL']
  if (publicUrl !== undefined && !/^https?:\/\/[^\s/]+/.test(publicUrl)) {
    throw new ConfigError(`--public-url: '${publicUrl}' is not an http or https address`)
  }
  const logLevel = flags.logLevel ?? env['HP_LOG_LEVEL'] ?? 'info'
  if (!LEVELS.includes(logLevel)) throw new ConfigError(`--log-level: one of ${LEVELS.join(', ')}`)
  return {
    dataDir: path.resolve(flags.data ?? env['HP_DATA'] ?? defaultDataDir(env, demo)),
    roles,
    listen,
    gateway,
    drainMs: parseDrain(flags.drain ?? (env['HP_DRAIN'] || undefined)),
    gatewayWorkers: parseWorkers(flags.gatewayWorkers ?? env['HP_GATEWAY_WORKERS']),
    demo,
    webhookAllow: (env['HP_WEBHOOK_ALLOW'] ?? '').split(',').flatMap((part) => part.trim().toLowerCase() || []),
    trustedProxies: (env['HP_TRUSTED_PROXIES'] ?? '').split(',').filter((part) => part !== ''),
    logLevel,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(publicUrl === undefined ? {} : { publicUrl: publicUrl.replace(/\/+$/, '') }),
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
  }
}
