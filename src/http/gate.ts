import type { IncomingMessage } from 'node:http'
import type { ProblemCode } from './problems.ts'

export interface GateOptions {
  /** `http://localhost:7400`: pages of this origin are our own. */
  readonly publicUrl: string | undefined
  /** The server listens on loopback only: any other name in Host is DNS rebinding. */
  readonly loopbackOnly: boolean
}

export interface Stopped {
  readonly code: ProblemCode
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD'])
/** Headers that must stand at most once: readers differ in which of two they believe. */
const SINGLE: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'idempotency-key',
  'last-event-id',
  'origin',
  'transfer-encoding',
])
/** Segments of unreserved and a few harmless characters. No `%`: nothing that this server serves needs it. */
const PLAIN_PATH = /^\/(?:[A-Za-z0-9_~@!$&'()*+,;=:-][A-Za-z0-9._~@!$&'()*+,;=:-]*(?:\/(?!$)|$))*$/
/** A name or an address, and a port (RFC 9110, section 7.2). */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

/**
 * What is refused before routing, authentication and the body: paths that two readers could understand
 * differently, headers given twice, names that are not ours, and changes ordered by other sites' pages.
 */
export function stopAtGate(
  request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'headers'>,
  options: GateOptions,
): Stopped | undefined {
  const method = request.method ?? ''
  if (!KNOWN_METHODS.has(method))
    return { code: 'method_not_allowed', headers: { allow: [...KNOWN_METHODS].join(', ') } }

  const target = request.url ?? ''
  const path = target.split('?', 1)[0] ?? ''
  if (!PLAIN_PATH.test(path) || target.length > 8_192 || target.includes('#')) return { code: 'invalid_path' }

  const seen = new Set<string>()
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at]?.toLowerCase() ?? ''
    if (SINGLE.has(name) && seen.has(name)) return { code: 'bad_request', detail: `the header ${name} stands twice` }
    seen.add(name)
  }

  const own = options.publicUrl === undefined ? undefined : new URL(options.publicUrl)
  const host = request.headers.host ?? ''
  // HTTP/1.0 may leave it out; nobody who does is a client of ours.
  if (!HOST.test(host)) return { code: 'bad_request', detail: 'the header host is missing, or names no host' }
  if (options.loopbackOnly && !LOOPBACK_HOST.test(host) && host !== own?.host) return { code: 'wrong_host' }

  if (!READING.has(method) && isForeign(request, host, own?.origin)) return { code: 'cross_origin' }
  return undefined
}

/** Whether a page of another origin sent it. A command-line client sends neither header. */
export function isForeign(request: Pick<IncomingMessage, 'headers'>, host: string, own: string | undefined): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  if (origin === undefined || origin === own) return false
  const from = URL.parse(origin)
  return from === null || from.host === '' || from.host.toLowerCase() !== host.toLowerCase()
}
