import type { Action, Context } from '../action.ts'
import type { Decision } from './decision.ts'
import { judge, viewsFor } from './decide.ts'
import type { PolicyScope } from './build-snapshot.ts'
import { compileExpression, type Compiled } from './expression.ts'
import { findFlip } from './flip.ts'
import { checkOn, type OnCheck, type Rule } from './rule.ts'
import type { Variables } from './views.ts'

/** One part of a rule, with the values that it saw. */
export interface Clause {
  readonly text: string
  readonly holds: boolean
  readonly saw: string
}
export interface RuleTrace {
  readonly rule: string
  readonly effect: Rule['effect']['kind']
  readonly matched: boolean
  readonly path?: string
  readonly line?: number
  readonly clauses: readonly Clause[]
  /** Why its expression could not be evaluated. */
  readonly failed?: string
}
export interface Trace {
  /** The one that enforcement makes: the same call. */
  readonly decision: Decision
  /** Every rule: the matching ones first, then those that fit best. */
  readonly rules: readonly RuleTrace[]
  /** The nearest change that would flip the outcome, in words. */
  readonly flip?: string
}

/** Rules shown at most; what matters comes first. */
const MOST_RULES = 500

/**
 * Decide, and say for every rule why it matched or not.
 * @param most rules shown; those that match come first, and then the nearest.
 */
export function explainAction(scope: PolicyScope, action: Action, context: Context, most = MOST_RULES): Trace {
  const decision = scope.decide(action, context)
  const variables = viewsFor(scope.caseOf(action.verb), action, context)
  // How near each rule is by what costs nothing; clauses only of those that will be shown.
  const made = new Set<string>(decision.rules)
  const far = (rule: Rule): number =>
    made.has(rule.name)
      ? -1
      : checkOn(rule, scope.profile, scope.principal, scope.teams, action.verb).filter((check) => !check.holds).length
  const near = scope.snapshot.rules
    .map((rule) => ({ rule, far: far(rule) }))
    .toSorted((a, b) => a.far - b.far)
    .slice(0, most)
  const traces = near.map(({ rule }) => traceRule(rule, scope, action, variables))
  const own = judge(scope.caseOf(action.verb), action, context)
  const flip = findFlip(scope, action, context, own)
  return {
    decision,
    rules: traces.toSorted((a, b) => distance(a) - distance(b) || (a.rule < b.rule ? -1 : 1)),
    ...(flip === undefined ? {} : { flip }),
  }
}

const distance = (trace: RuleTrace): number =>
  trace.matched ? -1 : trace.clauses.filter((clause) => !clause.holds).length

function traceRule(rule: Rule, scope: PolicyScope, action: Action, variables: Variables): RuleTrace {
  const on = checkOn(rule, scope.profile, scope.principal, scope.teams, action.verb)
  const fits = on.every((check) => check.holds)
  // What `on` rules out is never evaluated, here as in enforcement.
  const result = fits ? rule.when?.evaluate(variables) : undefined
  const matched =
    fits &&
    (result === undefined || (result.kind === 'value' && result.value)) &&
    !(action.verb === 'unknown' && rule.effect.kind === 'allow')
  return {
    rule: rule.name,
    effect: rule.effect.kind,
    matched,
    ...(rule.path === undefined ? {} : { path: rule.path }),
    ...(rule.line === undefined ? {} : { line: rule.line }),
    clauses: [
      ...on.map(onClause),
      ...((fits ? rule.when?.clauses : undefined)?.map((text) => whenClause(text, variables)) ?? []),
    ],
    ...(fits && result?.kind === 'failed' ? { failed: result.message } : {}),
  }
}

function onClause({ key, wanted, saw, holds }: OnCheck): Clause {
  return {
    text: `${key}: ${[...wanted].join(', ')}`,
    holds,
    saw: saw.length === 0 ? `${key} = (none)` : `${key} = ${saw.join(', ')}`,
  }
}

const compiledClauses = new Map<string, Compiled>()
const MOST_CLAUSES = 5_000
/** INVARIANT: only speed depends on what is remembered. Clauses come from rules in force, not from traffic. */
function compileOnce(text: string): Compiled {
  let found = compiledClauses.get(text)
  if (found === undefined) {
    if (compiledClauses.size >= MOST_CLAUSES) compiledClauses.clear()
    found = compileExpression(text)
    compiledClauses.set(text, found)
  }
  return found
}

/** A clause by itself, with every field that it reads. */
export function whenClause(text: string, variables: Variables): Clause {
  const compiled = compileOnce(text)
  if (!compiled.ok) return { text: oneLine(text), holds: false, saw: '' }
  const result = compiled.expression.evaluate(variables)
  const saw = [...compiled.expression.reads].map((path) => `${path} = ${show(read(variables, path.split('.')))}`)
  return { text: oneLine(text), holds: result.kind === 'value' && result.value, saw: saw.join(', ') }
}

function read(from: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined || from === undefined || from === null) return from
  try {
    return read((from as Readonly<Record<string, unknown>>)[step], rest)
  } catch {
    return undefined
  }
}

/** Short, and with nothing in it that a terminal would obey. */
function show(value: unknown): string {
  if (value === undefined) return 'not known'
  if (value instanceof Date) return value.toISOString()
  const plain =
    JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? Number(item) : item)) ?? 'not known'
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()
