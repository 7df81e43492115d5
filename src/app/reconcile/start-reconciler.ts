import type { GrantId, ResourceName } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import { createBurying } from './bury.ts'
import { createClearing } from './clear.ts'
import type { ReconcilerDeps } from './deps.ts'
import { every } from './every.ts'
import { createInventories } from '../roles/inventory.ts'
import { createMakingRoles } from '../roles/make-roles.ts'
import { decideStale, endDisabled, endRevoked, expireGrants, expireRequests, takeOverdueSteps } from './expire.ts'

/** A grant whose removal the target has not confirmed in time. Retried for ever; somebody should look. */
export interface Overdue {
  readonly grant: GrantId
  readonly resource: ResourceName
  readonly since: Instant
}

export interface Reconciler {
  /** One pass now; resolves when it is done. For tests and for a clean start. */
  pass(): Promise<void>
  status(): {
    /** When a whole pass last went without a fault. */
    readonly lastPass: Instant | undefined
    readonly overdue: readonly Overdue[]
  }
  /** Stops passing, waits for what runs. */
  stop(): Promise<void>
}

const EVERY_MS = 1_000
/** Passes that were woken keep this distance, so that a burst of changes is one pass. */
const SOONEST_MS = 20
const OVERDUE_MS = 15_000

/**
 * What should have ended, ends: level-triggered, every second, on every replica, by the database's clock, and sooner
 * when woken or when something is due. Every step asks what is true now and changes it under a lock only if it still
 * is, so any number of replicas may run it at once and a kill at any point loses nothing.
 */
export function startReconciler(deps: ReconcilerDeps): Reconciler {
  const clearing = createClearing(deps)
  const burying = createBurying(deps)
  const making = createMakingRoles(deps)
  const inventories = createInventories(deps, deps.inventoryEveryMs)
  let lastPass: Instant | undefined
  let overdue: readonly Overdue[] = []
  let stopped = false
  let cancel: (() => void) | undefined
  let running: Promise<void> | undefined
  let wanted = false

  const steps: readonly (readonly [string, () => Promise<void>])[] = [
    ['expiring grants', () => expireGrants(deps)],
    ['expiring requests', () => expireRequests(deps)],
    ['what requests do while they wait', () => takeOverdueSteps(deps)],
    ['deciding again', () => decideStale(deps)],
    ['ending what disabled people had', () => endDisabled(deps)],
    ['ending what lost its token', () => endRevoked(deps)],
    ['burying dead processes', () => burying.pass()],
    ['making roles', () => making.pass()],
    ['clearing', () => clearing.pass()],
    ['looking for leftovers', () => inventories.pass()],
    ['counting what is overdue', countOverdue],
  ]

  async function countOverdue(): Promise<void> {
    const now = deps.clock.now()
    const ending = await deps.store.requests.endingGrants(1_000)
    overdue = ending.flatMap((g) =>
      g.state === 'ending' && now - g.since > OVERDUE_MS ? [{ grant: g.id, resource: g.resource, since: g.since }] : [],
    )
  }
  /** A step that fails never keeps the others from running. */
  const pass = async (): Promise<void> => {
    let clean = true
    for (const [what, step] of steps) {
      try {
        await step()
      } catch (error) {
        clean = false
        deps.onFault(what, error)
      }
    }
    if (clean) lastPass = deps.clock.now()
  }
  const untilDue = async (): Promise<number> => {
    try {
      const due = await deps.store.requests.nextDue()
      return due === undefined ? EVERY_MS : Math.min(EVERY_MS, Math.max(SOONEST_MS, due - deps.clock.now() + 1))
    } catch {
      return EVERY_MS
    }
  }
  const once = (): Promise<void> => {
    wanted = false
    running ??= pass().finally(() => (running = undefined))
    return running
  }
  const loop = async (): Promise<void> => {
    cancel = undefined
    await once()
    schedule(wanted ? SOONEST_MS : await untilDue())
  }
  function schedule(ms: number): void {
    if (stopped) return
    cancel?.()
    cancel = deps.timer.after(ms, () => void loop())
  }
  const heard = (): void => {
    wanted = true
    if (running === undefined) schedule(SOONEST_MS)
  }

  // On a timer of its own, since it counts on a second between two looks.
  const listening = every(deps, EVERY_MS, 'listening for heartbeats', () => burying.listen())
  const stops = ['grant/', 'revision', 'account/'].map((prefix) => deps.wake.subscribe(prefix, heard))
  schedule(SOONEST_MS)
  return {
    async pass() {
      await running
      await once()
      await making.idle()
      await inventories.idle()
      await clearing.idle()
    },
    status: () => ({ lastPass, overdue }),
    async stop() {
      stopped = true
      cancel?.()
      for (const stop of stops) stop()
      await running
      await listening.stop()
      cancel?.()
      await making.idle()
      await inventories.idle()
      await clearing.idle()
    },
  }
}
