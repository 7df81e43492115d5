import { createServer } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import type { GatewayApp } from '../../app/ports/gateway.ts'
import type { TargetControl } from '../../app/ports/target.ts'
import type { Classifier } from '../../classify/postgres/shape.ts'
import { encodeTold } from '../../wire/postgres/encode.ts'
import { CancelKeys } from './cancel-keys.ts'
import type { CancelElsewhere } from './cancel-keys.ts'
import { KEEP_ALIVE_MS } from './keep-alive.ts'
import { serve } from './serve.ts'
import { LocalSockets } from './local-sockets.ts'
import { Poolers } from './poolers.ts'
import { adopt } from './shared-reads.ts'
import { fatal } from './told.ts'
import { WaitingRoom } from './waiting-room.ts'
import { welcome } from './welcome.ts'

export interface GatewayLimits {
  /** Client connections at once, those that are still signing in included. */
  readonly connections: number
  /** Of those, how many may be signing in. When they are as many, one that takes long makes room for the next. */
  readonly signingIn: number
  /** From the first byte to a proven principal, in ms. */
  readonly signInMs: number
  /** For the target to answer, in ms. */
  readonly connectMs: number
  /** Longest hold inside a transaction, in ms: it keeps locks. */
  readonly holdInTransactionMs: number
  /** How often a client whose statement waits for people hears something, in ms. */
  readonly keepAliveMs: number
}
export const GATEWAY_LIMITS: GatewayLimits = {
  connections: 2000,
  signingIn: 200,
  signInMs: 15_000,
  connectMs: 10_000,
  holdInTransactionMs: 60_000,
  keepAliveMs: KEEP_ALIVE_MS,
}

export interface GatewayLog {
  info(about: object, message: string): void
  warn(about: object, message: string): void
  error(about: object, message: string): void
}

export interface GatewayOptions {
  readonly app: GatewayApp
  readonly classifier: Classifier
  readonly catalogue: CatalogueSource
  readonly control: TargetControl
  readonly tls: SecureContextOptions
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly log: GatewayLog
  readonly limits?: Partial<GatewayLimits>
  /** Folders with the sockets of PostgreSQL servers that this program itself runs. */
  readonly ownSocketFolders?: () => readonly string[]
  /** Set when several processes take the port's connections between them. */
  readonly shared?: { readonly worker: number; readonly reusePort: boolean; readonly elsewhere: CancelElsewhere }
}
export interface Gateway {
  readonly port: number
  /** Open client connections, for metrics. */
  connections(): number
  /** A CancelRequest that reached another worker. */
  cancel(pid: number, secret: Buffer): void
  /**
   * Refuses new connections and ends each session as soon as it runs nothing and has no transaction open. Resolves once
   * none is left, or when the time is up: then `close`.
   */
  drain(withinMs: number): Promise<void>
  /** Refuses new connections, cuts the open ones, and resolves once every session is closed. Safe to repeat. */
  close(): Promise<void>
}

/** Listen for PostgreSQL clients. Rejects when the address cannot be had. */
export async function startPostgresGateway(options: GatewayOptions): Promise<Gateway> {
  const limits = { ...GATEWAY_LIMITS, ...options.limits }
  const tls = createSecureContext({ minVersion: 'TLSv1.2', ...options.tls })
  const keys = new CancelKeys(options.shared?.elsewhere)
  const nearby = new LocalSockets(options.ownSocketFolders)
  const poolers = new Poolers()
  const draining = new AbortController()
  const closing = new AbortController()
  const guests = new Set<Promise<void>>()
  const sockets = new Set<Socket>()
  const waiting = new WaitingRoom(limits.signingIn)

  const receive = async (plain: Socket): Promise<void> => {
    let last: Socket = plain
    plain.on('error', () => undefined)
    plain.setNoDelay(true)
    plain.setKeepAlive(true, 30_000)
    const leave =
      sockets.size > limits.connections ? undefined : waiting.enter(plain.remoteAddress ?? '', () => last.destroy())
    if (leave === undefined) {
      plain.end(encodeTold(fatal('53300', 'too many connections to this gateway')))
      setTimeout(() => plain.destroy(), 500).unref()
      return
    }
    const late = setTimeout(() => last.destroy(), limits.signInMs)
    const secured = (socket: Socket) => {
      socket.on('error', () => undefined)
      last = socket
    }
    let guest
    try {
      guest = await welcome({ app: options.app, keys, tls, secured }, plain)
    } finally {
      clearTimeout(late)
      leave()
      if (guest === undefined) setTimeout(() => last.destroy(), 500).unref()
    }
    if (guest !== undefined) {
      await serve(
        { ...options, limits, keys, sockets: nearby, poolers, draining: draining.signal, closing: closing.signal },
        guest,
        plain.remoteAddress ?? 'unknown',
      )
    }
  }

  // Half-open, so that what a client still reads reaches it after it has said that it sends no more.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    const socket = adopt(accepted)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const done = receive(socket)
      .catch((error: unknown) => {
        options.log.error({ err: error }, 'a connection failed')
        socket.destroy()
      })
      .finally(() => guests.delete(done))
    guests.add(done)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const { host, port, shared } = options
    server.listen({ host, port, reusePort: shared?.reusePort ?? false }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => options.log.error({ err: error }, 'the gateway cannot take connections'))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sockets.size,
    cancel: (pid, secret) => void keys.use(pid, secret, true),
    async drain(withinMs) {
      draining.abort()
      if (server.listening) server.close()
      const late = new AbortController()
      await Promise.race([Promise.all(guests), after(withinMs, undefined, late).catch(() => undefined)])
      late.abort()
    },
    async close() {
      draining.abort()
      closing.abort()
      if (server.listening) server.close()
      const patience = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, 3000)
      await Promise.all(guests)
      clearTimeout(patience)
      for (const socket of sockets) socket.destroy()
    },
  }
}
