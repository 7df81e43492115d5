import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Store } from '../ports/store.ts'
import type { Wake } from '../ports/wake.ts'

/** What reading the record and recording refusals need. Made in boot. */
export interface RecordDeps {
  readonly store: Store
  readonly wake: Wake
  /** Says which resources the reader owns; undefined counts as none. */
  readonly policy: () => Snapshot | undefined
  readonly log: (message: string) => void
}
