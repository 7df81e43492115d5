import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'

/** What has ended here and the store must still be told: the end of a run, of a wait, of a session. */
export interface Owed {
  /**
   * Tells the store now, or behind what waits already; what it does not take is told again until it does. Rejects as
   * the first attempt did, for whoever wants to say so. `work` must be safe to repeat.
   */
  tell(what: string, work: () => Promise<void>): Promise<void>
  /** How much waits. */
  waiting(): number
  /** One more attempt at the rest, and no more. What is left is found by the reconciler once this process is gone. */
  close(): Promise<void>
}

const EVERY_MS = 1_000

/**
 * The client of a session that ends while the store is away is gone, and nobody else will come back to say so: without
 * this the session would stay open in the store, and its requests pending, for as long as this process lives. Kept in
 * memory alone: if the process dies, the reconciler ends all that it carried.
 *
 * The order is kept, so that the end of a run is told before the end of its session makes it `unknown`.
 */
export function createOwed(deps: {
  readonly store: Pick<Store, 'requests'>
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}): Owed {
  let rest: readonly { readonly what: string; readonly work: () => Promise<void> }[] = []
  let telling: Promise<void> | undefined
  let cancel: (() => void) | undefined
  let closed = false

  const schedule = (): void => {
    if (closed || cancel !== undefined || rest.length === 0) return
    cancel = deps.timer.after(EVERY_MS, () => {
      cancel = undefined
      void tellRest().finally(schedule)
    })
  }
  const attempt = async (): Promise<void> => {
    for (const one of rest) {
      try {
        await one.work()
        rest = rest.filter((other) => other !== one)
      } catch (error) {
        deps.onFault(one.what, error)
        // It waits at its place. The others go on when the fault is its own.
        if (!(await answers())) return
      }
    }
  }
  const tellRest = (): Promise<void> => (telling ??= attempt().finally(() => (telling = undefined)))
  const answers = async (): Promise<boolean> => {
    try {
      await deps.store.requests.nextDue()
      return true
    } catch {
      return false
    }
  }

  return {
    async tell(what, work) {
      if (rest.length > 0) {
        rest = [...rest, { what, work }]
        return schedule()
      }
      try {
        await work()
      } catch (error) {
        rest = [...rest, { what, work }]
        schedule()
        throw error
      }
    },
    waiting: () => rest.length,
    async close() {
      closed = true
      cancel?.()
      await telling
      await tellRest()
    },
  }
}
