import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Store } from '../ports/store.ts'

/** What reading the ledger and erasing from it need. Made in boot. */
export interface LedgerUseDeps {
  readonly store: Store
  /** Says which resources the reader owns; undefined counts as none. */
  readonly policy: () => Snapshot | undefined
  /** The log's name. */
  readonly origin: string
}
