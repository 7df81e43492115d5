import { endSession } from '../gateway/sessions.ts'
import type { Instant } from '../../domain/time.ts'
import { instant } from '../../domain/time.ts'
import type { ReconcilerDeps } from './deps.ts'
import { SILENCE_MS } from './replica.ts'

const BATCH = 500
/** After the store did not answer here, the others have so many more looks to be heard again. */
const LOOKS_AFTER_DEAFNESS = 8

export interface Burying {
  /** Listen for heartbeats: once a second, and never more often. */
  listen(): Promise<void>
  /** End what dead processes left. */
  pass(): Promise<void>
}

/**
 * Processes whose heartbeat stopped: their row ends first, once and for ever, and only then their sessions, so that
 * a process which was merely asleep can start nothing meanwhile (`start` needs an open session). A crash of the
 * burying process in between is found by the next pass of any other.
 *
 * Silence is measured by the database's clock *and* heard twice, a second apart, with no beat between: a clock that
 * jumps forward makes everybody look silent for a moment, and nobody dead. A store that was away made everybody silent:
 * whoever listens gives the others time to come back.
 */
export function createBurying({ store, clock }: Pick<ReconcilerDeps, 'store' | 'clock'>): Burying {
  let heard = new Map<string, Instant>()
  let deaf = 0
  let dead: readonly { readonly id: string; readonly heartbeatAt: Instant }[] = []
  return {
    async listen() {
      // Until it is answered: a look that fails leaves it so.
      const patience = deaf
      deaf = LOOKS_AFTER_DEAFNESS
      const silent = await store.requests.silentReplicas(instant(clock.now() - SILENCE_MS), BATCH)
      deaf = Math.max(0, patience - 1)
      dead = deaf > 0 ? [] : silent.filter(({ id, heartbeatAt }) => heard.get(id) === heartbeatAt)
      heard = new Map(silent.map(({ id, heartbeatAt }) => [id, heartbeatAt]))
    },
    async pass() {
      for (const { id, heartbeatAt } of dead)
        await store.transaction(async (tx) => {
          if (!(await tx.requests.endSilentReplica(id, heartbeatAt, tx.now))) return
          await tx.record.append({ kind: 'replica.died', subject: `replica/${id}`, body: { replica: id } })
        })
      dead = []
      for (const replica of await store.requests.endedReplicasWithSessions())
        for (const session of await store.requests.openSessionsOfReplica(replica, BATCH))
          await endSession(store, session, 'gateway_died')
    },
  }
}
