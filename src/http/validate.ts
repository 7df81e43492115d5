import type { z } from 'zod'
import type { ProblemBody } from '../contract/problem.ts'
import { Refused } from './problems.ts'

type FieldErrors = NonNullable<ProblemBody['errors']>

/**
 * What the program sets, and no client: an attempt is a denial, not a typing mistake. Where a schema does name
 * one of these (the `digest` that a review was shown), the schema wins.
 */
const READ_ONLY: ReadonlySet<string> = new Set([
  'id',
  'status',
  'state',
  'requester',
  'reviewers',
  'reviews',
  'requirements',
  'eligible',
  'outcome',
  'approved',
  'approvedBy',
  'digest',
  'grant',
  'grantAtMost',
  'scope',
  'session',
  'expiresAt',
  'openedAt',
  'createdAt',
  'revision',
  'sourceAddress',
])
const MOST_ERRORS = 20

const pointer = (path: readonly PropertyKey[]): string =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

const fieldErrors = (where: FieldErrors[number]['in'], error: z.ZodError): FieldErrors =>
  error.issues.slice(0, MOST_ERRORS).map(({ path, message }) => ({ in: where, path: pointer(path), message }))

/** @throws Refused `read_only_field` or `invalid_input`, with the fields. */
export function validateBody(schema: z.ZodObject, body: unknown): unknown {
  const parsed = schema.safeParse(body ?? {})
  if (parsed.success) return parsed.data
  const unknown = parsed.error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []))
  const set = unknown.filter((key) => READ_ONLY.has(key))
  if (set.length > 0) throw new Refused('read_only_field', { detail: set.join(', ') })
  throw new Refused('invalid_input', { errors: fieldErrors('body', parsed.error) })
}

/** A path that cannot name anything answers like one that names nothing. @throws Refused `not_found`. */
export function validateParams(schema: z.ZodObject, params: Readonly<Record<string, string>>): unknown {
  const parsed = schema.safeParse(params)
  if (!parsed.success) throw new Refused('not_found')
  return parsed.data
}

/** Each name at most once, and none that the route does not know. @throws Refused `invalid_input`. */
export function validateQuery(schema: z.ZodObject | undefined, search: URLSearchParams): unknown {
  const values: Record<string, string> = {}
  const errors: FieldErrors = []
  for (const [name, value] of search) {
    const path = pointer([name.slice(0, 40)])
    if (schema === undefined || !Object.hasOwn(schema.shape, name))
      errors.push({ in: 'query', path, message: 'is not known here' })
    else if (Object.hasOwn(values, name)) errors.push({ in: 'query', path, message: 'stands twice' })
    else values[name] = value
  }
  const parsed = schema?.safeParse(values)
  if (parsed?.success === false) errors.push(...fieldErrors('query', parsed.error))
  if (errors.length > 0) throw new Refused('invalid_input', { errors: errors.slice(0, MOST_ERRORS) })
  return parsed?.data
}
