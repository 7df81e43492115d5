import type { GrantId } from '../../domain/ids.ts'
import { withdraw } from '../../domain/request/close.ts'
import { howDecided } from '../../domain/request/how-decided.ts'
import type { App, Caller, RequestView } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import { mayRevoke, mayWithdraw, outOfScope } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { findGrant, findRequest } from './find.ts'
import { endGrant, settle } from './steps.ts'
import { viewOf } from './view.ts'

/** The asking side takes a pending request back; so may the owner of the resource. */
export const withdrawRequest =
  (deps: RequestDeps): App['withdrawRequest'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'request')
    if (narrow !== undefined) return narrow
    return deps.store.transaction(async (tx) => {
      const found = await findRequest(deps, tx, caller, id)
      if (found === undefined) return refuse('not_found')
      if (!mayWithdraw(found.where)) return refuse('not_permitted')
      const withdrawn = withdraw(found.request, `withdrawn by ${caller.principal.id}`, tx.now)
      if (!withdrawn.ok) return refuse(withdrawn.refusal, howDecided(found.request))
      await settle(tx, withdrawn.value, caller.principal.id)
      return shown(deps, tx, caller, found.request.id)
    })
  }

/** The holder is done before the time is up. */
export const releaseGrant =
  (deps: RequestDeps): App['releaseGrant'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'request')
    if (narrow !== undefined) return narrow
    return deps.store.transaction(async (tx) => {
      const found = await findGrant(deps, tx, caller, id)
      if (found === undefined) return refuse('not_found')
      if (!found.where.requester)
        return refuse('not_permitted', 'only who holds it is done with it; to end it, revoke it')
      if (found.grant === undefined) return refuse('not_active')
      return ended(deps, tx, caller, found.request.id, found.grant.id, 'released')
    })
  }

/** Somebody else ends it: a reviewer who was asked, an owner, an administrator. Their words go into the record. */
export const revokeGrant =
  (deps: RequestDeps): App['revokeGrant'] =>
  async (caller, id, input) => {
    const narrow = outOfScope(caller, 'request', 'review')
    if (narrow !== undefined) return narrow
    if ((input.words?.length ?? 0) > 2_000) return refuse('invalid_input', 'words have at most 2000 characters')
    return deps.store.transaction(async (tx) => {
      const found = await findGrant(deps, tx, caller, id)
      if (found === undefined) return refuse('not_found')
      if (!mayRevoke(found.where)) return refuse('not_permitted')
      if (found.grant === undefined) return refuse('not_active')
      const answer = await ended(deps, tx, caller, found.request.id, found.grant.id, 'revoked')
      if (answer.ok && input.words !== undefined)
        await tx.record.append({
          kind: 'grant.words',
          subject: `grant/${found.grant.id}`,
          actor: caller.principal.id,
          resource: found.request.resource,
          body: { grant: found.grant.id, words: input.words.toWellFormed() },
        })
      return answer
    })
  }

async function ended(
  deps: RequestDeps,
  tx: Tx,
  caller: Caller,
  request: RequestView['request']['id'],
  grant: GrantId,
  why: 'released' | 'revoked',
): Promise<Result<RequestView>> {
  if (!(await endGrant(tx, grant, why, caller.principal.id))) return refuse('not_active')
  return shown(deps, tx, caller, request)
}

async function shown(
  deps: RequestDeps,
  tx: Tx,
  caller: Caller,
  id: RequestView['request']['id'],
): Promise<Result<RequestView>> {
  const request = await tx.requests.findRequest(id)
  const view = request && (await viewOf(deps, tx, caller, request, tx.now))
  return view === undefined ? refuse('not_found') : done(view)
}
