import type { ResourceName } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import type { Restoration } from '../ports/restorations.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'
import { every } from '../reconcile/every.ts'

/** Whether this process may serve anybody. Every process that does has one. */
export interface Gate {
  /** Why nobody is served, or nobody on this resource, in words for them; undefined when nothing is in the way. */
  closed(resource?: ResourceName): string | undefined
  /** How many resources stay closed by themselves. */
  waiting(): number
  stop(): Promise<void>
}

const EVERY_MS = 1_000

/** `2026-11-24 03:10 UTC` */
const when = (at: Instant): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/**
 * INVARIANT (I13): closed from the first look on, so nothing is served between the start of a process and its knowing
 * that the store was restored. Asked again every second for as long as the process lives: one that was asleep while
 * somebody restored its store finds out. Rejects when the first look fails.
 */
export async function keepGate(deps: {
  readonly store: Pick<Store, 'restorations'>
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}): Promise<Gate> {
  let all: string | undefined
  let some: ReadonlyMap<ResourceName, string> = new Map()
  const look = async (): Promise<void> => {
    const found = await deps.store.restorations.unsettled()
    const resources = new Map<ResourceName, string>()
    for (const one of found)
      if (one.opened)
        for (const resource of await deps.store.restorations.unconfirmed(one.number))
          resources.set(resource, staysClosed(resource, one))
    const first = found.find((one) => !one.opened)
    all = first && isEnding(first)
    some = resources
  }
  await look()
  const looking = every(deps, EVERY_MS, 'looking whether the store was restored', look)
  return {
    closed: (resource) => all ?? (resource === undefined ? undefined : some.get(resource)),
    waiting: () => some.size,
    stop: () => looking.stop(),
  }
}

const isEnding = ({ backupAt }: Restoration): string =>
  `Holdpoint was restored from a backup of ${when(backupAt)} and is ending what was open in it; nobody is served before that. Try again in a moment`

const staysClosed = (resource: ResourceName, { backupAt }: Restoration): string =>
  `${resource} is closed: Holdpoint was restored from a backup of ${when(backupAt)}, and this target has not confirmed yet that access from before has ended. It opens by itself`
