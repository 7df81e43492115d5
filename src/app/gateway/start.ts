import type { EndReason, Grant } from '../../domain/grant/grant.ts'
import type { GrantId, RequestId } from '../../domain/ids.ts'
import { agreedRows, whyUncapped } from '../../domain/request/request.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { askAfterwards } from '../requests/afterwards.ts'
import type { Confirmed, GatewayApp, Started } from '../ports/gateway.ts'
import type { Position } from '../ports/ledger.ts'
import type { Tx } from '../ports/store.ts'
import { whyVoid } from '../requests/decide-again.ts'
import { executionMoved } from '../requests/entries.ts'
import { withPolicy } from '../requests/with-policy.ts'
import { endGrant, voidUnused } from '../requests/steps.ts'
import { grantsCovered } from './grants-covered.ts'
import type { GatewayDeps } from './deps.ts'
import { stillEntitled } from './still-entitled.ts'
import { lendTo } from './roles.ts'

/**
 * The last look before the bytes go. Everything that could have changed since the approval is checked, and the one
 * execution taken, in one transaction: if it commits, the bytes may go once; if the process dies before they went, the
 * execution stays `started` and the reconciler makes it `unknown` (I5). Then it waits until a signed checkpoint covers it
 * all (I4); what has not ended by its own by then is cut by the gateway as ever.
 * @throws when policy, the session or the ledger is in doubt, and for a second start of the same request.
 */
export const start =
  (deps: GatewayDeps): GatewayApp['start'] =>
  async (id, input) => {
    const started = await withPolicy(deps, async (tx, snapshot): Promise<ToProve> => {
      const record = await tx.requests.lockSession(input.session)
      if (record?.session.state !== 'open') throw new Error(`session ${input.session} is not open`)
      const request = await tx.requests.lockRequest(id)
      if (request === undefined) throw new Error(`${id} does not exist`)
      if (request.state === 'voided') return { answer: { kind: 'voided', why: request.why } }
      if (request.state !== 'approved') return { answer: { kind: 'voided', why: `${id} is ${request.state}` } }
      if (record.session.principal !== request.requester) throw new Error(`${id} is somebody else's`)

      const { kind } = request.subject
      // Used before, and meant to be: a window, or a session's grant whose first statement has run.
      if (kind !== 'statement' && kind !== 'connect') return enterAgain(tx, request, input.session)
      if ((await tx.requests.findExecution(id))?.state !== 'ready') {
        if (request.scope === 'session' && request.session === input.session)
          return enterAgain(tx, request, input.session)
        // INVARIANT (I6): what was used is not voided, whatever is wrong with the one who asks.
        throw new Error(`${id} was started before`)
      }
      const why =
        request.digest !== input.digest
          ? 'what is to run is not what was approved'
          : request.session !== input.session
            ? 'it was approved for another session'
            : snapshot.revision > request.revision
              ? await whyVoid(tx, request, snapshot)
              : undefined
      if (why !== undefined) {
        await voidUnused(tx, request, why)
        return { answer: { kind: 'voided', why } }
      }
      const grant = await tx.requests.lockGrant(request.grant)
      if (grant?.state !== 'active' || tx.now >= grant.expiresAt)
        return { answer: { kind: 'voided', why: 'the time that was approved was up before it started' } }
      if (!(await tx.requests.startExecution(id, input.session, tx.now))) throw new Error(`${id} was started before`)
      await tx.requests.enterGrant(input.session, grant.id)
      if (kind === 'connect') await tx.requests.boundSession(input.session, grant.expiresAt)
      const position = await tx.record.append(executionMoved(request, 'started'))
      // Where no number can hold, those who approved were told so.
      const rowCap = whyUncapped(request.subject) === undefined ? agreedRows(request) : undefined
      const go = { kind: 'go', grant: grant.id, expiresAt: grant.expiresAt, ...roleOf(grant) } as const
      return { answer: { ...go, ...(rowCap === undefined ? {} : { rowCap }) }, position }
    })
    if (started === undefined) throw new Error('the policy in force cannot be told')
    const { answer, position, entered } = started.value
    if (position !== undefined) await deps.ledger.covered(position)
    if (entered !== undefined) await grantsCovered(deps, [entered])
    if (answer.kind !== 'go') return answer
    await lendTo(deps, input.session, answer.role)
    return stillEntitled(deps, answer)
  }

const roleOf = ({ role }: Grant) => (role === undefined ? {} : { role })

/** What must be in the ledger before the answer may be acted upon. */
interface ToProve {
  readonly answer: Started
  readonly position?: Position
  readonly entered?: Grant
}

/** A window is entered as often as wanted, while it lives and by its holder; the answer says how long that is by now. */
async function enterAgain(
  tx: Tx,
  request: Extract<AccessRequest, { state: 'approved' }>,
  session: Parameters<Tx['requests']['enterGrant']>[0],
): Promise<ToProve> {
  const grant = await tx.requests.lockGrant(request.grant)
  if (grant?.state !== 'active' || tx.now >= grant.expiresAt || grant.scope === 'once')
    return { answer: { kind: 'voided', why: `${request.id} has ended` } }
  await tx.requests.enterGrant(session, grant.id)
  return { answer: { kind: 'go', grant: grant.id, expiresAt: grant.expiresAt, ...roleOf(grant) }, entered: grant }
}

/**
 * Whether a transaction may still be committed. The grants are locked while they are looked at: one that ends later has
 * ended after this.
 */
export const confirm =
  (deps: Pick<GatewayDeps, 'store'>): GatewayApp['confirm'] =>
  (session, requests) =>
    deps.store.transaction(async (tx): Promise<Confirmed> => {
      const record = await tx.requests.lockSession(session)
      if (record?.session.state !== 'open') throw new Error(`session ${session} is not open`)
      for (const id of requests) {
        const request = await tx.requests.lockRequest(id)
        if (request === undefined) throw new Error(`${id} does not exist`)
        const why = await whyEnded(tx, request)
        if (why === undefined) continue
        await tx.record.append({
          kind: 'commit.refused',
          subject: `request/${id}`,
          resource: request.resource,
          body: { request: id, session, why },
        })
        return { kind: 'ended', request: id, why }
      }
      return { kind: 'live' }
    })

async function whyEnded(tx: Tx, request: AccessRequest): Promise<EndReason | undefined> {
  if (request.state !== 'approved') return 'voided'
  const grant = await tx.requests.lockGrant(request.grant)
  if (grant === undefined || grant.state === 'provisioning') return 'voided'
  if (grant.state !== 'active') return grant.why
  return tx.now >= grant.expiresAt ? 'expired' : undefined
}

/** The bytes have gone and the target has answered. Safe to repeat; too late for an execution that was given up. */
export const finish =
  (deps: Pick<GatewayDeps, 'store'> & Partial<Pick<GatewayDeps, 'policy'>>): GatewayApp['finish'] =>
  (id, result) =>
    deps.store.transaction(async (tx) => {
      const request = await tx.requests.lockRequest(id)
      if (request === undefined || !(await tx.requests.endExecution(id, tx.now, result))) return
      await tx.record.append(executionMoved(request, result.outcome, result))
      await askAfterwards(tx, request, result, (id) => deps.policy?.()?.people.get(id)?.disabled === true)
      if (request.state === 'approved') await completeOnce(tx, request.grant)
    })

/** A session's grant lives on with its session; that of one statement has done its work. */
async function completeOnce(tx: Tx, id: GrantId): Promise<void> {
  const grant = await tx.requests.lockGrant(id)
  if (grant?.scope === 'once') await endGrant(tx, id, 'completed')
}

/** Executions that were running when their session ended: whether the target did them is not known, and nobody does them again. */
export async function giveUp(tx: Tx, id: RequestId): Promise<void> {
  const request = await tx.requests.lockRequest(id)
  if (request === undefined || !(await tx.requests.endExecution(id, tx.now, { outcome: 'unknown' }))) return
  await tx.record.append(executionMoved(request, 'unknown'))
  await askAfterwards(tx, request, { outcome: 'unknown' })
}
