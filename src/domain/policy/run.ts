import type { Action, Context } from '../action.ts'
import type { NamedVerb } from '../verb.ts'
import { NAMED_VERBS } from '../verb.ts'
import { combine } from './combine.ts'
import type { Decision } from './decision.ts'
import type { DecisionScope } from './snapshot.ts'
import { decideWindow } from './window.ts'

type Hold = Extract<Decision, { readonly outcome: 'hold' }>

/** `schema, write, delete`, as a session declares a run. Undefined for what names no verbs, or others; `connect` needs none. */
export function readRun(text: string): readonly NamedVerb[] | undefined {
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '')
  const verbs = NAMED_VERBS.filter((verb) => words.includes(verb))
  return verbs.length === 0 || verbs.length !== new Set(words).size ? undefined : verbs
}

/**
 * One approval for a declared run: what its first held statement needs, and everything that its other verbs would. Only
 * where the rules let an approval last for the session; a verb that they hold one by one, or deny, is left out and asks
 * by itself when it comes. Undefined when the statement is none of the run.
 */
export function decideRun(
  scope: DecisionScope,
  declared: readonly NamedVerb[],
  statement: { readonly actions: readonly Action[]; readonly decision: Hold },
  context: Context,
): { readonly verbs: readonly NamedVerb[]; readonly decision: Hold } | undefined {
  if (statement.decision.terms.scope === 'once') return undefined
  const verbs = declared.filter((verb) => {
    const alone = decideWindow(scope, [verb], context)
    return alone.outcome === 'allow' || (alone.outcome === 'hold' && alone.terms.scope !== 'once')
  })
  const outside = statement.actions.some(
    (action) => !verbs.some((verb) => verb === action.verb) && scope.decide(action, context).outcome !== 'allow',
  )
  if (outside || verbs.length === 0) return undefined
  const decision = combine([statement.decision, decideWindow(scope, verbs, context)])
  return decision.outcome === 'hold' && decision.terms.scope !== 'once' ? { verbs, decision } : undefined
}
