import type { z } from 'zod'
import type { App, Caller } from '../../app/app.ts'
import type { Refusal } from '../../app/refusals.ts'
import type { Result } from '../../app/result.ts'
import type { Answer, OperationId, Routes } from '../../contract/routes.ts'
import type { Instant } from '../../domain/time.ts'

/** What the server says about itself. */
export interface ServerInfo {
  readonly version: string
  readonly demo: boolean
  /** Asked at each call: the gateway may start after the API. */
  readonly gateway?: () => { readonly host: string; readonly port: number } | undefined
}

type Parsed<R, K extends string> = R extends Readonly<Record<K, infer S extends z.ZodType>> ? z.output<S> : undefined

/** What a handler is given: checked against the schemas of its route, by a caller whose token and scope were checked. */
export interface HandlerInput<Id extends OperationId> {
  readonly app: App
  readonly info: ServerInfo
  readonly now: Instant
  readonly caller: Routes[Id] extends { readonly scopes: readonly unknown[] } ? Caller : undefined
  readonly sourceAddress: string
  readonly params: Parsed<Routes[Id], 'params'>
  readonly query: Parsed<Routes[Id], 'query'>
  readonly body: Parsed<Routes[Id], 'body'>
}

export type Handler<Id extends OperationId> = (input: HandlerInput<Id>) => Promise<Result<Answer<Id>>>
/** One handler for each of the named operations. */
export type Handlers<Ids extends OperationId> = { readonly [Id in Ids]: Handler<Id> }

/** The value of a result as its view, or the refusal as it is. */
export const mapped = <T, V>(result: Result<T>, view: (value: T) => V): Result<V, Refusal> =>
  result.ok ? { ok: true, value: view(result.value) } : result

/** The value of an answer without a body. */
export const nothing = (): undefined => undefined
