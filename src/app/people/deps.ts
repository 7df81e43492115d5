import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { Store } from '../ports/store.ts'

/** What everything around people needs. Made in boot. */
export interface PeopleDeps {
  readonly store: Store
  /** Only for the teams that people stand in; undefined when the policy in force cannot be known. */
  readonly policy: () => Snapshot | undefined
}
