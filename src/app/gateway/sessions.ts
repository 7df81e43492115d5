import type { EndReason } from '../../domain/grant/grant.ts'
import type { SessionId } from '../../domain/ids.ts'
import type { CloseReason, Session } from '../../domain/session/session.ts'
import { after } from '../../domain/time.ts'
import type { GatewayApp } from '../ports/gateway.ts'
import type { Store, Tx } from '../ports/store.ts'
import { sessionMoved } from '../requests/entries.ts'
import { endGrant, withdrawPending } from '../requests/steps.ts'
import type { GatewayDeps } from './deps.ts'
import { giveUp } from './start.ts'
import type { Turnstile } from './turnstile.ts'

/**
 * The `connect` decision and the session, in one transaction and covered by a checkpoint, before anything reaches the
 * target.
 * @param mine gets the session before the store does, and loses it again when store or ledger did not answer: whether it
 * was written may not be known then, and whoever finds it there ends it (`Cuts.endStrays`).
 */
export const openSession =
  (deps: GatewayDeps, mine: Set<SessionId>, turn: Turnstile): GatewayApp['openSession'] =>
  async (input) => {
    const profile = deps.policy()?.resources.get(input.resource)
    if (profile === undefined) throw new Error(`the profile of ${input.resource} cannot be told`)
    const replica = deps.replica.id()
    const id = await turn(() => deps.store.requests.nextSession())
    const { decision } = input
    const open = async (tx: Tx) => {
      const atMost = decision.outcome === 'allow' ? decision.sessionAtMost : undefined
      const session: Session = {
        id,
        principal: input.principal.id,
        resource: input.resource,
        database: clean(input.database),
        client: clean(input.client),
        sourceAddress: input.sourceAddress,
        openedAt: tx.now,
        ...(atMost === undefined ? {} : { expiresAt: after(tx.now, atMost) }),
        state: 'open',
      }
      const target = {
        target: profile.target,
        ...(profile.credential === undefined ? {} : { credential: profile.credential }),
      }
      await tx.requests.insertSession(session, { token: input.token, replica, target })
      const position = await tx.record.append(
        sessionMoved(session, {
          token: input.token,
          decision: decision.outcome,
          cause: decision.cause,
          rules: decision.rules,
          revision: input.revision,
        }),
      )
      const opened = {
        session: session.id,
        ...(session.expiresAt === undefined ? {} : { expiresAt: session.expiresAt }),
      }
      return { opened, position }
    }
    mine.add(id)
    try {
      const { opened, position } = await turn(() => deps.store.transaction(open))
      // One that is denied reaches nothing. One that is held may be allowed later, when policy changes while people think.
      if (decision.outcome !== 'deny') await deps.ledger.covered(position)
      return opened
    } catch (error) {
      mine.delete(id)
      throw error
    }
  }

/** What a client says of itself, as the store and the record can keep it. */
const clean = (text: string): string => text.toWellFormed().replaceAll('\0', '')

export const attachBackend =
  (deps: Pick<GatewayDeps, 'store'>): GatewayApp['attachBackend'] =>
  (session, backend) =>
    deps.store.transaction((tx) => tx.requests.attachBackend(session, backend))

export const closeSession =
  (deps: Pick<GatewayDeps, 'store'>): GatewayApp['closeSession'] =>
  (session, why) =>
    endSession(deps.store, session, why)

/** What the end of a session means for what hangs on it: its request, its one execution, the grants that live in it. */
const WHY: Readonly<Record<CloseReason, { readonly request: string; readonly grant: EndReason }>> = {
  client_left: { request: 'the client left', grant: 'released' },
  target_left: { request: 'the target closed the connection', grant: 'released' },
  cut: { request: 'the session was cut', grant: 'revoked' },
  // `expired` of a grant never comes before its own time; a session's own end revokes what is left of it.
  expired: { request: 'the time of the session was up', grant: 'revoked' },
  refused: { request: 'the session was refused', grant: 'released' },
  failed: { request: 'the session failed', grant: 'released' },
  gateway_died: { request: 'the gateway that held it died', grant: 'revoked' },
}

/** Ends a session and whatever hangs on it, in one transaction. Safe to repeat: what is closed stays as it is. */
export const endSession = (store: Store, id: SessionId, why: CloseReason): Promise<void> =>
  store.transaction((tx) => endSessionIn(tx, id, why))

async function endSessionIn(tx: Tx, id: SessionId, why: CloseReason): Promise<void> {
  const record = await tx.requests.lockSession(id)
  if (record?.session.state !== 'open') return
  for (const request of await tx.requests.pendingOfSession(id)) await withdrawPending(tx, request, WHY[why].request)
  for (const request of await tx.requests.startedOfSession(id)) await giveUp(tx, request)
  await tx.requests.closeSession(id, why, tx.now)
  for (const grant of await tx.requests.openGrantsOfSession(id)) await endGrant(tx, grant, WHY[why].grant)
  await tx.record.append(sessionMoved({ ...record.session, state: 'closed', why, at: tx.now }))
}
