import type { z } from 'zod'
import { createEventParser } from './event-stream.ts'
import { Problem } from './problem.ts'
import type { ProblemBody } from './problem.ts'
import { RecordEntry } from './record.ts'
import { fillPath } from './route.ts'
import type { Route } from './route.ts'
import { routes } from './routes.ts'
import type { Answer, Given, OperationId } from './routes.ts'

/** The server refused, in its own words. `problem.code` is what programs switch on. */
export class ApiProblem extends Error {
  readonly problem: ProblemBody
  constructor(problem: ProblemBody) {
    super(problem.detail === undefined ? problem.title : `${problem.title} ${problem.detail}`)
    this.name = 'ApiProblem'
    this.problem = problem
  }
}

/** No answer, or one that is not Holdpoint's. Nothing is known about the effect of a changing call. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

export interface ClientOptions {
  /** `http://localhost:7400`: an origin, with nothing behind it. */
  readonly url: string
  /** Asked at each call, so that a token may change or be absent. */
  readonly token?: () => string | undefined
  /** For tests, and for a browser. */
  readonly fetch?: typeof fetch
  /** `hp/0.1.0`. A browser sets its own. */
  readonly agent?: string
}

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Give the same one when a changing call is repeated after a lost answer. */
  readonly idempotencyKey?: string
}

export interface Client {
  /** One operation. Throws ApiProblem, Unreachable, or the signal's reason. */
  call<Id extends OperationId>(operation: Id, given: Given<Id>, options?: CallOptions): Promise<Answer<Id>>
  /** A file of the log below `/ledger/` (C2SP tlog-tiles); undefined where there is none. Throws as `call` does. */
  ledgerFile(path: string): Promise<Uint8Array | undefined>
  /**
   * Entries as they come. Ends when the server closes or the signal aborts; come back with the last cursor. `opened`
   * is told where the stream begins as soon as nothing can be missed any more.
   */
  events(
    given: { readonly after?: string; readonly resource?: string },
    signal: AbortSignal,
    opened?: (cursor: string) => void,
  ): AsyncIterable<z.output<typeof RecordEntry>>
}

/** Redirects on the same origin that one call follows. */
const REDIRECTS = 3

/**
 * A typed client over the route table. The token goes to the origin of `url` and nowhere else: a redirect to
 * another origin is refused, and a changing call follows none at all.
 * @throws TypeError when `url` is not an http or https origin, or holds a user or password.
 */
export function createClient(options: ClientOptions): Client {
  const base = parseOrigin(options.url)
  const send = options.fetch ?? fetch

  async function request(
    route: Pick<Route, 'method'>,
    url: URL,
    init: RequestInit,
    redirects: number,
  ): Promise<Response> {
    let response: Response
    try {
      response = await send(url, { ...init, redirect: 'manual', credentials: 'omit', cache: 'no-store' })
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause
      throw new Unreachable(`${base.origin} does not answer`, { cause })
    }
    if (response.type !== 'opaqueredirect' && (response.status < 300 || response.status > 399)) return response
    await response.body?.cancel()
    const location = response.headers.get('location')
    const next = location === null ? undefined : URL.parse(location, url.href)
    if (route.method !== 'GET' || next?.origin !== base.origin || redirects === 0) {
      throw new Unreachable(`${base.origin} redirects to another address; the token was not sent there`)
    }
    return request(route, next, init, redirects - 1)
  }

  async function open(route: Route, given: AnyGiven, init: RequestInit): Promise<Response> {
    const url = new URL(fillPath(route.path, given.params ?? {}), base)
    for (const [name, value] of Object.entries(given.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, value)
    const response = await request(route, url, init, REDIRECTS)
    if (response.status === route.status) return response
    throw await readProblem(response, base.origin)
  }

  function headers(accept: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const token = options.token?.()
    return {
      accept,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(options.agent === undefined ? {} : { 'user-agent': options.agent }),
      ...extra,
    }
  }

  return {
    async call<Id extends OperationId>(operation: Id, given: Given<Id>, { signal, idempotencyKey }: CallOptions = {}) {
      const route: Route = routes[operation]
      const { body, ...rest } = given as AnyGiven
      const response = await open(route, rest, {
        method: route.method,
        ...(signal === undefined ? {} : { signal }),
        headers: headers('application/json, application/problem+json', {
          ...(route.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        }),
        ...(route.body === undefined ? {} : { body: JSON.stringify(body ?? {}) }),
      })
      if (route.response === undefined) {
        await response.body?.cancel()
        return undefined as Answer<Id>
      }
      const parsed = route.response.safeParse(await readJson(response, base.origin))
      if (!parsed.success)
        throw new Unreachable(`${base.origin} answers in a way this version does not understand`, {
          cause: parsed.error,
        })
      return parsed.data as Answer<Id>
    },

    async ledgerFile(path) {
      const url = new URL(`/ledger/${path}`, base)
      const response = await request({ method: 'GET' }, url, { method: 'GET', headers: headers('*/*') }, REDIRECTS)
      if (response.status === 200) {
        try {
          return new Uint8Array(await response.arrayBuffer())
        } catch (cause) {
          throw new Unreachable(`the answer of ${base.origin} broke off`, { cause })
        }
      }
      const problem = await readProblem(response, base.origin)
      if (response.status === 404) return undefined
      throw problem
    },

    async *events(given, signal, opened) {
      const response = await open(
        routes.followEvents,
        { query: { ...given } },
        { method: 'GET', signal, headers: headers('text/event-stream') },
      )
      if (response.body === null) return
      const parse = createEventParser(opened)
      const decoder = new TextDecoder()
      try {
        for await (const chunk of response.body) {
          for (const { data } of parse(decoder.decode(chunk, { stream: true })))
            yield RecordEntry.parse(JSON.parse(data))
        }
      } catch (cause) {
        if (signal.aborted) return
        throw new Unreachable(`the events of ${base.origin} broke off`, { cause })
      }
    },
  }
}

interface AnyGiven {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
}

function parseOrigin(text: string): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TypeError('the address of the server must begin with http:// or https://')
  }
  if (url.username !== '' || url.password !== '')
    throw new TypeError('the address of the server must not hold a user or a password')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new TypeError('the address of the server must end after its host and port')
  }
  return url
}

async function readJson(response: Response, origin: string): Promise<unknown> {
  const type = response.headers.get('content-type') ?? ''
  if (!/^application\/(?:problem\+)?json\b/.test(type)) {
    await response.body?.cancel()
    throw new Unreachable(`${origin} does not answer as Holdpoint does (status ${response.status})`)
  }
  try {
    return await response.json()
  } catch (cause) {
    throw new Unreachable(`the answer of ${origin} broke off`, { cause })
  }
}

async function readProblem(response: Response, origin: string): Promise<Error> {
  const problem = Problem.safeParse(await readJson(response, origin))
  return problem.success
    ? new ApiProblem(problem.data)
    : new Unreachable(`${origin} does not answer as Holdpoint does (status ${response.status})`)
}
