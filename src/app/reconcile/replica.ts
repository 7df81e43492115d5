import type { AboutReplica } from '../ports/requests.ts'
import type { Store } from '../ports/store.ts'

/**
 * This process, as the others see it: a row with a heartbeat. Whoever stays silent for more than five seconds is
 * declared dead by any other process, its sessions are closed, and its row never lives again: a process that was
 * only asleep finds that out by its next heartbeat, cuts what it still carries, and begins anew under another name.
 */
export interface Replica {
  /**
   * @throws while this process is not entitled to carry sessions: before its first heartbeat, after it was declared dead,
   * and once its last heartbeat is so old that it may have been, because it slept or the store is away.
   */
  id(): string
  start(): Promise<void>
  /** False when others declared this process dead; `id` then throws until the next `start`. */
  beat(): Promise<boolean>
  stop(): Promise<void>
}

/** Silence of a process after which the others take it for dead. In ms. */
export const SILENCE_MS = 5_000

export function createReplica(
  store: Store,
  newId: () => string,
  about?: AboutReplica,
  monotonic: () => number = () => performance.now(),
): Replica {
  let current: string | undefined
  /** Before the last heartbeat that the store took was sent, on a clock that goes on while this process is stopped. */
  let heardAt = 0
  return {
    id() {
      if (current === undefined)
        throw new Error('this process is not registered with the store, and carries no sessions')
      if (monotonic() - heardAt > SILENCE_MS)
        throw new Error('this process has not been heard by the store for too long: others may have taken it for dead')
      return current
    },
    async start() {
      const id = newId()
      const began = monotonic()
      await store.transaction((tx) => tx.requests.startReplica(id, tx.now, about))
      current = id
      heardAt = began
    },
    async beat() {
      const id = current
      if (id === undefined) return false
      const began = monotonic()
      const alive = await store.transaction((tx) => tx.requests.heartbeat(id, tx.now))
      if (alive) heardAt = began
      else current = undefined
      return alive
    },
    async stop() {
      const id = current
      current = undefined
      if (id !== undefined) await store.transaction((tx) => tx.requests.endReplica(id, tx.now))
    },
  }
}
