import type { Context } from 'hono'
import type { HttpBindings } from '@hono/node-server'
import type { IdempotencyStore } from '../app/ports/idempotency.ts'
import type { App, Caller, TokenScope } from '../app/app.ts'
import type { Route } from '../contract/route.ts'
import { routes } from '../contract/routes.ts'
import type { OperationId } from '../contract/routes.ts'
import type { Instant } from '../domain/time.ts'
import { NO_STORE, jsonAnswer } from './answer.ts'
import { streamEvents } from './events.ts'
import type { ServerInfo } from './handlers/handler.ts'
import { handlers } from './handlers/index.ts'
import { answerOnce, readIdempotencyKey } from './idempotency.ts'
import { Refused } from './problems.ts'
import { BODY_AT_MOST, LARGE_BODY_AT_MOST, hasBody, readBody, refuseDeclaredLength } from './read-body.ts'
import type { StreamSlots } from './stream-slots.ts'
import { present } from './view/scalars.ts'
import { validateBody, validateParams, validateQuery } from './validate.ts'
import { Cursor } from '../contract/scalars.ts'

const RETRY = { 'retry-after': '5' }

/** What hangs on one HTTP request while it is served. */
export interface Env {
  Bindings: HttpBindings
  Variables: {
    /** Also in the log, and in `instance` of a problem. */
    id: string
    sourceAddress: string
    /** An operation id, or `page`; for logs and metrics. */
    operation: string
    caller?: Caller
  }
}
type RequestContext = Context<Env>

export interface OperationDeps {
  readonly app: App
  readonly info: ServerInfo
  readonly now: () => Instant
  readonly closed: () => string | undefined
  readonly idempotency: IdempotencyStore | undefined
  readonly idempotencyKey: Uint8Array
  readonly slots: StreamSlots
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal
  readonly beatMs?: number
}

/** Any handler, as the table of routes sees it: the schemas of its route have checked what it is given. */
type AnyHandler = (
  input: Readonly<Record<string, unknown>>,
) => Promise<
  | { readonly ok: true; readonly value: unknown }
  | Extract<Awaited<ReturnType<(typeof handlers)['getInfo']>>, { ok: false }>
>

/**
 * One request to one operation, in this order: a length that is too large, the token, its scope, the path, the
 * query, the body, and then the use case. Refusals are thrown as `Refused` and answered in one place.
 */
export async function serveOperation(
  c: RequestContext,
  operation: OperationId,
  deps: OperationDeps,
): Promise<Response> {
  const route: Route = routes[operation]
  const closed = deps.closed()
  // What this server is may be asked at any time, as its probes may.
  if (closed !== undefined && operation !== 'getInfo') throw new Refused('restoring', { detail: closed }, RETRY)
  const { incoming } = c.env
  const atMost = route.large === true ? LARGE_BODY_AT_MOST : BODY_AT_MOST
  refuseDeclaredLength(incoming.headers, atMost)

  const caller = route.scopes === undefined ? undefined : await requireCaller(c, route.scopes, deps.app)
  if (operation === 'updateRequest') throw new Refused('read_only_field')

  const params = route.params === undefined ? undefined : validateParams(route.params, c.req.param())
  const query = validateQuery(route.query, new URL(c.req.url).searchParams)
  if (route.stream === true) {
    if (caller === undefined) throw new Error(`the stream ${operation} must name its scopes`)
    return openStream(c, caller, query as { readonly after?: string; readonly resource?: string }, deps)
  }

  if (route.body === undefined && hasBody(incoming.headers)) {
    throw new Refused('bad_request', { detail: 'this operation takes no body' }, { connection: 'close' })
  }
  const raw = route.body === undefined ? undefined : await readBody(c.req.raw, incoming.headers, atMost)
  const body = route.body === undefined ? undefined : validateBody(route.body, raw)

  const perform = async (): Promise<{ readonly status: number; readonly body: unknown }> => {
    const handler = handlers[operation as keyof typeof handlers] as unknown as AnyHandler
    const { app, info } = deps
    const result = await handler({
      app,
      info,
      now: deps.now(),
      caller,
      sourceAddress: c.var.sourceAddress,
      params,
      query,
      body,
    })
    if (!result.ok) throw new Refused(result.refusal, present({ detail: result.detail }))
    return { status: route.status, body: result.value }
  }
  const key = readIdempotencyKey(incoming.headers)
  const answer =
    key === undefined || route.idempotent !== true || caller === undefined || deps.idempotency === undefined
      ? { ...(await perform()), replayed: false }
      : await answerOnce(
          deps.idempotency,
          { caller, key, operation, params, body, secretAnswer: route.secretAnswer === true },
          deps.idempotencyKey,
          perform,
        )
  return answer.status === 204
    ? new Response(null, { status: 204, headers: NO_STORE })
    : jsonAnswer(answer.status, answer.body, answer.replayed ? { 'idempotency-replayed': 'true' } : {})
}

/** The caller that the bearer token proves (RFC 6750). @throws Refused `not_signed_in` or `scope_too_narrow`. */
export async function requireCaller(c: RequestContext, scopes: readonly TokenScope[], app: App): Promise<Caller> {
  const token = bearer(c)
  const caller = token === undefined ? undefined : await app.authenticate(token, c.var.sourceAddress)
  if (caller === undefined) {
    throw new Refused(
      'not_signed_in',
      {},
      { 'www-authenticate': token === undefined ? 'Bearer' : 'Bearer error="invalid_token"' },
    )
  }
  c.set('caller', caller)
  if (scopes.length > 0 && !caller.scopes.some((scope) => scope === 'all' || scopes.includes(scope))) {
    throw new Refused('scope_too_narrow', { detail: `needs ${scopes.join(' or ')}` })
  }
  return caller
}

/** Tokens are of RFC 6750's `b64token` alphabet and short; anything else is none. */
function bearer(c: RequestContext): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]{1,512})$/i.exec(c.env.incoming.headers.authorization ?? '')?.[1]
}

/** How long a reader has to take what was sent before the end of a stream. */
const LAST_WORDS_MS = 2_000

async function openStream(
  c: RequestContext,
  caller: Caller,
  query: { readonly after?: string; readonly resource?: string },
  deps: OperationDeps,
): Promise<Response> {
  if (c.req.raw.method === 'HEAD') throw new Refused('method_not_allowed', {}, { allow: 'GET' })
  const last = c.env.incoming.headers['last-event-id']
  const after = typeof last === 'string' && last !== '' ? last : query.after
  if (after !== undefined && !Cursor.safeParse(after).success) {
    throw new Refused('invalid_input', { detail: 'the cursor is not one of this list' })
  }
  // Who may not read the record, and a cursor that is forged, are refused here, where there is a status to say so.
  // Where it begins is fixed here too: what happens once the client has its answer belongs to the stream.
  const of = present({ resource: query.resource })
  const begins =
    after === undefined
      ? await deps.app.settledCursor(caller, of)
      : await knownCursor(deps.app, caller, { after, ...of })
  if (!begins.ok) throw new Refused(begins.refusal, present({ detail: begins.detail }))
  const release = deps.slots.take(caller.principal.id)
  if (release === undefined) throw new Refused('too_many_streams')
  const left = new AbortController()
  const { outgoing } = c.env
  outgoing.once('close', () => {
    left.abort()
    release()
  })
  const body = streamEvents({
    app: deps.app,
    caller,
    reauthenticate: async () => {
      const token = bearer(c)
      return token === undefined ? undefined : deps.app.authenticate(token, c.var.sourceAddress)
    },
    filter: { after: begins.value, ...of },
    signal: AbortSignal.any([left.signal, deps.stopping]),
    ended() {
      const cut = setTimeout(() => outgoing.destroy(), deps.beatMs ?? LAST_WORDS_MS)
      outgoing.once('close', () => clearTimeout(cut))
    },
    ...(deps.beatMs === undefined ? {} : { beatMs: deps.beatMs }),
  })
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      connection: 'close',
      'x-accel-buffering': 'no',
    },
  })
}

async function knownCursor(
  app: App,
  caller: Caller,
  filter: { readonly after: string; readonly resource?: string },
): ReturnType<App['settledCursor']> {
  const looked = await app.listEntries(caller, { ...filter, limit: 1 })
  return looked.ok ? { ok: true, value: filter.after } : looked
}
