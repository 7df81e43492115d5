import type { Context } from '../action.ts'
import type { RuleName } from '../ids.ts'
import type { NamedVerb } from '../verb.ts'
import { PolicyScope } from './build-snapshot.ts'
import { combine } from './combine.ts'
import { judge } from './decide.ts'
import type { Decision } from './decision.ts'
import type { DecisionScope } from './snapshot.ts'

/**
 * Over all verbs of the window. A hold whose `terms.scope` is not `window` cannot be asked for ahead:
 * refuse it with `scope_not_allowed`.
 */
export type WindowDecision = Decision & {
  /** Rules that read the statement or its estimate: nothing to go by yet; each statement under the window is decided with them. Sorted. */
  readonly deferred: readonly RuleName[]
  /** Holds whose own scope is narrower than a window. Sorted. */
  readonly narrower: readonly RuleName[]
}

/** Decide a window ahead of its statements. @throws RangeError without verbs; TypeError on a scope that this package did not make. */
export function decideWindow(scope: DecisionScope, verbs: readonly NamedVerb[], context: Context): WindowDecision {
  if (!(scope instanceof PolicyScope)) throw new TypeError('not a scope of this policy')
  const deferred = new Set<RuleName>()
  const narrower = new Set<RuleName>()
  const decisions = verbs.flatMap((verb) =>
    [scope, ...scope.others].map((one) => {
      const { candidates } = one.caseOf(verb)
      for (const rule of candidates) if (rule.readsStatement) deferred.add(rule.name)
      const decision = judge(
        one.caseOf(verb),
        { verb, facts: {} },
        context,
        candidates.filter((rule) => !rule.readsStatement),
      )
      for (const { name, effect } of candidates) {
        if (
          effect.kind === 'hold' &&
          (effect.scope ?? 'window') !== 'window' &&
          decision.outcome === 'hold' &&
          decision.rules.includes(name)
        )
          narrower.add(name)
      }
      return decision
    }),
  )
  return { ...combine(decisions), deferred: [...deferred].toSorted(), narrower: [...narrower].toSorted() }
}
