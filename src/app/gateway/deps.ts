import type { CredentialSource } from '../../domain/profile/profile.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { GatewayVerifiers } from '../ports/gateway.ts'
import type { Store } from '../ports/store.ts'
import type { TargetRoles } from '../ports/target-roles.ts'
import type { Timer } from '../ports/timer.ts'
import type { Wake } from '../ports/wake.ts'
import type { Result } from '../result.ts'
import type { PolicyDeps } from '../requests/with-policy.ts'
import type { Gate } from '../restore/gate.ts'
import type { Replica } from '../reconcile/replica.ts'

/** What the gateways' side of the application needs. Made in boot. */
export interface GatewayDeps extends PolicyDeps {
  /** The store for looking which sessions must end: never behind what clients ask for. The same one when absent. */
  readonly vital?: Store
  readonly clock: Clock
  readonly wake: Wake
  /** What an effect waits for. */
  readonly ledger: Ledger
  readonly timer: Timer
  readonly gate: Pick<Gate, 'closed'>
  readonly verifiers: (user: string) => Promise<GatewayVerifiers>
  /** The password from wherever the profile says; a refusal in words, never with the value. */
  readonly readCredential: (source: CredentialSource) => Promise<Result<string, 'target_unreachable'>>
  readonly roles: Pick<TargetRoles, 'open' | 'shut' | 'lend'>
  readonly replica: Pick<Replica, 'id'>
  readonly baseUrl: () => string
  /** Something went wrong where nobody waits for an answer. */
  readonly onFault: (what: string, error: unknown) => void
}
