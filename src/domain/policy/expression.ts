import {
  Environment,
  EvaluationError,
  ParseError,
  TypeError as CelTypeError,
  type ASTNode,
  type ParseResult,
} from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'
import { FIELDS, LATER_FIELDS, VARIABLES, type Field } from './fields.ts'
import { inspect, MATCHES, type Problem } from './expression-shape.ts'
import {
  ActionView,
  AuditView,
  ContextView,
  EstimateView,
  FactError,
  OwnerView,
  PrincipalView,
  ResourceView,
  LONGEST_LIST,
  SqlView,
  type Variables,
} from './views.ts'

/** Longest text of an expression, in UTF-16 units. */
export const LONGEST_EXPRESSION = 4_096
const LIMITS = { maxAstNodes: 512, maxDepth: 32, maxListElements: 256, maxMapEntries: 0, maxCallArguments: 3 }

/** `failed` is a failure, never a no: a hold or deny whose expression fails holds for the security team. */
export type Evaluated =
  | { readonly kind: 'value'; readonly value: boolean }
  /** One line, no payload: `action.estimate: not known`. */
  | { readonly kind: 'failed'; readonly message: string }

/** A type-checked expression. Evaluating is pure, synchronous and bounded. */
export interface Expression {
  readonly text: string
  /** Fields it reads, without prefixes of one another being dropped: `action.estimate.rows`. */
  readonly reads: ReadonlySet<string>
  evaluate(variables: Variables): Evaluated
  /** Its parts between the `&&` and `||` at the top, as text, in order. */
  readonly clauses: readonly string[]
}
export type Compiled =
  | { readonly ok: true; readonly expression: Expression }
  /** `offset` counts UTF-16 units from the start of the text. */
  | { readonly ok: false; readonly problem: Problem }

const VIEWS = {
  Principal: PrincipalView,
  Resource: ResourceView,
  Owner: OwnerView,
  Audit: AuditView,
  Action: ActionView,
  Sql: SqlView,
  Estimate: EstimateView,
  Context: ContextView,
} as const

const patterns = new Map<string, RE2JS>()
/** INVARIANT: patterns are literals, checked when the rule was loaded; the map grows with the rules and not with the traffic. */
function pattern(text: string): RE2JS {
  let found = patterns.get(text)
  if (found === undefined) {
    if (patterns.size > 10_000) patterns.clear()
    found = RE2JS.compile(text)
    patterns.set(text, found)
  }
  return found
}

const environment = makeEnvironment()

function makeEnvironment(): Environment {
  const made = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: true,
    enableOptionalTypes: false,
    limits: LIMITS,
  })
  // Inner types first: a field may only name a type that exists.
  for (const name of ['Owner', 'Audit', 'Sql', 'Estimate', 'Principal', 'Resource', 'Action', 'Context'] as const) {
    const fields = Object.fromEntries(
      Object.entries(FIELDS[name]).map(([field, { type }]: [string, Field]) => [field, type]),
    )
    made.registerType(name, { ctor: VIEWS[name], fields })
  }
  for (const [variable, type] of Object.entries(VARIABLES)) made.registerVariable(variable, type)
  // cel-js's own `matches` is a backtracking RegExp; RE2 is linear in the text.
  made.registerFunction({
    signature: `string.${MATCHES}(string): bool`,
    handler: (text: string, regex: string) => pattern(regex).matcher(text).find(),
    async: false,
  })
  return made
}

/** Parse, type-check against FIELDS, and bound an expression. Never throws. */
export function compileExpression(text: string): Compiled {
  if (text.length > LONGEST_EXPRESSION) {
    return failure(
      'expression_too_large',
      `An expression may have ${LONGEST_EXPRESSION} characters; this one has ${text.length}.`,
      0,
    )
  }
  let program: ParseResult
  try {
    program = environment.parse(text)
  } catch (cause) {
    if (cause instanceof ParseError) {
      const large = cause.summary.includes('Exceeded') || cause.code.includes('limit')
      return failure(
        large ? 'expression_too_large' : 'expression_syntax',
        oneLine(cause.summary),
        cause.range?.start ?? 0,
      )
    }
    return failure('expression_syntax', 'This is not an expression.', 0)
  }
  const shape = inspect(program.ast, text, isPattern)
  if (shape.kind === 'problem') return { ok: false, problem: shape.problem }
  const checked = program.check()
  if (!checked.valid) {
    const { error } = checked
    const offset = error?.range?.start ?? 0
    const later = Object.keys(LATER_FIELDS).find((path) =>
      shape.paths.some((read) => read === path || read.startsWith(`${path}.`)),
    )
    if (later !== undefined)
      return failure(
        'not_enforced_yet',
        `${later}: this version does not know ${LATER_FIELDS[later]} yet, so no rule may count on it.`,
        Math.max(0, text.indexOf(later)),
      )
    return failure('expression_type', oneLine(error?.summary ?? 'The types do not fit.'), offset)
  }
  if (checked.type !== 'bool')
    return failure('expression_type', `The expression gives ${checked.type ?? 'something else'}; it must give bool.`, 0)
  const deep = shape.afterCheck()
  if (deep !== undefined) return { ok: false, problem: deep }
  const longest = shape.longestList()
  const lists = longest < LONGEST_LIST ? shape.paths.map((path) => path.split('.')) : []
  return {
    ok: true,
    expression: {
      text,
      reads: new Set(shape.paths),
      clauses: shape.clauses,
      evaluate: (variables) => {
        const long = lists.find((path) => lengthAt(path, variables) > longest)
        return long === undefined
          ? evaluate(program, text, variables)
          : { kind: 'failed', message: `${long.join('.')}: more than ${longest} in such an expression` }
      },
    },
  }
}

/** Of the list at a path; 0 for what is no list, or not known: reading it will fail, or not be done. */
function lengthAt(path: readonly string[], variables: Variables): number {
  let at: unknown = variables
  try {
    for (const step of path) {
      if (typeof at !== 'object' || at === null) return 0
      at = (at as Readonly<Record<string, unknown>>)[step]
    }
  } catch {
    return 0
  }
  return Array.isArray(at) ? at.length : 0
}

function evaluate(program: ParseResult, text: string, variables: Variables): Evaluated {
  try {
    const result: unknown = program(variables)
    // A truthy error object is not a match: only the two booleans are answers.
    if (result === true || result === false) return { kind: 'value', value: result }
    return { kind: 'failed', message: 'the expression gave neither true nor false' }
  } catch (cause) {
    return { kind: 'failed', message: explainFailure(cause, text) }
  }
}

function explainFailure(cause: unknown, text: string): string {
  if (cause instanceof FactError) return cause.message
  if (cause instanceof EvaluationError || cause instanceof CelTypeError) {
    if (cause.code === 'no_such_key') {
      const path = pathOf(cause.node, text)
      if (path !== undefined) return `${path}: not known`
    }
    return `${cause.code.replaceAll('_', ' ')} at character ${(cause.range?.start ?? 0) + 1}`
  }
  return 'the expression could not be evaluated'
}

const pathOf = (node: unknown, text: string): string | undefined => {
  const { start, end } = (node ?? {}) as Partial<ASTNode>
  return start === undefined || end === undefined ? undefined : text.slice(start, end).replaceAll(/\s+/g, '')
}

function isPattern(text: string): boolean {
  if (text.length > 256) return false
  try {
    RE2JS.compile(text)
    return true
  } catch {
    return false
  }
}

const oneLine = (text: string): string => text.split('\n', 1)[0] ?? ''
const failure = (code: string, message: string, offset: number): Compiled => ({
  ok: false,
  problem: { code, message, offset },
})
