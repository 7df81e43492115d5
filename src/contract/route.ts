import type { z } from 'zod'
import type { AccessRow } from './access.ts'
import type { TokenScope } from './people.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One operation of the API: what the server enforces, OpenAPI says and the client is typed by. */
export interface Route {
  readonly method: Method
  /** `/v1/requests/{id}`. */
  readonly path: `/v1/${string}`
  readonly tag:
    | 'People'
    | 'Secrets'
    | 'Documents'
    | 'Policy'
    | 'Resources'
    | 'Requests'
    | 'Sessions'
    | 'Record'
    | 'Ledger'
    | 'Server'
  /** One line, without a full stop. */
  readonly summary: string
  readonly description?: string
  /**
   * A token needs one of these, or `all`. Empty: any valid token, whatever it was made for.
   * Absent: no token at all.
   */
  readonly scopes?: readonly TokenScope[]
  /** Rows of the access table that govern it; never empty. */
  readonly access: readonly [AccessRow, ...AccessRow[]]
  /**
   * `Idempotency-Key` is honoured: the same key and body gives the same answer and one effect. Of the body a digest is
   * kept, under a key that is not in the store: nobody who owns the store can guess a password against it.
   */
  readonly idempotent?: true
  /** The answer holds a secret that is shown once: the same call again is refused, and what was answered is not kept. */
  readonly secretAnswer?: true
  /** The body may be 4 MiB instead of 1. */
  readonly large?: true
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Of the successful answer. */
  readonly status: 200 | 201 | 204
  /** Absent with 204. */
  readonly response?: z.ZodType
  /** Server-sent events, each an instance of `response`. */
  readonly stream?: true
}

/** Keeps the exact types of one route, for the typed client. */
export const route = <const R extends Route>(definition: R): R => definition

/** `/v1/requests/{id}` with its names filled in and escaped. */
export const fillPath = (path: string, params: Readonly<Record<string, string>>): string =>
  path.replace(/\{([a-z]+)\}/gi, (_, name: string) => {
    const value = params[name]
    if (value === undefined) throw new TypeError(`no value for {${name}} in ${path}`)
    return encodeURIComponent(value)
  })
