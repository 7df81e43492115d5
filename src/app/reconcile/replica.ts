import type { AboutReplica } from '../ports/requests.ts'
import type { Store } from '../ports/store.ts'

/**
 * This process, as the others see it: a row with a heartbeat. Whoever stays silent for more than five seconds is
 * declared dead by any other process, its sessions are closed, and its row never lives again: a process that was
 * only asleep finds that out by its next heartbeat, cuts what it still carries, and begins anew under another name.
 */
export interface Replica {
  /** @throws while this process is not entitled to carry sessions: before its first heartbeat and after it was declared dead. */
  id(): string
  start(): Promise<void>
  /** False when others declared this process dead; `id` then throws until the next `start`. */
  beat(): Promise<boolean>
  stop(): Promise<void>
}

export function createReplica(store: Store, newId: () => string, about?: AboutReplica): Replica {
  let current: string | undefined
  return {
    id() {
      if (current === undefined)
        throw new Error('this process is not registered with the store, and carries no sessions')
      return current
    },
    async start() {
      const id = newId()
      await store.transaction((tx) => tx.requests.startReplica(id, tx.now, about))
      current = id
    },
    async beat() {
      const id = current
      if (id === undefined) return false
      const alive = await store.transaction((tx) => tx.requests.heartbeat(id, tx.now))
      if (!alive) current = undefined
      return alive
    },
    async stop() {
      const id = current
      current = undefined
      if (id !== undefined) await store.transaction((tx) => tx.requests.endReplica(id, tx.now))
    },
  }
}
