import { instant } from '../../domain/time.ts'
import type { Tx } from '../ports/store.ts'
import { endGrant, voidUnused } from '../requests/steps.ts'

const BATCH = 500
const FOR_EVER = instant(Number.MAX_SAFE_INTEGER)
/** What was given out in the moments that a standby may lack is not given out again. */
const NUMBERS_SKIPPED = 1_000

/**
 * Another server has taken over the database, and may lack what the last one acknowledged: a grant that it has for live
 * may have been revoked, an execution that it has for ready may have been started. So nothing of what was open goes on.
 * Every process counts as dead, cuts what it carries, and begins anew; what is left of sessions, with the executions
 * under way in them, is the reconciler's ordinary work. The rest is ended here.
 */
export async function settleFailover(tx: Tx, to: { readonly timeline: string; readonly was: string }): Promise<void> {
  await tx.requests.endAllReplicas(tx.now)
  await tx.requests.skipNumbers(NUMBERS_SKIPPED)
  for (;;) {
    const pending = await tx.requests.duePending(FOR_EVER, BATCH)
    for (const id of pending) {
      const request = await tx.requests.lockRequest(id)
      if (request !== undefined) await voidUnused(tx, request, 'another database server took over')
    }
    const grants = await tx.requests.dueGrants(FOR_EVER, BATCH)
    for (const id of grants) await endGrant(tx, id, 'revoked')
    if (pending.length + grants.length === 0) break
  }
  await tx.record.append({ kind: 'store.failed_over', subject: 'store', body: { timeline: to.timeline, was: to.was } })
}
