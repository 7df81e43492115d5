import { activate, confirmEnded, end, extend } from '../../domain/grant/move.ts'
import { grantedLength, provision } from '../../domain/grant/make.ts'
import type { EndReason, Grant } from '../../domain/grant/grant.ts'
import type { GrantId, PrincipalId, RequestId } from '../../domain/ids.ts'
import type { Basis } from '../../domain/request/basis.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import { voidRequest, withdraw } from '../../domain/request/close.ts'
import type { HoldTerms } from '../../domain/policy/decision.ts'
import type { Staff } from '../../domain/request/eligibility.ts'
import type { AccessRequest, OpenRequirement, RequestCommon } from '../../domain/request/request.ts'
import { accept } from '../../domain/transition.ts'
import { waitingFor } from '../../domain/request/waiting.ts'
import type { Tx } from '../ports/store.ts'
import { planRole } from '../roles/plan-role.ts'
import { grantMoved, requestOpened, requestSettled } from './entries.ts'
import { beginWaiting } from './waiting.ts'
import { announce } from '../webhooks/announce.ts'

/*
 * The changes of state that several use cases make. Each is one step inside somebody's transaction and appends its
 * entry there.
 *
 * INVARIANT: rows are locked session first, then request, then grant. A step that went the other way could meet a
 * deadlock; the store would then run the whole transaction again, a second later.
 */

/** A new request under the next number, with all that it will do while it waits. */
export async function openRequest(
  tx: Tx,
  asked: Omit<RequestCommon, 'id' | 'reviews' | 'nudge' | 'escalations' | 'standIns'>,
  basis: Basis,
  by: { readonly terms: Pick<HoldTerms, 'nudge' | 'escalations'>; readonly staff: Staff },
): Promise<AccessRequest> {
  const request: AccessRequest = {
    ...asked,
    ...waitingFor(by.terms, asked, by.staff),
    id: await tx.requests.nextRequest(),
    reviews: [],
    state: 'pending',
  }
  await tx.requests.insertRequest(request, basis)
  await tx.record.append(requestOpened(request))
  await beginWaiting(tx, request, by.staff)
  await announce(tx, request, 'request.opened')
  return request
}

/** Writes the state that a pure transition made. */
export async function settle(tx: Tx, request: AccessRequest, actor?: PrincipalId): Promise<AccessRequest> {
  await tx.requests.moveRequest(request)
  await tx.record.append(requestSettled(request, actor))
  if (request.state !== 'pending') await announce(tx, request, `request.${request.state}`)
  return request
}

/** A pending request is withdrawn; anything else is left alone. */
export async function withdrawPending(tx: Tx, id: RequestId, why: string, actor?: PrincipalId): Promise<void> {
  const request = await tx.requests.lockRequest(id)
  if (request === undefined) return
  const withdrawn = withdraw(request, why, tx.now)
  if (withdrawn.ok) await settle(tx, withdrawn.value, actor)
}

/** A pending or unused approved request is voided, and what its approval made ends with it. */
export async function voidUnused(tx: Tx, request: AccessRequest, why: string): Promise<void> {
  const voided = voidRequest(request, why, tx.now)
  if (!voided.ok) return
  await settle(tx, voided.value)
  if (request.state === 'approved') await endGrant(tx, request.grant, 'voided')
}

/**
 * The grant of an approval. Active at once where a gateway stands before the target; where the profile says
 * `access: ephemeral`, `provisioning` until its role stands there.
 */
export async function grantFor(
  tx: Tx,
  request: Extract<AccessRequest, { state: 'approved' }>,
  counted: readonly OpenRequirement[],
  actor: PrincipalId,
  profile?: Profile,
): Promise<Grant> {
  const role = await planRole(tx, request, profile)
  const provisioned = provision(request, counted)
  const made = role === undefined ? activate(provisioned) : accept({ ...provisioned, role: role.name })
  if (!made.ok) throw new Error(`the new grant of ${request.id} could not be made active`)
  const grant = made.value
  await tx.requests.insertGrant(grant)
  await tx.record.append(grantMoved(grant, actor))
  const { kind } = request.subject
  if (kind === 'statement' || kind === 'connect') await tx.requests.insertExecution(request.id, grant.id)
  if (role !== undefined && profile !== undefined) {
    const { resource, id, expiresAt: until } = grant
    const { target, credential } = profile
    await tx.roles.insertRole({
      ...role,
      grant: id,
      resource,
      target: { target, ...(credential === undefined ? {} : { credential }) },
      until,
    })
  }
  return grant
}

/** Moves the end of the grant that an approved extension is about. Undefined when that grant is not live any more. */
export async function extendFor(
  tx: Tx,
  request: Extract<AccessRequest, { state: 'approved' }>,
  actor: PrincipalId,
): Promise<Grant | undefined> {
  const grant = await tx.requests.lockGrant(request.grant)
  const longer = grant && extend(grant, grantedLength(request), request.grantAtMost, tx.now)
  if (longer === undefined || !longer.ok) return undefined
  await tx.requests.moveGrant(longer.value)
  await tx.record.append(grantMoved(longer.value, actor, 'grant.extended'))
  return longer.value
}

/**
 * Ends a grant: `ending` at once, and `ended` in the same breath where nothing is left to look for. False when it had
 * ended before. Requests to extend it go with it.
 */
export async function endGrant(tx: Tx, id: GrantId, why: EndReason, actor?: PrincipalId): Promise<boolean> {
  for (const extension of await tx.requests.pendingExtensionsOf(id)) {
    const request = await tx.requests.lockRequest(extension)
    const voided = request && voidRequest(request, `${id} ended`, tx.now)
    if (voided?.ok === true) await settle(tx, voided.value)
  }
  const grant = await tx.requests.lockGrant(id)
  const ending = grant && end(grant, why, tx.now)
  if (ending === undefined || !ending.ok) return false
  await tx.requests.moveGrant(ending.value)
  await tx.record.append(grantMoved(ending.value, actor))
  if (await nothingHangsOn(tx, ending.value)) await confirmGrant(tx, ending.value)
  return true
}

/** What is over by itself leaves its session as it is. */
export const leavesSessions = (grant: Grant): boolean =>
  grant.state === 'ending' && grant.why === 'completed' && grant.scope === 'once'

/** What is over by itself leaves its session as it is; otherwise every session that used the grant must be seen gone. */
async function nothingHangsOn(tx: Tx, grant: Grant): Promise<boolean> {
  if (grant.role !== undefined && (await tx.roles.roleOf(grant.id))?.state !== 'gone') return false
  if (leavesSessions(grant)) return true
  const users = await tx.requests.sessionsOfGrant(grant.id)
  return users.every(isGone)
}

/** No backend is left of it: seen gone, or there never was one and the client is gone too. */
export const isGone = (used: {
  readonly session: { readonly state: string; readonly backend?: unknown }
  readonly goneAt?: unknown
}): boolean => used.session.state === 'closed' && (used.goneAt !== undefined || used.session.backend === undefined)

/** The target has confirmed. */
export async function confirmGrant(tx: Tx, grant: Grant): Promise<void> {
  const ended = confirmEnded(grant, tx.now)
  if (!ended.ok) return
  await tx.requests.moveGrant(ended.value)
  await tx.record.append(grantMoved(ended.value, undefined))
}
