import type { Ledger, LedgerStore, Position } from '../ports/ledger.ts'
import { LedgerUnavailable } from '../ports/ledger.ts'
import type { Timer } from '../ports/timer.ts'
import type { Wake } from '../ports/wake.ts'
import { CHECKPOINT, WANTED } from './subjects.ts'

export interface LedgerDeps {
  /** Not behind what clients ask for. */
  readonly store: Pick<LedgerStore, 'coveredOf' | 'uncoveredAbout'>
  readonly wake: Wake
  readonly tell: (subjects: Iterable<string>) => void
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}

const PATIENCE_MS = 5_000
/** Wakes are hints. */
const POLL_MS = 250
/** Subjects that are remembered as covered. */
const REMEMBERED = 10_000

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Waits for checkpoints, on any process: one question to the store for all who wait, however many. */
export function createLedger(deps: LedgerDeps): Ledger & { close(): void } {
  const waiting = new Map<Position, Set<Waiter>>()
  const known = new Set<string>()
  let looking = false
  let again = false
  let cancelPoll: (() => void) | undefined

  const look = async (): Promise<void> => {
    again = true
    if (looking) return
    looking = true
    try {
      while (again && waiting.size > 0) {
        again = false
        for (const position of await deps.store.coveredOf([...waiting.keys()])) {
          const waiters = waiting.get(position)
          waiting.delete(position)
          for (const { resolve } of waiters ?? []) resolve()
        }
      }
    } catch (error) {
      // Whoever waits is told by their own deadline.
      deps.onFault('looking for a checkpoint', error)
    } finally {
      looking = false
    }
  }
  const poll = (): void => {
    cancelPoll ??= deps.timer.after(POLL_MS, () => {
      cancelPoll = undefined
      if (waiting.size === 0) return
      deps.tell([WANTED])
      poll()
      void look()
    })
  }
  const stopHearing = deps.wake.subscribe(CHECKPOINT, () => {
    if (waiting.size > 0) void look()
  })

  const covered = (position: Position): Promise<void> =>
    new Promise((resolve, reject) => {
      const cancel = deps.timer.after(PATIENCE_MS, () => {
        const waiters = waiting.get(position)
        waiters?.delete(waiter)
        if (waiters?.size === 0) waiting.delete(position)
        reject(new LedgerUnavailable(`the ledger could not be signed within ${PATIENCE_MS / 1_000} s`))
      })
      const waiter: Waiter = {
        resolve: () => {
          cancel()
          resolve()
        },
        reject,
      }
      const waiters = waiting.get(position) ?? new Set()
      waiting.set(position, waiters.add(waiter))
      deps.tell([WANTED])
      poll()
    })

  return {
    covered,
    async coveredAbout(subjects) {
      const keyOf = (of: { readonly subject: string; readonly version: string }) => `${of.subject} ${of.version}`
      const missing = subjects.filter((of) => !known.has(keyOf(of)))
      if (missing.length === 0) return
      const positions = await deps.store.uncoveredAbout(missing.map(({ subject }) => subject))
      await Promise.all(positions.map(covered))
      if (known.size > REMEMBERED) known.clear()
      for (const of of missing) known.add(keyOf(of))
    },
    close() {
      stopHearing()
      cancelPoll?.()
      for (const waiters of waiting.values())
        for (const { reject } of waiters) reject(new LedgerUnavailable('this process is stopping'))
      waiting.clear()
    },
  }
}
