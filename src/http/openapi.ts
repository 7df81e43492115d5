import { z } from 'zod'
import { ACCESS, PARTIES } from '../contract/access.ts'
import { Problem } from '../contract/problem.ts'
import type { Route } from '../contract/route.ts'
import { routes } from '../contract/routes.ts'

/** Statuses of refusals. The codes behind each are listed at /problems. */
const REFUSED = {
  400: 'The input is not valid',
  401: 'Not signed in',
  403: 'Not permitted',
  404: 'No such thing, or it may not be seen',
  409: 'The state of things does not permit it',
  410: 'The time is up',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'Understood, and not possible',
  429: 'Too many',
  500: 'A fault: it is in the log under `instance`',
  503: 'Nothing passes until the store, the policy or the target answers',
} as const
type Status = keyof typeof REFUSED

const refusals = (route: Route): readonly Status[] => [
  400,
  ...(route.scopes === undefined ? [] : ([401, 403] as const)),
  ...(route.params === undefined ? [] : ([404] as const)),
  ...(route.method === 'GET' ? [] : ([409, 410, 413, 415, 422] as const)),
  429,
  500,
  503,
]

/** A schema of zod as it stands in the document: definitions shared, and answers open to new fields. */
function adapt(value: unknown, io: 'input' | 'output'): unknown {
  if (Array.isArray(value)) return value.map((inner) => adapt(inner, io))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, unknown][] => {
    if (key === 'id' && typeof inner === 'string') return []
    if (key === 'additionalProperties' && inner === false && io === 'output') return []
    if (key === '$ref' && typeof inner === 'string') return [[key, inner.replace('#/$defs/', '#/components/schemas/')]]
    return [[key, adapt(inner, io)]]
  })
  return Object.fromEntries(kept)
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: Readonly<Record<'securitySchemes' | 'responses' | 'schemas', Readonly<Record<string, unknown>>>>
  readonly [field: string]: unknown
}

/**
 * OpenAPI 3.1 of everything under `/v1`, made from the schemas that the server enforces and the client is typed
 * by: there is no second description that could say something else.
 */
export function openApi(version: string): OpenApi {
  const schemas = new Map<string, unknown>()

  function schemaOf(schema: z.ZodType, io: 'input' | 'output'): unknown {
    const made = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'throw' })
    const { $schema: _, $defs, ...rest } = made
    for (const [name, definition] of Object.entries($defs ?? {})) schemas.set(name, adapt(definition, io))
    return adapt(rest, io)
  }

  const fields = (where: 'path' | 'query', schema: z.ZodObject | undefined): unknown[] =>
    Object.entries(schema?.shape ?? {}).map(([name, field]) => ({
      name,
      in: where,
      required: where === 'path',
      schema: schemaOf(field as z.ZodType, 'input'),
    }))
  const header = (name: string, description: string, schema: object): unknown => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string', ...schema },
  })
  const parameters = (route: Route): unknown[] => [
    ...fields('path', route.params),
    ...fields('query', route.query),
    ...(route.idempotent === true
      ? [
          header('Idempotency-Key', 'The same key and body: one effect, the same answer', {
            minLength: 1,
            maxLength: 255,
          }),
        ]
      : []),
    ...(route.stream === true ? [header('Last-Event-ID', 'Go on after this event', { maxLength: 512 })] : []),
  ]

  function answer(route: Route): unknown {
    if (route.response === undefined) return { description: 'Done' }
    const schema = schemaOf(route.response, 'output')
    return route.stream === true
      ? {
          description: 'Events, each with one of these as its data',
          content: { 'text/event-stream': { schema: { type: 'string' }, 'x-event-data': schema } },
        }
      : { description: 'Done', content: { 'application/json': { schema } } }
  }

  const operation = (operationId: string, route: Route): unknown => ({
    operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    security: route.scopes === undefined ? [] : [{ token: [] }],
    ...(route.scopes === undefined
      ? {}
      : { 'x-scopes': route.scopes.length === 0 ? ['any'] : ['all', ...route.scopes] }),
    'x-access': Object.fromEntries(
      route.access.map((name) => [name, Object.fromEntries(PARTIES.map((party) => [party, ACCESS[name][party]]))]),
    ),
    parameters: parameters(route),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } },
        }),
    responses: {
      [route.status]: answer(route),
      ...Object.fromEntries(refusals(route).map((status) => [status, { $ref: `#/components/responses/${status}` }])),
    },
  })

  const problem = schemaOf(Problem, 'output')
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [id, route] of Object.entries(routes)) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(id, route) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Holdpoint',
      version,
      summary: 'A hold point in front of every privileged infrastructure action',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values(routes).map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'From `hp login`, `POST /v1/sign-in` or `POST /v1/tokens`',
        },
      },
      responses: Object.fromEntries(
        Object.entries(REFUSED).map(([status, description]) => [
          status,
          { description, content: { 'application/problem+json': { schema: problem } } },
        ]),
      ),
      schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}
