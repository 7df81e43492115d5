import type { ResourceName } from '../../domain/ids.ts'
import { endSession } from '../gateway/sessions.ts'
import type { Restoration } from '../ports/restorations.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'
import { every } from '../reconcile/every.ts'
import { endGrant, withdrawPending } from '../requests/steps.ts'

export interface SettleDeps {
  readonly store: Store
  readonly timer: Timer
  /** One whole pass of what ends access on targets; resolves when each was asked, whatever it answered. */
  readonly pass: () => Promise<void>
  readonly onFault: (what: string, error: unknown) => void
  /** One line for whoever runs this. */
  readonly say: (message: string) => void
}

const EVERY_MS = 1_000
const WHY = 'the store was restored from a backup; ask again'

/*
 * What a restored store goes through, on every replica that ends access, level-triggered:
 *
 *   restored  nobody is served (gate.ts)
 *     → every session, grant, pending request, delegation and token of the backup is ended in the store: what became of them after
 *       the backup is not known, and whatever was ended since must not live again
 *   ended     the ordinary way of ending goes on: targets are asked until they confirm
 *     → each was asked once
 *   opened    only resources whose target has not confirmed are closed
 *     → all have confirmed
 *   settled
 *
 * Each step is noted once, by whoever comes first; a crash between any two leaves the one before, and the next pass of
 * any replica goes on from there.
 */

/** Takes restored stores through it. Costs one small query a second when there is none. */
export function startSettling(deps: SettleDeps): { stop(): Promise<void> } {
  const told = new Map<number, string>()
  return every(deps, EVERY_MS, 'ending what a backup brought back', async () => {
    for (const one of await deps.store.restorations.unsettled()) await settle(deps, one, told)
  })
}

async function settle(deps: SettleDeps, restoration: Restoration, told: Map<number, string>): Promise<void> {
  const { store } = deps
  const { number } = restoration
  if (!restoration.ended) await endEverything(deps, restoration)
  if (!restoration.opened) {
    await deps.pass()
    await note(deps, restoration, 'opened')
  }
  const left = await store.restorations.unconfirmed(number)
  tell(deps, number, left, told)
  if (left.length === 0) await note(deps, restoration, 'settled')
}

/** Safe to repeat: what has ended stays as it is. */
async function endEverything(deps: SettleDeps, restoration: Restoration): Promise<void> {
  const { store } = deps
  for (const person of await store.requests.activePrincipals()) {
    for (const session of await store.requests.openSessionsOfPrincipal(person))
      await endSession(store, session, 'gateway_died')
    await store.transaction(async (tx) => {
      for (const request of await tx.requests.pendingOfPrincipal(person)) await withdrawPending(tx, request, WHY)
      for (const grant of await tx.requests.openGrantsOfPrincipal(person)) await endGrant(tx, grant, 'revoked')
    })
  }
  for (const person of await store.restorations.delegating())
    await store.transaction(async (tx) => {
      if (await tx.waiting.endDelegation(person, tx.now))
        await tx.record.append({ kind: 'delegation.ended', subject: `account/${person}`, body: { person } })
    })
  await store.transaction(async (tx) => {
    const kinds = ['sign_in', 'gateway', ...(restoration.keepTokens ? [] : (['api'] as const))] as const
    const tokens = await tx.restorations.revokeTokens(kinds, tx.now)
    if (!(await tx.restorations.noteEnded(restoration.number, tx.now))) return
    await tx.record.append({
      kind: 'store.reconciled',
      subject: 'store',
      body: { stage: 'ended', backupAt: restoration.backupAt, tokens },
    })
  })
}

const note = (deps: SettleDeps, { number, backupAt }: Restoration, stage: 'opened' | 'settled'): Promise<void> =>
  deps.store.transaction(async (tx) => {
    const { restorations } = tx
    const first = await (stage === 'opened'
      ? restorations.noteOpened(number, tx.now)
      : restorations.noteSettled(number, tx.now))
    if (!first) return
    const left = stage === 'opened' ? await restorations.unconfirmed(number) : []
    await tx.record.append({
      kind: 'store.reconciled',
      subject: 'store',
      body: { stage, backupAt, ...(left.length === 0 ? {} : { unconfirmed: left }) },
    })
  })

function tell(deps: SettleDeps, number: number, left: readonly ResourceName[], told: Map<number, string>): void {
  const words =
    left.length === 0
      ? 'everything of the backup has ended, and every target has confirmed it'
      : `closed until their target confirms that access of the backup has ended: ${left.join(', ')}`
  if (told.get(number) === words) return
  told.set(number, words)
  deps.say(words)
}
