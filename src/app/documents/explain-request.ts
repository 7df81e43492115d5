import type { Action, Context } from '../../domain/action.ts'
import type { PolicySnapshot, PolicyScope } from '../../domain/policy/build-snapshot.ts'
import { explainAction } from '../../domain/policy/explain.ts'
import { decideWindow } from '../../domain/policy/window.ts'
import { databaseOf, type AccessRequest } from '../../domain/request/request.ts'
import type { App, Explained } from '../app.ts'
import { decideActions, NOTHING } from '../gateway/work.ts'
import { findRequest } from '../requests/find.ts'
import { done, refuse, type Result } from '../result.ts'
import { inForce, outOfScope, type DocumentDeps } from './deps.ts'
import { explainActions, mergeTraces, tell } from './explain-actions.ts'

/** What the policy in force says about a request that was made: by the same facts, now. */
export const explainRequest =
  (deps: DocumentDeps): App['explainRequest'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const found = await deps.store.transaction(async (tx) => {
      const seen = await findRequest({ policy: () => deps.keeper.current() }, tx, caller, id)
      return seen && { request: seen.request, basis: await tx.requests.basisOf(seen.request.id) }
    })
    if (found === undefined) return refuse('not_found')
    const principal = snapshot.people.get(found.request.requester)
    const scope = principal && snapshot.scope(principal, found.request.resource, databaseOf(found.request.subject))
    if (scope === undefined) return refuse('not_found', `resource ${found.request.resource}`)
    const context: Context = { sourceAddress: '', sessionStatements: 0, ...found.basis?.context, now: deps.clock.now() }
    return explainSubject(snapshot, scope, found.request, context)
  }

function explainSubject(
  snapshot: PolicySnapshot,
  scope: PolicyScope,
  request: AccessRequest,
  context: Context,
): Result<Explained> {
  const { subject } = request
  switch (subject.kind) {
    case 'statement':
    case 'connect': {
      const actions: readonly Action[] =
        subject.kind === 'statement' ? subject.actions : [{ resource: request.resource, verb: 'connect', facts: {} }]
      const decision = decideActions(actions, scope, context) ?? NOTHING
      return done(explainActions(scope, actions, context, { decision, notes: [] }))
    }
    case 'window':
    case 'extension': {
      const actions = subject.verbs.map((verb): Action => ({ resource: request.resource, verb, facts: {} }))
      const { deferred, ...decision } = decideWindow(scope, subject.verbs, context)
      const notes = deferred.length === 0 ? [] : [`decided for each statement: ${deferred.join(', ')}`]
      return done({
        ...tell(scope, { decision, verbs: subject.verbs, notes }),
        trace: mergeTraces(actions.map((action) => explainAction(scope, action, context))),
      })
    }
    case 'change':
      return refuse(
        'invalid_input',
        `a change of documents is decided by its administrators, not by rules (revision ${snapshot.revision})`,
      )
    default:
      return subject satisfies never
  }
}
