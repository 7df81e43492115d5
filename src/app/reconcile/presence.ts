import { instant } from '../../domain/time.ts'
import type { Clock } from '../ports/clock.ts'
import type { AboutReplica } from '../ports/requests.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'
import { every } from './every.ts'
import { createReplica } from './replica.ts'

/** This server among the replicas of its installation. */
export interface Presence {
  /** Those that were heard of in the last seconds, this one included, in the order of their starts. Asked of the store. */
  living(): Promise<readonly AboutReplica[]>
  /** The others read at once that it is gone; when the store is away, they find out by its silence. Never rejects. */
  stop(): Promise<void>
}

const EVERY_MS = 1_000
/** Silent for longer: it is dead, or about to be declared so. */
const RECENT_MS = 5_000

/** Says each second that this server lives, and what it does. Rejects when the store does not take the first word. */
export async function announce(
  deps: {
    readonly store: Store
    readonly clock: Clock
    readonly timer: Timer
    readonly onFault: (what: string, error: unknown) => void
    readonly newId: () => string
  },
  about: AboutReplica,
): Promise<Presence> {
  const replica = createReplica(deps.store, deps.newId, about)
  await replica.start()
  const beating = every(deps, EVERY_MS, "the server's heartbeat", async () => {
    if (!(await replica.beat())) await replica.start()
  })
  return {
    living: () => deps.store.requests.livingReplicas(instant(deps.clock.now() - RECENT_MS)),
    async stop() {
      await beating.stop()
      await replica.stop().catch((error: unknown) => deps.onFault('saying good-bye', error))
    },
  }
}
