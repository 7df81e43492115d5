import type { Grant } from '../../domain/grant/grant.ts'
import type { GatewayDeps } from './deps.ts'

/**
 * Waits until checkpoints cover what made these grants, and what extended them. At once where that was so before.
 * @throws LedgerUnavailable
 */
export const grantsCovered = (
  { ledger }: Pick<GatewayDeps, 'ledger'>,
  grants: readonly Pick<Grant, 'id' | 'expiresAt'>[],
): Promise<void> =>
  ledger.coveredAbout(grants.map(({ id, expiresAt }) => ({ subject: `grant/${id}`, version: String(expiresAt) })))
