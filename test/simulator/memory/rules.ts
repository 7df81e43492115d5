import type { Grant } from '../../../src/domain/grant/grant.ts'
import type { AccessRequest, Review } from '../../../src/domain/request/request.ts'
import { Refused } from './database.ts'

/** `legal_transition` (store/migrations/0003-requests.sql), stated once more. */
const LEGAL: ReadonlySet<string> = new Set([
  'request new pending',
  'request pending approved',
  'request pending denied',
  'request pending withdrawn',
  'request pending expired',
  'request pending voided',
  'request approved voided',
  'grant new provisioning',
  'grant new active',
  'grant provisioning active',
  'grant provisioning ending',
  'grant active ending',
  'grant ending ended',
])
const FINAL: ReadonlySet<string> = new Set(['denied', 'withdrawn', 'expired', 'voided'])

/** A step from a state to another. Staying is none. @throws for one that is not a row of `legal_transition`. */
export function step(machine: 'request' | 'grant', was: string, becomes: string): void {
  if (was !== becomes && !LEGAL.has(`${machine} ${was} ${becomes}`))
    throw new Refused(`${machine}: ${was} does not become ${becomes}`, '23503')
}

/** `check_review` */
export function checkReview(request: AccessRequest, asked: readonly string[], review: Review): void {
  if (request.state !== 'pending' || review.at >= request.expiresAt) throw new Refused(`${request.id} is not pending`)
  if (review.by === request.requester || !asked.includes(review.by))
    throw new Refused(`${review.by} may not review ${request.id}`)
  if (review.digest !== request.digest) throw new Refused(`the review is of something else than ${request.id}`)
  if (review.verdict === 'deny' && review.words === undefined) throw new Refused('a denial has words', '23514')
}

/** `keep_request` */
export function keepRequest(before: AccessRequest): void {
  if (FINAL.has(before.state)) throw new Refused(`${before.id} is ${before.state} and stays so`)
}

/** `keep_grant`, and the checks of the table. */
export function keepGrant(before: Grant, after: Grant, since: number | undefined): void {
  if (before.state === 'ended') throw new Refused(`${before.id} has ended and stays so`)
  const longer = after.expiresAt !== before.expiresAt
  if (longer && (before.state !== 'active' || after.state !== 'active' || after.expiresAt < before.expiresAt))
    throw new Refused('only a live grant is extended')
  if (after.expiresAt <= before.startsAt) throw new Refused('a grant ends after it begins', '23514')
  const why = after.state === 'ending' || after.state === 'ended' ? after.why : undefined
  if (before.state === 'ending' && why !== before.why) throw new Refused(`why ${before.id} ends never changes`)
  if ((why === undefined) !== (since === undefined)) throw new Refused('a grant says since when it ends', '23514')
}
