import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Store, Tx } from '../ports/store.ts'

export interface PolicyDeps {
  readonly store: Store
  /** The policy in force, at most 2 s old; undefined in doubt, and then nothing is opened, approved or started. */
  readonly policy: () => Snapshot | undefined
  /** Read it now: the store has a newer revision than `policy` gave. */
  readonly refreshPolicy: () => Promise<void>
}

const TRIES = 3

/**
 * Runs `work` in a transaction with exactly the revision that is in force in that transaction, where the policy in
 * memory may be up to two seconds behind. Undefined when it cannot be had: then nothing was done.
 */
export async function withPolicy<T>(
  deps: PolicyDeps,
  work: (tx: Tx, snapshot: Snapshot) => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    // A process that slept, or whose store was away a moment ago, need not wait for its next look.
    if (deps.policy() === undefined) await deps.refreshPolicy()
    const snapshot = deps.policy()
    if (snapshot === undefined) return undefined
    const done = await deps.store.transaction(async (tx) =>
      (await tx.documents.currentRevision()) > snapshot.revision ? undefined : { value: await work(tx, snapshot) },
    )
    if (done !== undefined) return done
    await deps.refreshPolicy()
  }
  return undefined
}
