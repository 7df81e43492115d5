import { expire } from '../../domain/request/close.ts'
import { endGrant, settle, voidUnused, withdrawPending } from '../requests/steps.ts'
import { takeSteps } from '../requests/take-steps.ts'
import { whyVoid } from '../requests/decide-again.ts'
import type { PrincipalId, SessionId } from '../../domain/ids.ts'
import { instant } from '../../domain/time.ts'
import type { CutOrder } from '../ports/gateway.ts'
import type { Tx } from '../ports/store.ts'
import type { ReconcilerDeps } from './deps.ts'

/** How many of a kind are taken in one pass; the next pass takes the rest. */
const BATCH = 200

/** Pending requests whose time is up. Each in a transaction of its own, and only if it still is so: any number of replicas may try. */
export async function expireRequests({ store, clock }: ReconcilerDeps): Promise<void> {
  for (const id of await store.requests.duePending(clock.now(), BATCH))
    await store.transaction(async (tx) => {
      const request = await tx.requests.lockRequest(id)
      const expired = request && expire(request, tx.now)
      if (expired?.ok === true) await settle(tx, expired.value)
    })
}

/** The job has so long. */
const STEP_GRACE_MS = 5_000

/** Reminders and escalations whose job did not come: lost, late, or a dead letter. */
export async function takeOverdueSteps({ store, clock, policy }: ReconcilerDeps): Promise<void> {
  const before = instant(clock.now() - STEP_GRACE_MS)
  for (const id of await store.waiting.overdueSteps(before, BATCH)) await takeSteps({ store, policy }, id)
}

/** Grants whose time is up. */
export async function expireGrants({ store, clock }: ReconcilerDeps): Promise<void> {
  for (const id of await store.requests.dueGrants(clock.now(), BATCH))
    await store.transaction((tx) => endGrant(tx, id, 'expired'))
}

/** Pending requests and live windows that were last decided with an older revision: decided again (I8). */
export async function decideStale({ store, policy }: ReconcilerDeps): Promise<void> {
  const snapshot = policy()
  if (snapshot === undefined) return
  for (const id of await store.requests.staleRequests(snapshot.revision, BATCH))
    await store.transaction(async (tx) => {
      const request = await tx.requests.lockRequest(id)
      if (request?.state !== 'pending') return
      const why = await whyVoid(tx, request, snapshot)
      if (why === undefined) await tx.requests.noteRequestChecked(id, snapshot.revision)
      else await voidUnused(tx, request, why)
    })
  for (const id of await store.requests.staleGrants(snapshot.revision, BATCH))
    await store.transaction(async (tx) => {
      const grant = await tx.requests.findGrant(id)
      const request = grant && (await tx.requests.lockRequest(grant.request))
      if (request === undefined) return
      const why = await whyVoid(tx, request, snapshot)
      if (why === undefined) return tx.requests.noteGrantChecked(id, snapshot.revision)
      if (await endGrant(tx, id, 'voided'))
        await tx.record.append({
          kind: 'grant.words',
          subject: `grant/${id}`,
          resource: request.resource,
          body: { grant: id, words: why, revision: snapshot.revision },
        })
    })
}

/** People who were disabled while something of theirs was open: all of it ends. */
export async function endDisabled({ store, policy }: ReconcilerDeps): Promise<void> {
  const snapshot = policy()
  if (snapshot === undefined) return
  const disabled = (id: PrincipalId): boolean => {
    const person = snapshot.people.get(id)
    // An agent acts for its sponsor, and for nobody when the sponsor is gone.
    return (
      person?.disabled === true ||
      (person?.sponsor !== undefined && snapshot.people.get(person.sponsor)?.disabled === true)
    )
  }
  for (const id of (await store.requests.activePrincipals()).filter(disabled))
    await store.transaction(async (tx) => {
      for (const session of await tx.requests.openSessionsOfPrincipal(id))
        await orderEnd(tx, session, { why: 'the account was disabled', reason: 'account_disabled' })
      for (const request of await tx.requests.pendingOfPrincipal(id))
        await withdrawPending(tx, request, 'the account was disabled')
      for (const grant of await tx.requests.openGrantsOfPrincipal(id)) await endGrant(tx, grant, 'revoked')
    })
}

/** A client that leaves revokes its own token a moment before the end of its session is written down. */
const TOKEN_GRACE_MS = 500

/** Sessions that were opened with a token which is revoked since: whoever took the token back meant those, too. */
export async function endRevoked({ store, clock }: ReconcilerDeps): Promise<void> {
  const before = instant(clock.now() - TOKEN_GRACE_MS)
  for (const session of await store.requests.sessionsOfRevokedTokens(before, BATCH))
    await store.transaction((tx) =>
      orderEnd(tx, session, { why: 'the token that opened the session was revoked', reason: 'token_revoked' }),
    )
}

async function orderEnd(tx: Tx, id: SessionId, order: CutOrder): Promise<void> {
  const record = await tx.requests.lockSession(id)
  if (record?.session.state !== 'open' || record.cut !== undefined) return
  await tx.requests.orderCut(id, order)
  await tx.record.append({
    kind: 'session.cut',
    subject: `session/${id}`,
    resource: record.session.resource,
    body: { session: id, principal: record.session.principal, why: order.reason },
  })
}
