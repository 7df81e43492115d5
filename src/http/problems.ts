import { REFUSALS } from '../app/refusals.ts'
import type { Refusal } from '../app/refusals.ts'
import type { ProblemBody } from '../contract/problem.ts'

interface Told {
  readonly status: number
  readonly title: string
  readonly hint?: string
}

/** What only the protocol can get wrong; what a use case refuses is in app/refusals.ts. */
export const PROTOCOL_PROBLEMS = {
  bad_request: { status: 400, title: 'The request could not be read.' },
  invalid_json: { status: 400, title: 'The body is not JSON as this API takes it.' },
  invalid_path: {
    status: 400,
    title: 'The path is not in its plain form.',
    hint: 'No //, no . or .. and no percent-encoding.',
  },
  cross_origin: { status: 403, title: 'A page of another origin may not do this.' },
  no_such_page: { status: 404, title: 'There is nothing at this address.', hint: 'The operations are listed at /docs' },
  method_not_allowed: { status: 405, title: 'This address does not answer to that method.' },
  still_running: {
    status: 409,
    title: 'The first call with this idempotency key has not ended.',
    hint: 'Ask again with the same key.',
  },
  too_slow: { status: 408, title: 'The request took too long to arrive.' },
  too_large: { status: 413, title: 'The body is too large.' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json, in UTF-8 and not compressed.' },
  wrong_host: {
    status: 421,
    title: 'This server is not known under that name.',
    hint: 'Tell it its public address with --public-url',
  },
  headers_too_large: { status: 431, title: 'The headers are too large.' },
  too_many_streams: { status: 429, title: 'Too many event streams are open.' },
  restoring: { status: 503, title: 'The store was restored from a backup; nobody is served yet.' },
  busy: { status: 503, title: 'The server is stopping.' },
  internal: { status: 500, title: 'Something failed here. It is in the log under the id in `instance`.' },
} as const satisfies Readonly<Record<string, Told>>

export type ProtocolProblem = keyof typeof PROTOCOL_PROBLEMS
export type ProblemCode = Refusal | ProtocolProblem

/** Every problem there is, by code. */
export const PROBLEMS: Readonly<Record<ProblemCode, Told>> = { ...REFUSALS, ...PROTOCOL_PROBLEMS }

export const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code)

/** What is true of this case; everything else follows from the code. */
export type ProblemExtra = Partial<Pick<ProblemBody, 'detail' | 'errors' | 'findings'>>

/** The RFC 9457 document for a code. `type` is relative: it resolves to a page of this very server. */
export function toProblem(code: ProblemCode, extra: ProblemExtra = {}, instance?: string): ProblemBody {
  const { status, title, hint } = PROBLEMS[code]
  return {
    type: `/problems/${code}`,
    code,
    title,
    status,
    ...extra,
    ...(hint === undefined ? {} : { hint }),
    ...(instance === undefined ? {} : { instance }),
  }
}

/** Ends one request with a problem. Control flow of the HTTP layer only: use cases return theirs as values. */
export class Refused extends Error {
  readonly code: ProblemCode
  readonly extra: ProblemExtra
  readonly headers: Readonly<Record<string, string>>
  constructor(code: ProblemCode, extra: ProblemExtra = {}, headers: Readonly<Record<string, string>> = {}) {
    super(code)
    this.code = code
    this.extra = extra
    this.headers = headers
  }
}
