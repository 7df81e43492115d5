import type { RequestId } from '../../domain/ids.ts'
import { expire } from '../../domain/request/close.ts'
import type { Staff } from '../../domain/request/eligibility.ts'
import { dueSteps } from '../../domain/request/waiting.ts'
import type { Store } from '../ports/store.ts'
import { requestEscalated, requestNudged } from './entries.ts'
import { settle } from './steps.ts'
import { handOn } from './waiting.ts'
import { announce } from '../webhooks/announce.ts'

/**
 * Everything that is due of a pending request, each once over all processes: a second call finds it done. What a
 * request adds to who may answer was fixed when it was opened.
 */
export async function takeSteps(
  deps: { readonly store: Store; readonly policy: () => Staff | undefined },
  id: RequestId,
): Promise<void> {
  await deps.store.transaction(async (tx) => {
    const request = await tx.requests.lockRequest(id)
    if (request?.state !== 'pending') return
    const expired = expire(request, tx.now)
    if (expired.ok) {
      await settle(tx, expired.value)
      return
    }
    for (const step of dueSteps(request, tx.now)) {
      if (!(await tx.waiting.takeStep(id, step.number, tx.now))) continue
      const escalation = step.kind === 'nudge' ? undefined : request.escalations?.[step.number - 1]
      if (escalation === undefined) {
        await tx.record.append(requestNudged(request))
        await announce(tx, request, 'request.nudged')
        continue
      }
      await tx.record.append(requestEscalated(request, escalation))
      await announce(tx, request, 'request.escalated', { mark: String(step.number), to: escalation.eligible })
      // Whoever of them is away has said who answers for them.
      const staff = deps.policy()
      const widened = await tx.requests.lockRequest(id)
      if (staff !== undefined && widened !== undefined) await handOn(tx, widened, escalation.eligible, staff)
    }
  })
}
