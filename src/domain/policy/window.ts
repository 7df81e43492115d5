import type { Context } from '../action.ts'
import type { RuleName } from '../ids.ts'
import type { NamedVerb } from '../verb.ts'
import { PolicyScope } from './build-snapshot.ts'
import { combine } from './combine.ts'
import { judge } from './decide.ts'
import type { Decision } from './decision.ts'
import type { DecisionScope } from './snapshot.ts'

export interface WindowDecision {
  /** Over all verbs. A hold whose `terms.scope` is not `window` cannot be asked for ahead: refuse with `scope_not_allowed`. */
  readonly decision: Decision
  /** Rules that read the statement or its estimate: nothing to go by yet; each statement under the window is decided with them. Sorted. */
  readonly deferred: readonly RuleName[]
  /** Holds whose own scope is narrower than a window. Sorted. */
  readonly narrower: readonly RuleName[]
}

/** Decide a window ahead of its statements. `verbs` must not be empty. @throws on a scope that this package did not make. */
export function decideWindow(scope: DecisionScope, verbs: readonly NamedVerb[], context: Context): WindowDecision {
  if (!(scope instanceof PolicyScope)) throw new TypeError('not a scope of this policy')
  const deferred = new Set<RuleName>()
  const decisions = verbs.map((verb) => {
    const one = scope.caseOf(verb)
    for (const rule of one.candidates) if (rule.readsStatement) deferred.add(rule.name)
    return judge(
      one,
      { verb, facts: {} },
      context,
      one.candidates.filter((rule) => !rule.readsStatement),
    )
  })
  const decision = combine(decisions)
  const matched = new Set<string>(decision.rules)
  const narrower = scope.snapshot.rules.filter(
    (rule) =>
      matched.has(rule.name) &&
      rule.effect.kind === 'hold' &&
      rule.effect.scope !== undefined &&
      rule.effect.scope !== 'window',
  )
  return { decision, deferred: [...deferred].toSorted(), narrower: narrower.map((rule) => rule.name).toSorted() }
}
