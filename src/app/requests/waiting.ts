import type { PrincipalId } from '../../domain/ids.ts'
import { askedOf, mayHandOn, mayStandIn } from '../../domain/request/eligibility.ts'
import type { Staff } from '../../domain/request/eligibility.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { stepsOf } from '../../domain/request/waiting.ts'
import type { Tx } from '../ports/store.ts'
import type { Delegation } from '../ports/waiting.ts'
import { announce } from '../webhooks/announce.ts'
import { requestHandedOn } from './entries.ts'

/*
 * What a request does while nobody answers it: it reminds, it asks others whom the rules name, it ends. Planned in the
 * transaction that opens it, done by whoever comes first: the job, or the reconciler when the job did not.
 */

/** In the transaction that opens it. */
export async function beginWaiting(tx: Tx, request: AccessRequest, staff: Staff): Promise<void> {
  const steps = stepsOf(request)
  const people = (number: number): readonly PrincipalId[] => request.escalations?.[number - 1]?.eligible ?? []
  await tx.waiting.planSteps(
    request.id,
    steps.map(({ number, at }) => ({ number, at, people: people(number) })),
  )
  await tx.jobs.enqueue(
    [...steps.map((step) => step.at), request.expiresAt].map((at) => ({
      queue: 'request-step' as const,
      data: { request: request.id },
      at,
    })),
  )
  await handOn(tx, request, mayHandOn(request), staff)
}

/** Whoever answers for one of `people` while they are away may answer this request for them. */
export async function handOn(
  tx: Tx,
  request: AccessRequest,
  people: readonly PrincipalId[],
  staff: Staff,
): Promise<void> {
  if (request.subject.kind === 'change' || people.length === 0) return
  for (const delegation of await tx.waiting.delegationsOf(people, tx.now)) await standIn(tx, request, delegation, staff)
}

/** False when they may not, or need not: who was asked answers for nobody else. */
export async function standIn(tx: Tx, request: AccessRequest, of: Delegation, staff: Staff): Promise<boolean> {
  if (request.state !== 'pending' || request.subject.kind === 'change') return false
  if (!mayHandOn(request).includes(of.person) || askedOf(request).includes(of.to)) return false
  if (!mayStandIn(of.to, request, staff)) return false
  if (!(await tx.waiting.insertStandIn(request.id, { person: of.to, for: of.person }, of.number))) return false
  await tx.record.append(requestHandedOn(request, of))
  await announce(tx, request, 'request.handed_on', { mark: of.to, for: of.person, to: [of.to] })
  return true
}
