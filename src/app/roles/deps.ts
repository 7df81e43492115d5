import type { CredentialSource } from '../../domain/profile/profile.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Store } from '../ports/store.ts'
import type { TargetRoles } from '../ports/target-roles.ts'
import type { Result } from '../result.ts'

/** What making and removing roles needs. Made in boot. */
export interface RoleDeps {
  readonly store: Store
  readonly clock: Clock
  readonly roles: TargetRoles
  /** Absent where nothing waits for a checkpoint. */
  readonly ledger?: Ledger
  readonly readCredential: (source: CredentialSource) => Promise<Result<string, 'target_unreachable'>>
  readonly onFault: (what: string, error: unknown) => void
}
