import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { SecureContextOptions } from 'node:tls'
import type { Logger } from 'pino'
import { createGatewayApp } from '../app/gateway/create-gateway-app.ts'
import { gatewayVerifiers } from '../app/people/gateway-verifiers.ts'
import { startHeartbeat } from '../app/reconcile/heartbeat.ts'
import { createReplica } from '../app/reconcile/replica.ts'
import type { GatewayApp } from '../app/ports/gateway.ts'
import type { Core } from '../core.ts'
import { demoSocketFolders } from '../demo/target.ts'
import { failing } from '../failpoint.ts'
import { type GatewayOptions, startPostgresGateway } from '../gateway/postgres/listen.ts'
import type { Counts } from './messages.ts'

/** Where the way of an action could end between two of its steps. */
const POINTS = [
  'openSession',
  'attachBackend',
  'hold',
  'outcome',
  'start',
  'confirm',
  'finish',
  'closeSession',
] as const

/** The gateways of one process. */
export interface Carrying {
  counts(): Counts
  cancel(pid: number, secret: Buffer): void
  /** Takes nothing new, and gives what is open so long to end by itself. */
  drain(withinMs: number): Promise<void>
  /** Cuts every session and resolves once all are closed and what ran is recorded. Safe to repeat. */
  close(): Promise<void>
}

export interface CarryOptions extends Pick<GatewayOptions, 'host' | 'port' | 'shared'> {
  readonly dataDir: string
  readonly tls: SecureContextOptions
  /** What links in notices begin with. */
  readonly baseUrl: string
  readonly log: Logger
}

/**
 * Everything that a process needs to carry sessions, from the row that says that it lives to the socket that listens.
 * Rejects, with nothing left open, when the address cannot be had.
 */
export async function carrySessions(core: Core, options: CarryOptions): Promise<Carrying> {
  await using parts = new AsyncDisposableStack()
  const { keeper, opened, classifier, catalogue, control } = core
  const { store, vital, clock, wake } = opened
  const replica = createReplica(vital, () => `${hostname()}-${randomUUID()}`)
  // Without a store the others find out by its silence.
  parts.defer(() => replica.stop().catch((error: unknown) => core.onFault('saying good-bye', error)))
  const app = createGatewayApp({
    ...core,
    store,
    vital,
    clock,
    wake,
    replica,
    policy: () => keeper.current(),
    refreshPolicy: () => keeper.refresh(),
    verifiers: (user) => gatewayVerifiers(store, user),
    baseUrl: () => options.baseUrl,
  })
  parts.defer(() => app.close())
  const heartbeat = await startHeartbeat({ ...core, replica, cuts: app.cuts })
  parts.defer(() => heartbeat.stop())
  const ownSocketFolders = () => demoSocketFolders(options.dataDir)
  const failingApp = failing<GatewayApp>('gateway', app, POINTS)
  const gateway = await startPostgresGateway({
    app: failingApp,
    classifier,
    catalogue,
    control,
    ownSocketFolders,
    ...options,
  })
  parts.defer(() => gateway.close())
  const all = parts.move()
  let closed: Promise<void> | undefined
  return {
    counts: () => ({ connections: gateway.connections(), lost: app.background.state().lost }),
    cancel: (pid, secret) => gateway.cancel(pid, secret),
    drain: (withinMs) => gateway.drain(withinMs),
    close: () => (closed ??= all.disposeAsync()),
  }
}
