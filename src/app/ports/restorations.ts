import type { PrincipalId, ResourceName } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import type { TokenInfo } from '../app.ts'

/**
 * A store that was put back from a backup, until everything that the backup believed open has been ended and every
 * target has confirmed it (I13).
 */
export interface Restoration {
  readonly number: number
  /** When the backup was made. */
  readonly backupAt: Instant
  /** API tokens of the backup go on. */
  readonly keepTokens: boolean
  /** What the backup believed open has been ended in the store. */
  readonly ended: boolean
  /** Every target was asked once. */
  readonly opened: boolean
}

/** What a restored store needs. */
export interface RestorationStore {
  /** Those that are not dealt with to their end, the newest first. */
  unsettled(): Promise<readonly Restoration[]>
  /**
   * Resources whose target has not confirmed yet that access from before is gone: a grant that has not ended, a session
   * whose backend nobody has seen gone, or roles of single grants that nobody has looked for.
   */
  unconfirmed(restoration: number): Promise<readonly ResourceName[]>
  /** Everybody in whose place somebody answers. */
  delegating(): Promise<readonly PrincipalId[]>
  /** Revokes every live token of these kinds; how many there were. */
  revokeTokens(kinds: readonly TokenInfo['kind'][], now: Instant): Promise<number>
  /** What the newest restoration that could not go on with the log before it adds to the log's name. */
  log(): Promise<string | undefined>
  /** False when somebody else has noted it before. */
  noteEnded(restoration: number, now: Instant): Promise<boolean>
  noteOpened(restoration: number, now: Instant): Promise<boolean>
  noteSettled(restoration: number, now: Instant): Promise<boolean>
}
