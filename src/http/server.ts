import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { IdempotencyStore } from '../app/ports/idempotency.ts'
import type { App } from '../app/app.ts'
import type { Instant } from '../domain/time.ts'
import { SECURITY_HEADERS, problemAnswer } from './answer.ts'
import { describeFault } from './faults.ts'
import { stopAtGate } from './gate.ts'
import type { GateOptions, Stopped } from './gate.ts'
import type { ServerInfo } from './handlers/handler.ts'
import { createMetrics } from './metrics.ts'
import type { Gauges } from './metrics.ts'
import { toProblem } from './problems.ts'
import type { ProblemCode } from './problems.ts'
import { LARGE_BODY_AT_MOST } from './read-body.ts'
import { PROBE_WITHIN_MS, inTime } from './in-time.ts'
import { createRouter } from './router.ts'
import { createSourceAddress } from './source-address.ts'

export interface HttpServerOptions {
  readonly app: App
  readonly info: ServerInfo
  /** The clock of the database. */
  readonly now: () => Instant
  /** Why nobody is served, in words for them; undefined, or left out, when nothing is in the way. Probes and pages answer all the same. */
  readonly closed?: () => string | undefined
  /** JSON Schemas of the kinds of documents, by lower-case kind: served at /schemas/{kind}.json. */
  readonly documentSchemas: Readonly<Record<string, object>>
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
  readonly idempotency?: IdempotencyStore
  /** The same on every replica, and not in the store; one of its own when left out. */
  readonly idempotencyKey?: Uint8Array
  /** What links begin with; also the one origin whose pages may change things. */
  readonly publicUrl?: string
  /** Addresses or CIDR ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[]
  readonly metrics?: { readonly registry?: Registry; readonly gauges?: () => Promise<Gauges> }
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer }
  /** How often event streams beat, in ms. */
  readonly beatMs?: number
  /** How long /readyz and /metrics wait for the store, in ms. */
  readonly probeWithinMs?: number
  /** Only /healthz, /readyz and /metrics: for a replica without the role `api`. */
  readonly probesOnly?: boolean
}

export interface HttpServer {
  /** @throws the error of listen(2) when the address cannot be had. */
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number; readonly url: string }>
  /** Takes nothing new, ends the event streams, gives what is being answered a few seconds, then cuts. Safe to repeat. */
  close(): Promise<void>
}

/** What a client may take to send a request, in ms; and the size of its head, in bytes. */
const LIMITS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
  // The parser's strict mode: Content-Length beside Transfer-Encoding, and other ways to be read twice, are errors.
  insecureHTTPParser: false,
  requireHostHeader: true,
}
const CONNECTIONS = 4_000
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])
const GRACE_MS = 5_000

/** The API, its pages and its probes on one port. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const stopping = new AbortController()
  const gauges = options.metrics?.gauges
  const metrics = createMetrics(
    options.info.version,
    gauges === undefined ? undefined : () => inTime(gauges(), options.probeWithinMs ?? PROBE_WITHIN_MS),
    options.metrics?.registry,
  )
  const sourceAddress = createSourceAddress(options.trustedProxies ?? [])
  const router = createRouter({
    ...options,
    metrics,
    stopping: stopping.signal,
    secure: options.tls !== undefined,
    url: () => url,
    sourceAddress,
  })
  const listener = getRequestListener(router.fetch, {
    overrideGlobalObjects: false,
    // Only for what fails outside the router; the router answers its own faults.
    errorHandler(error) {
      options.log.error({ error: describeFault(error) }, 'a request failed')
      return problemAnswer(toProblem('internal'), { connection: 'close' })
    },
  })
  let url = options.publicUrl ?? ''
  let gate: GateOptions = { publicUrl: options.publicUrl, loopbackOnly: true }

  const elsewhere = ({ url: target = '' }: IncomingMessage): Stopped | undefined =>
    options.probesOnly !== true || PROBES.has(target.split('?', 1)[0] ?? '')
      ? undefined
      : { code: 'no_such_page', detail: 'this replica does not have the role api' }
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const stopped = stopping.signal.aborted
      ? { code: 'busy' as const }
      : (stopAtGate(request, gate) ?? elsewhere(request))
    if (stopped === undefined) {
      void listener(request, response)
      return
    }
    router.stoppedAtGate(request, stopped.code)
    writeProblem(response, stopped.code, stopped.detail, stopped.headers)
  }

  const server: Server =
    options.tls === undefined
      ? createServer(LIMITS, take)
      : createTlsServer({ ...LIMITS, ...options.tls, minVersion: 'TLSv1.2' }, take)
  server.maxConnections = CONNECTIONS
  // Bounded by the size of the head; a bound on the count would drop the rest in silence.
  server.maxHeadersCount = 0
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Whoever announces too much is answered before sending it.
    if (Number(request.headers['content-length'] ?? 0) <= LARGE_BODY_AT_MOST) response.writeContinue()
    take(request, response)
  })
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    writeProblem(response, 'bad_request', 'the only expectation is 100-continue'),
  )
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const stopped = stopAtGate(request, gate)
    router.stoppedAtGate(request, stopped?.code ?? 'bad_request')
    refuseSocket(socket, stopped?.code ?? 'bad_request', 'no address here speaks another protocol')
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    refuseSocket(socket, error.code === undefined ? 'bad_request' : (PARSER_PROBLEMS[error.code] ?? 'bad_request'))
  })

  let closing: Promise<void> | undefined
  return {
    async listen(host, port) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('the API listens on no address')
      gate = { publicUrl: options.publicUrl, loopbackOnly: /^(?:127\.|::1$)/.test(address.address) }
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
      const here = `${options.tls === undefined ? 'http' : 'https'}://${name}:${address.port}`
      url = options.publicUrl ?? here
      return { host: address.address, port: address.port, url: here }
    },
    close() {
      closing ??= (async () => {
        stopping.abort()
        const closed = new Promise<void>((resolve) => {
          server.close(() => resolve())
        })
        // A connection that was busy a moment ago is idle now, and would be kept alive.
        const idle = setInterval(() => server.closeIdleConnections(), 50)
        const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS)
        await closed
        clearInterval(idle)
        clearTimeout(cut)
      })()
      return closing
    },
  }
}

/** Codes of Node's HTTP parser. */
const PARSER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
}

function writeProblem(
  response: ServerResponse,
  code: ProblemCode,
  detail?: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const problem = toProblem(code, detail === undefined ? {} : { detail })
  response.writeHead(problem.status, {
    ...SECURITY_HEADERS,
    ...headers,
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    connection: 'close',
  })
  response.end(JSON.stringify(problem))
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  408: 'Request Timeout',
  421: 'Misdirected Request',
  431: 'Request Header Fields Too Large',
}

/** A problem on a connection that never became a request, and its end. */
function refuseSocket(socket: Duplex, code: ProblemCode, detail?: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(toProblem(code, detail === undefined ? {} : { detail }))
  const { status } = toProblem(code)
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
