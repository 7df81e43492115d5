import { endSession } from '../gateway/sessions.ts'
import { instant } from '../../domain/time.ts'
import type { ReconcilerDeps } from './deps.ts'

/** Silence of a process after which the others take it for dead. */
const SILENCE_MS = 5_000
const BATCH = 500

/**
 * Processes whose heartbeat stopped: their row ends first, once and for ever, and only then their sessions, so that
 * a process which was merely asleep can start nothing meanwhile (`start` needs an open session). A crash of the
 * burying process in between is found by the next pass of any other.
 */
export async function buryReplicas({ store }: ReconcilerDeps): Promise<void> {
  await store.transaction(async (tx) => {
    for (const id of await tx.requests.endSilentReplicas(instant(tx.now - SILENCE_MS), tx.now, BATCH))
      await tx.record.append({ kind: 'replica.died', subject: `replica/${id}`, body: { replica: id } })
  })
  for (const replica of await store.requests.endedReplicasWithSessions())
    for (const session of await store.requests.openSessionsOfReplica(replica, BATCH))
      await endSession(store, session, 'gateway_died')
}
