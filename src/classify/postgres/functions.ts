import type { NamedVerb, Verb } from '../../domain/verb.ts'
import { doubtOf, isDoubtful } from './relations.ts'
import type { TargetCatalogue } from './shape.ts'
import { verbOfFunction } from './function-review.ts'
import { HARMLESS, NOT_KNOWN_HARMLESS } from './harmless-functions.generated.ts'

const read = (table: string): ReadonlyMap<string, ReadonlySet<number>> =>
  new Map(
    table
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', arities = ''] = line.split(' ')
        return [name, new Set(arities.split(',').map(Number))]
      }),
  )
const harmless = read(HARMLESS)
const others = read(NOT_KNOWN_HARMLESS)
/** As in the generated table: 20 stands for 20 and more. */
const MOST = 20
/** What every server's information_schema has, with its arguments: pure SQL over the catalogue. Drivers call them. */
const INFORMATION_SCHEMA: ReadonlyMap<string, number> = new Map([
  ['_pg_expandarray', 1],
  ['_pg_index_position', 2],
  ['_pg_truetypid', 2],
  ['_pg_truetypmod', 2],
  ['_pg_char_max_length', 2],
  ['_pg_char_octet_length', 2],
  ['_pg_numeric_precision', 2],
  ['_pg_numeric_precision_radix', 2],
  ['_pg_numeric_scale', 2],
  ['_pg_datetime_precision', 2],
  ['_pg_interval_type', 2],
])

export type Judged =
  | { readonly kind: 'harmless' }
  | { readonly kind: 'other'; readonly verb: Verb; readonly because: string }
const HARMLESS_CALL: Judged = { kind: 'harmless' }

/** Whether every built-in overload of `name` with that many arguments is on the list. */
export const isHarmlessBuiltIn = (name: string, count: number): boolean =>
  // `FROM unnest(a, b)` is several calls with one argument each ("Table Functions", 7.2.1.4).
  harmless.get(name)?.has(name === 'unnest' && count > 1 ? 1 : Math.min(count, MOST)) === true
export const isBuiltIn = (name: string): boolean => harmless.has(name) || others.has(name)

/**
 * A call, by its name as written and how many arguments it has. The built-in list is trusted only for a name that
 * nothing of the target's own has, or that is written `pg_catalog.name`.
 */
export function judgeCall(parts: readonly string[], count: number, catalogue: TargetCatalogue | undefined): Judged {
  const name = parts[parts.length - 1] ?? ''
  const schema = parts.length > 1 ? parts[parts.length - 2] : undefined
  const lower = name.toLowerCase()
  const shown = parts.join('.')
  const own = (verb: NamedVerb): Judged => ({
    kind: 'other',
    verb,
    because: `function ${shown} is not known to be harmless`,
  })
  // These make a row of a type that a value or a table gives, and run the checks of its domains.
  if (catalogue !== undefined && catalogue.otherTypes.size > 0 && /populate_record/.test(name))
    return { kind: 'other', verb: 'exec', because: `${shown} may run the checks of the target's own types` }
  if (schema === 'pg_catalog') {
    if (catalogue?.functions.has(`pg_catalog.${lower}`) === true) return own('exec')
    return isHarmlessBuiltIn(name, count) ? HARMLESS_CALL : own(verbOfFunction(name))
  }
  // The catalogue lists functions by name alone, so one of the target's own with that name is never taken for these.
  if (
    schema === 'information_schema' &&
    catalogue?.functions.has(lower) === false &&
    INFORMATION_SCHEMA.get(name) === count
  )
    return HARMLESS_CALL
  if (catalogue === undefined) {
    const verb = others.has(name) && !harmless.has(name) ? verbOfFunction(name) : 'exec'
    return verb === 'admin'
      ? own(verb)
      : { kind: 'other', verb: 'unknown', because: `the target's own functions are not known, so ${shown} may be one` }
  }
  if (catalogue.functions.has(lower)) {
    const verb = verbOfFunction(lower)
    const because =
      schema === undefined && isBuiltIn(name)
        ? `a function ${shown} of the target may hide the built-in one`
        : `function ${shown} of the target is not known to be harmless`
    return { kind: 'other', verb: verb === 'admin' ? 'admin' : 'exec', because }
  }
  // `name('literal')` is a cast when a type of that name stands in the path, whatever function there is.
  if (count === 1 && catalogue.otherTypes.has(lower))
    return { kind: 'other', verb: 'exec', because: `${shown} is a type of the target whose checks may run a function` }
  if (schema === undefined && isHarmlessBuiltIn(name, count)) return HARMLESS_CALL
  if (schema === undefined && isBuiltIn(name)) return own(verbOfFunction(name))
  if (catalogue.trustedFunctions?.has(lower) === true) return HARMLESS_CALL
  return own(verbOfFunction(lower) === 'admin' ? 'admin' : 'exec')
}

/** `expression.name`, which PostgreSQL reads as `name(expression)` when there is no such column. */
export function judgeField(name: string, row: boolean, catalogue: TargetCatalogue | undefined): Judged {
  const lower = name.toLowerCase()
  if (catalogue === undefined)
    return {
      kind: 'other',
      verb: 'unknown',
      because: `the target's own functions are not known, and .${name} may call one`,
    }
  const callable = row
    ? (catalogue.rowFunctions ?? catalogue.functions)
    : (catalogue.fieldFunctions ?? catalogue.functions)
  if (isDoubtful(name, catalogue)) return { kind: 'other', verb: 'exec', because: doubtOf(name) }
  if (callable.has(lower))
    return { kind: 'other', verb: 'exec', because: `.${name} may call function ${name} of the target` }
  if (catalogue.otherTypes.has(lower))
    return { kind: 'other', verb: 'exec', because: `.${name} may cast to type ${name} of the target` }
  if (others.get(name)?.has(1) === true)
    return { kind: 'other', verb: verbOfFunction(name), because: `.${name} may call function ${name}` }
  return HARMLESS_CALL
}
