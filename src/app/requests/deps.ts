import type { AccessRequest } from '../../domain/request/request.ts'
import type { Clock } from '../ports/clock.ts'
import type { Tx } from '../ports/store.ts'
import type { Result } from '../result.ts'
import type { PolicyDeps } from './with-policy.ts'

/** What everything around requests needs. Made in boot. */
export interface RequestDeps extends PolicyDeps {
  readonly clock: Clock
  /** Signs page cursors; at least 32 bytes, the same on every replica. */
  readonly cursorKey: Uint8Array
  /** Where the web application answers, without a slash at the end: `http://localhost:7400`. */
  readonly baseUrl: () => string
  /**
   * Puts an approved change of documents in force, in the transaction of the last review.
   * A refusal voids the request, with its detail as the reason.
   */
  readonly applyApproved: (tx: Tx, request: AccessRequest) => Promise<Result<unknown>>
}
