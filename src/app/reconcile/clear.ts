import type { Grant } from '../../domain/grant/grant.ts'
import type { ResourceName } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import { endSession } from '../gateway/sessions.ts'
import type { SessionRecord } from '../ports/requests.ts'
import type { GrantRole } from '../ports/roles.ts'
import { confirmGrant, isGone, leavesSessions } from '../requests/steps.ts'
import { NotRemoved, removeRoleOf } from '../roles/remove-role.ts'
import type { ReconcilerDeps } from './deps.ts'
import { createVainAttempts, Expected } from './vain-attempts.ts'

/*
 * Clearing: what has ended is looked for on the target until it is gone.
 *
 *   the grant is `ending`, or the session was ordered to end, or its gateway died
 *     → the gateway that carries the session, if it lives, cuts it by itself (app/gateway/cuts.ts)
 *     → after GRACE_MS the backend is terminated from here, whoever's session it was
 *     → a look from a second connection says that it is gone: `session.gone`
 *     → its role, where it has one on the target, is removed and looked for: `role.gone`
 *     → when that is true of every session that used the grant, and of its role, the grant is `ended`
 *
 * Nothing is remembered between passes but what is being looked at now, so a crash anywhere only means that the next
 * pass, of any replica, does it again. A target that does not answer is asked for ever, and shows as overdue.
 */

/** How long the gateway has to do it before we do. */
const GRACE_MS = 1_000
/** How long one attempt waits to see the backend gone. */
const WITHIN_MS = 2_000
const BATCH = 200
/** At once, in all and for one resource: targets that do not answer must not keep others waiting. */
const MOST = 32
const MOST_OF_ONE = 4
/** An open session whose gateway lives and does nothing is closed from here after this long. */
const DEAF_MS = 5_000

export interface Clearing {
  pass(): Promise<void>
  /** When nothing is being looked at any more. */
  idle(): Promise<void>
}

export function createClearing(deps: ReconcilerDeps): Clearing {
  const { store, clock } = deps
  const busy = new Map<string, Promise<void>>()
  const perResource = new Map<ResourceName, number>()
  const vain = createVainAttempts(deps)
  let wanted = new Set<string>()
  /** Since when a session has been seen disobeying, by this process. */
  const disobeying = new Map<string, Instant>()

  /** One piece of work at a time for each key, in the background: one dead target never delays another. */
  const spawn = (key: string, resource: ResourceName, work: () => Promise<void>): void => {
    wanted.add(key)
    const ofOne = perResource.get(resource) ?? 0
    if (busy.has(key) || busy.size >= MOST || ofOne >= MOST_OF_ONE) return
    perResource.set(resource, ofOne + 1)
    const running = work()
      .then(
        () => vain.went(key, resource),
        (error: unknown) => vain.failed(key, resource, error),
      )
      .finally(() => {
        busy.delete(key)
        perResource.set(resource, (perResource.get(resource) ?? 1) - 1)
      })
    busy.set(key, running)
  }

  /** True once its backend was seen gone. Terminates it when `force`, otherwise only looks. */
  const clearSession = async (record: SessionRecord, force: boolean): Promise<boolean> => {
    const { session } = record
    if (isGone(record)) return true
    if (session.backend === undefined) return false
    const target = await openTargetOf(deps, record.target)
    if (!target.ok)
      throw new Expected(`the target of ${session.id} cannot be opened: ${target.detail ?? target.refusal}`)
    const as = await store.roles.signedInAs(session.id)
    const at = as === undefined ? target.value : { ...target.value, actAs: as.name }
    const gone =
      (await deps.target.isGone(at, session.backend)) ||
      (force && (await deps.target.terminate(at, session.backend, WITHIN_MS)))
    if (!gone) return false
    await store.transaction(async (tx) => {
      const now = await tx.requests.lockSession(session.id)
      if (now === undefined || now.goneAt !== undefined) return
      await tx.requests.noteGone(session.id, tx.now)
      await tx.record.append({
        kind: 'session.gone',
        subject: `session/${session.id}`,
        resource: session.resource,
        body: {
          session: session.id,
          principal: session.principal,
          pid: session.backend?.pid,
          backendStarted: session.backend?.startedAt,
        },
      })
    })
    return true
  }

  const clearGrant = async (grant: Grant): Promise<void> => {
    if (grant.state !== 'ending') return
    const old = clock.now() - grant.since >= GRACE_MS
    const users = leavesSessions(grant) ? [] : await store.requests.sessionsOfGrant(grant.id)
    const [gone] = await Promise.all([
      Promise.all(users.map((used) => clearSession(used, old || used.session.state === 'closed'))),
      clearRole(grant),
    ])
    if (gone.includes(false)) return
    await store.transaction(async (tx) => {
      const now = await tx.requests.lockGrant(grant.id)
      if (now !== undefined) await confirmGrant(tx, now)
    })
  }

  /** Whatever becomes of the sessions, nobody signs in as it any more, and it is gone. */
  const clearRole = async (grant: Grant): Promise<void> => {
    const role = grant.role === undefined ? undefined : await store.roles.roleOf(grant.id)
    if (role !== undefined) await removed(role)
  }
  const removed = async (role: GrantRole): Promise<void> => {
    try {
      await removeRoleOf(deps, role)
    } catch (error) {
      throw error instanceof NotRemoved ? new Expected(error.message) : error
    }
  }

  /** Sessions that must end and have not, whoever carries them. */
  const pursueDisobedient = async (): Promise<void> => {
    const now = clock.now()
    const due = await store.requests.sessionsToCut(undefined, now)
    const still = new Set(due.map((d) => d.session as string))
    for (const id of disobeying.keys()) if (!still.has(id)) disobeying.delete(id)
    for (const { session, order } of due) {
      const since = disobeying.get(session) ?? now
      disobeying.set(session, since)
      if (now - since < GRACE_MS) continue
      const record = await store.requests.findSession(session)
      if (record === undefined) continue
      spawn(session, record.session.resource, async () => {
        const cleared = record.session.backend === undefined || (await clearSession(record, true))
        if (cleared && clock.now() - since >= DEAF_MS)
          await endSession(store, session, order.reason === 'expired' ? 'expired' : 'cut')
      })
    }
  }

  return {
    async pass() {
      wanted = new Set()
      for (const grant of await store.requests.endingGrants(BATCH))
        spawn(grant.id, grant.resource, () => clearGrant(grant))
      for (const left of await store.requests.sessionsLeft(BATCH))
        spawn(left.session.id, left.session.resource, async () => void (await clearSession(left, true)))
      for (const role of await store.roles.rolesToRemove(clock.now(), BATCH))
        if (role.grant === undefined) spawn(role.name, role.resource, () => removed(role))
      await pursueDisobedient()
      vain.keepOnly(wanted)
    },
    async idle() {
      while (busy.size > 0) await Promise.all(busy.values())
    },
  }
}
