import type { Classifier, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { Action, Estimate } from '../../domain/action.ts'
import type { ResourceName } from '../../domain/ids.ts'

/** A target that adds nothing of its own: what tests and `explain` assume, since no target is asked. */
const NOTHING_ADDED: TargetCatalogue = {
  version: 'assumed',
  functions: new Set(),
  operators: new Set(),
  relations: new Map(),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
}
const SEARCH_PATH = '"$user", public'

export interface Classed {
  /** One a statement and verb; never empty. */
  readonly actions: readonly Action[]
  /** Why something in it is unknown, in words. */
  readonly because?: string
}

/** The actions of a text on a resource, as the gateway would find them on a target without functions of its own. */
export function classifyActions(
  classifier: Classifier,
  resource: ResourceName,
  sql: string,
  estimate: Estimate | undefined,
): Classed {
  const classified = classifier.classify(sql, NOTHING_ADDED, SEARCH_PATH)
  if (classified.kind !== 'statements')
    return { actions: [{ resource, verb: 'unknown', facts: {} }], because: classified.message }
  // An empty query runs nothing: it only steers the session.
  if (classified.statements.length === 0) return { actions: [{ resource, verb: 'connect', facts: {} }] }
  const because = classified.statements.find((statement) => statement.verbs.includes('unknown'))?.because
  const actions = classified.statements.flatMap(({ verbs, facts }) =>
    verbs.map((verb): Action => ({
      resource,
      verb,
      facts: { sql: facts, ...(estimate === undefined ? {} : { estimate }) },
    })),
  )
  return { actions, ...(because === undefined ? {} : { because }) }
}

/** The verbs of actions, each once, as people read them: `read, delete`. */
export const verbsOf = (actions: readonly Action[]): string =>
  [...new Set(actions.map((action) => action.verb))].join(', ')
