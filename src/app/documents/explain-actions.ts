import type { Action, Context, Estimate } from '../../domain/action.ts'
import type { PolicyScope } from '../../domain/policy/build-snapshot.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { explainAction, type Trace } from '../../domain/policy/explain.ts'
import { eligiblePeople } from '../../domain/policy/requirements.ts'
import { poolWords } from '../../domain/request/requirement-words.ts'
import { strongest, type Verb } from '../../domain/verb.ts'
import type { Explained, RuleTrace } from '../app.ts'

/** What has been decided, and what people should know besides. */
export interface Told {
  readonly decision: Decision
  readonly verbs: readonly Verb[]
  /** Sentences: why something is unknown, what was assumed. */
  readonly notes: readonly string[]
  readonly estimate?: Estimate | undefined
}

/** A decision over some actions, with every rule that was looked at for them. */
export function explainActions(
  scope: PolicyScope,
  actions: readonly Action[],
  context: Context,
  told: Omit<Told, 'verbs'>,
  mostRules?: number,
): Explained {
  const traces = actions.map((action) => explainAction(scope, action, context, mostRules))
  // The flip of an action that made the outcome: of the others, none would help.
  const { outcome } = told.decision
  const flip = traces.find((trace) => trace.decision.outcome === outcome && trace.flip !== undefined)?.flip
  return {
    ...tell(scope, { ...told, verbs: actions.map((action) => action.verb) }),
    trace: mergeTraces(traces),
    ...(flip === undefined ? {} : { flip }),
  }
}

/** The decision without the rules. */
export function tell(
  scope: PolicyScope,
  { decision, verbs, notes, estimate }: Told,
): Omit<Explained, 'trace' | 'flip'> {
  const message = messageOf(decision, notes)
  return {
    verb: strongest(verbs) ?? 'connect',
    verbs: [...new Set(verbs)],
    decision: decision.outcome,
    rules: decision.rules,
    reviews:
      decision.outcome === 'hold'
        ? decision.requirements.map(({ key, count, pool }) => ({
            key,
            count,
            people: eligiblePeople(scope.snapshot, scope.principal, pool),
          }))
        : [],
    cause: decision.cause,
    ...(message === undefined ? {} : { message }),
    ...(estimate === undefined ? {} : { estimate }),
    ...(decision.outcome === 'hold' && decision.terms.rowCap !== undefined ? { rowCap: decision.terms.rowCap } : {}),
    ...(decision.outcome === 'allow' && decision.rowsAtMost !== undefined ? { rowsAtMost: decision.rowsAtMost } : {}),
    revision: scope.snapshot.revision,
  }
}

function messageOf(decision: Decision, notes: readonly string[]): string | undefined {
  const parts = [...(decision.outcome === 'deny' ? [decision.message] : []), ...notes]
  if (decision.outcome !== 'deny')
    parts.push(...decision.failures.map((failure) => `rule ${failure.rule}: ${failure.message}`))
  if (decision.outcome === 'allow' && decision.waived.length > 0) parts.push(`waives ${decision.waived.join(', ')}`)
  if (decision.outcome === 'hold') {
    for (const { climbedFrom, key } of decision.requirements)
      if (climbedFrom !== undefined)
        parts.push(`nobody in ${poolWords(climbedFrom)} may answer, so ${poolWords(key)} is asked`)
  }
  return parts.length === 0 ? undefined : parts.join('; ')
}

/** Per rule, the trace of the action for which it matched, else of the first. */
export function mergeTraces(traces: readonly Trace[]): readonly RuleTrace[] {
  const merged = new Map<string, RuleTrace>()
  for (const { rules } of traces) {
    for (const rule of rules)
      if (merged.get(rule.rule)?.matched !== true && (rule.matched || !merged.has(rule.rule)))
        merged.set(rule.rule, rule)
  }
  return [...merged.values()].toSorted((a, b) => Number(b.matched) - Number(a.matched))
}
