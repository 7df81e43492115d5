import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Caller } from '../app/app.ts'
import { routes } from '../contract/routes.ts'
import type { OperationId } from '../contract/routes.ts'
import { SECURITY_HEADERS, problemAnswer } from './answer.ts'
import { describeFault } from './faults.ts'
import { serveLedger } from './ledger.ts'
import type { HttpMetrics } from './metrics.ts'
import { serveOperation } from './operations.ts'
import type { Env, OperationDeps } from './operations.ts'
import { servePages } from './pages/serve.ts'
import { Refused, toProblem } from './problems.ts'
import type { ProblemCode } from './problems.ts'
import { createRefusalRecorder } from './refusal-recorder.ts'
import type { HttpServerOptions } from './server.ts'
import { createStreamSlots } from './stream-slots.ts'

export interface Router {
  readonly fetch: Hono<Env>['fetch']
  /** Counts, logs and records what the gate refused before routing. */
  stoppedAtGate(request: IncomingMessage, code: ProblemCode): void
}

interface RouterOptions extends Omit<HttpServerOptions, 'metrics'> {
  readonly metrics: HttpMetrics
  readonly stopping: AbortSignal
  /** The public URL, or the address it listens on. */
  readonly url: () => string
  readonly secure: boolean
  readonly sourceAddress: (peer: string | undefined, forwarded: string | undefined) => string
}

const HSTS = { 'strict-transport-security': 'max-age=31536000' }
/** Refusals that say no to a person, as opposed to a mistake in the input or a race. */
const DENIALS: ReadonlySet<number> = new Set([401, 403, 429])

/** Where everything is: the operations of the contract, the probes, and the pages. */
export function createRouter(options: RouterOptions): Router {
  const { app, log, metrics } = options
  const refusals = createRefusalRecorder(app, () => performance.now())
  const deps: OperationDeps = {
    app,
    info: options.info,
    now: options.now,
    closed: options.closed ?? (() => undefined),
    idempotency: options.idempotency,
    idempotencyKey: options.idempotencyKey ?? randomBytes(32),
    slots: createStreamSlots((open) => metrics.streams(open)),
    stopping: options.stopping,
    ...(options.beatMs === undefined ? {} : { beatMs: options.beatMs }),
  }
  const forwarded = (request: IncomingMessage): string => {
    const header = request.headers['x-forwarded-for']
    return options.sourceAddress(request.socket.remoteAddress, typeof header === 'string' ? header : header?.join(','))
  }
  const hono = new Hono<Env>()

  hono.use(async (c, next) => {
    const begun = performance.now()
    c.set('id', randomUUID())
    c.set('operation', 'page')
    c.set('sourceAddress', forwarded(c.env.incoming))
    await next()
    const seconds = (performance.now() - begun) / 1_000
    for (const [name, value] of Object.entries({
      ...SECURITY_HEADERS,
      ...(options.secure ? HSTS : {}),
      'request-id': c.var.id,
    })) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value)
    }
    metrics.answered(c.var.operation, c.req.raw.method, c.res.status, seconds)
    // What was refused is worth a line by itself; the rest only when somebody looks for it.
    log[c.res.status >= 400 ? 'info' : 'debug'](
      {
        request: c.var.id,
        operation: c.var.operation,
        method: c.req.raw.method,
        status: c.res.status,
        ms: Math.round(seconds * 1_000),
        principal: c.get('caller')?.principal.id,
        address: c.var.sourceAddress,
      },
      'answered',
    )
  })

  const methods = new Map<string, Set<string>>()
  for (const [id, route] of Object.entries(routes)) {
    const path = route.path.replaceAll(/\{([a-z]+)\}/g, ':$1')
    const allowed = methods.get(path) ?? new Set()
    methods.set(path, allowed.add(route.method))
    if (route.method === 'GET' && !('stream' in route)) allowed.add('HEAD')
    hono.on(route.method, path, (c) => {
      c.set('operation', id)
      return serveOperation(c, id as OperationId, deps)
    })
  }
  for (const [path, allowed] of [...servePages(hono, options), ...serveLedger(hono, app)]) methods.set(path, allowed)
  for (const [path, allowed] of methods) {
    hono.all(path, () => {
      throw new Refused('method_not_allowed', {}, { allow: [...allowed].sort().join(', ') })
    })
  }
  // Not thrown: the framework takes an error here past the headers that every answer has.
  hono.notFound((c) => answerRefused(c, new Refused('no_such_page')))

  hono.onError((error, c) => {
    if (error instanceof Refused) return answerRefused(c, error)
    const { id } = c.var
    log.error({ request: id, operation: c.var.operation, error: describeFault(error) }, 'a request failed')
    return problemAnswer(toProblem('internal', {}, id), { connection: 'close' })
  })

  function answerRefused(c: Context<Env>, refused: Refused): Response {
    recordDenial(c, refused.code)
    return problemAnswer(toProblem(refused.code, refused.extra, c.var.id), {
      // What was not read of the body must not be taken for the next request.
      ...(c.env.incoming.complete ? {} : { connection: 'close' }),
      ...refused.headers,
    })
  }

  function recordDenial(c: Context<Env>, code: ProblemCode): void {
    const caller: Caller | undefined = c.get('caller')
    const { status } = toProblem(code)
    const hidden = code === 'not_found' && caller !== undefined
    if (DENIALS.has(status) || hidden)
      refusals.record(caller, `${c.req.raw.method} ${c.req.path}`.slice(0, 200), code, c.var.sourceAddress)
  }

  return {
    fetch: hono.fetch,
    stoppedAtGate(request, code) {
      const { status } = toProblem(code)
      const address = forwarded(request)
      metrics.answered('gate', 'any', status, 0)
      log.warn({ status, code, address }, 'refused at the gate')
      if (DENIALS.has(status))
        refusals.record(
          undefined,
          `${request.method ?? ''} ${(request.url ?? '').split('?', 1)[0] ?? ''}`.slice(0, 200),
          code,
          address,
        )
    },
  }
}
