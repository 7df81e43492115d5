import { endSession } from '../gateway/sessions.ts'
import type { Instant } from '../../domain/time.ts'
import { instant } from '../../domain/time.ts'
import type { ReconcilerDeps } from './deps.ts'

/** Silence of a process after which the others take it for dead. */
const SILENCE_MS = 5_000
const BATCH = 500

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
 * jumps forward makes everybody look silent for a moment, and nobody dead.
 */
export function createBurying({ store, clock }: Pick<ReconcilerDeps, 'store' | 'clock'>): Burying {
  let heard = new Map<string, Instant>()
  let dead: readonly { readonly id: string; readonly heartbeatAt: Instant }[] = []
  return {
    async listen() {
      const silent = await store.requests.silentReplicas(instant(clock.now() - SILENCE_MS), BATCH)
      dead = silent.filter(({ id, heartbeatAt }) => heard.get(id) === heartbeatAt)
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
