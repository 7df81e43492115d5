import type { Action, Context } from '../../domain/action.ts'
import { combine } from '../../domain/policy/combine.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { decideWindow } from '../../domain/policy/window.ts'
import { difference } from '../../domain/request/basis.ts'
import type { Basis } from '../../domain/request/basis.ts'
import { databaseOf } from '../../domain/request/request.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Instant } from '../../domain/time.ts'
import type { Tx } from '../ports/store.ts'

/** The same question put to the policy in force. Undefined when the resource or the requester is gone. */
function decideAgain(request: AccessRequest, basis: Basis, snapshot: Snapshot, now: Instant): Decision | undefined {
  const requester = snapshot.people.get(request.requester)
  const scope = requester && snapshot.scope(requester, request.resource, databaseOf(request.subject))
  if (scope === undefined) return undefined
  const context: Context = { sourceAddress: '', sessionStatements: 0, ...basis.context, now }
  const { subject } = request
  switch (subject.kind) {
    case 'statement':
      return combine([
        ...subject.actions.map((action) => scope.decide(action, context)),
        ...(subject.run === undefined ? [] : [decideWindow(scope, subject.run, context)]),
      ])
    case 'connect':
      return scope.decide(connectAction(request), context)
    case 'window':
    case 'extension':
      return decideWindow(scope, subject.verbs, context)
    case 'change':
      return undefined
    default:
      return subject satisfies never
  }
}

const connectAction = (request: AccessRequest): Action => ({ resource: request.resource, verb: 'connect', facts: {} })

/**
 * Why an approval of this request no longer stands under `snapshot`; undefined while it does. A change of documents is
 * not decided by rules: it fits the revision that it was written for, and no other.
 */
export async function whyVoid(tx: Tx, request: AccessRequest, snapshot: Snapshot): Promise<string | undefined> {
  if (request.subject.kind === 'change')
    return snapshot.revision > request.subject.base
      ? `the documents changed since it was proposed, revision ${request.subject.base} to ${snapshot.revision}`
      : undefined
  const basis = await tx.requests.basisOf(request.id)
  if (basis === undefined) return 'what it was decided on is not known'
  return difference(basis.decided, {
    decision: decideAgain(request, basis, snapshot, tx.now),
    asking: request,
    snapshot,
    resource: request.resource,
    since: request.revision,
  })
}
