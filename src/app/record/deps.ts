import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Store } from '../ports/store.ts'
import type { Wake } from '../ports/wake.ts'

/** What reading the record and recording refusals need. Made in boot. */
export interface RecordDeps {
  readonly store: Store
  readonly wake: Wake
  /** Says which resources the reader owns; undefined counts as none, and a follower waits for it. */
  readonly policy: () => Snapshot | undefined
  /** Read it now: the store has a newer revision than `policy` gave. */
  readonly refreshPolicy: () => Promise<void>
  /** Signs cursors; at least 32 bytes, the same on every replica. */
  readonly cursorKey: Uint8Array
  readonly log: (message: string) => void
}
