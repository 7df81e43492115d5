import { askedOf } from '../../domain/request/eligibility.ts'
import type { EventType } from '../../domain/request/event-types.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Tx } from '../ports/store.ts'

/**
 * Tells every webhook that listens, once the transaction has committed. What is told are facts: never a statement, a
 * reason or anybody's words.
 * @param mark tells apart what may happen to one request more than once.
 */
export async function announce(
  tx: Tx,
  request: AccessRequest,
  type: EventType,
  { mark, ...more }: { readonly mark?: string } & Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const listening = await tx.webhooks.listening(type)
  const facts = {
    request: request.id,
    state: request.state,
    kind: request.subject.kind,
    requester: request.requester,
    sponsor: request.sponsor,
    resource: request.resource,
    verbs: request.verbs,
    rules: request.rules,
    digest: request.digest,
    asked: askedOf(request),
    openedAt: request.openedAt,
    expiresAt: request.expiresAt,
    by: request.reviews.map((review) => review.by),
    ...more,
  }
  const event = [request.id, type.replace('.', '_'), ...(mark === undefined ? [] : [mark])].join('_')
  await tx.jobs.enqueue(
    listening.map((webhook) => ({
      queue: 'delivery' as const,
      data: { webhook, event, type, at: tx.now, subject: `request/${request.id}`, facts },
    })),
  )
}
