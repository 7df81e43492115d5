import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { CredentialSource } from '../../domain/profile/profile.ts'
import type { Clock } from '../ports/clock.ts'
import type { Store } from '../ports/store.ts'
import type { TargetControl } from '../ports/target.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { TargetRoles } from '../ports/target-roles.ts'
import type { Timer } from '../ports/timer.ts'
import type { Wake } from '../ports/wake.ts'
import type { Result } from '../result.ts'

/** What the reconciler needs. Made in boot. */
export interface ReconcilerDeps {
  readonly store: Store
  readonly clock: Clock
  readonly wake: Wake
  readonly timer: Timer
  readonly policy: () => Snapshot | undefined
  readonly target: Pick<TargetControl, 'terminate' | 'isGone'>
  readonly roles: TargetRoles
  /** How often each target is looked at for what no grant stands for; 30 s when left out. */
  readonly inventoryEveryMs?: number
  /** What is made on a target waits for it; what is removed never does. */
  readonly ledger?: Ledger
  readonly readCredential: (source: CredentialSource) => Promise<Result<string, 'target_unreachable'>>
  readonly onFault: (what: string, error: unknown) => void
  /** One line for whoever runs this: a target is away, or back. */
  readonly say: (message: string) => void
}
