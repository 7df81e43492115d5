import { parseRequestId } from '../../domain/ids.ts'
import type { App } from '../app.ts'
import { refuse } from '../result.ts'
import { ownedBy, sees, standing } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { findGrant } from './find.ts'
import { openWindow, readLength, readReason } from './request-window.ts'

/**
 * The same request once more, decided anew. A statement is not sent from here: its session is gone, and only the
 * person's own client can open another; the view has the whole text for a client that wants to.
 */
export const retryRequest =
  (deps: RequestDeps): App['retryRequest'] =>
  async (caller, id) => {
    const number = parseRequestId(id)
    const request = number && (await deps.store.requests.findRequest(number))
    if (request === undefined) return refuse('not_found')
    const where = standing(caller, request, ownedBy(caller, deps.policy()))
    if (sees(where) === 'nothing') return refuse('not_found')
    if (!where.requester) return refuse('not_permitted')
    const { subject } = request
    if (subject.kind !== 'window' && subject.kind !== 'extension') return refuse('not_retryable')
    if (request.state === 'pending') return refuse('already_exists', `${request.id} still waits for its reviewers`)
    const again = { length: subject.length, ...(request.reason === undefined ? {} : { reason: request.reason }) }
    if (subject.kind === 'extension') return extendGrant(deps)(caller, subject.of, again)
    return openWindow(deps, caller, {
      resource: request.resource,
      verbs: subject.verbs,
      length: subject.length,
      reason: request.reason,
      ...(subject.credential === undefined ? {} : { credential: subject.credential }),
    })
  }

/** More time for a live window: a fresh decision, and a request of its own. */
export const extendGrant =
  (deps: RequestDeps): App['extendGrant'] =>
  async (caller, id, input) => {
    const length = readLength(input.length)
    if (!length.ok) return length
    const reason = readReason(input.reason)
    if (!reason.ok) return reason
    const found = await deps.store.transaction((tx) => findGrant(deps, tx, caller, id))
    if (found === undefined) return refuse('not_found')
    if (!found.where.requester) return refuse('not_permitted', 'only who holds it may ask for more time')
    const { grant } = found
    if (grant?.state !== 'active' || deps.clock.now() >= grant.expiresAt) return refuse('not_active')
    if (grant.scope !== 'window') return refuse('scope_not_allowed')
    // A window names only verbs that people can name.
    const verbs = grant.verbs.filter((v) => v !== 'unknown')
    return openWindow(deps, caller, {
      resource: grant.resource,
      verbs,
      length: length.value,
      reason: reason.value,
      extends: grant,
    })
  }
