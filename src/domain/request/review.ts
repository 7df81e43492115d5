import type { GrantId, PrincipalId } from '../ids.ts'
import { accept, reject } from '../transition.ts'
import type { Transition } from '../transition.ts'
import type { Instant } from '../time.ts'
import { placeOf, stillEligible } from './eligibility.ts'
import type { Staff } from './eligibility.ts'
import { seat } from './quorum.ts'
import { approvers, longestGrant, placeGiven, whyUncapped } from './request.ts'
import type { AccessRequest, Review } from './request.ts'

export type ReviewRefusal =
  | 'not_pending'
  | 'expired'
  | 'self_review'
  | 'not_eligible'
  | 'already_reviewed'
  | 'changed'
  | 'words_required'
  | 'not_shorter'
  | 'not_fewer'
  | 'rows_required'
  | 'rows_not_counted'

/** What the world looks like at the moment of the review. */
export interface ReviewWorld {
  readonly staff: Staff
  /** People who proposed a change of documents while the request was open: none of their approvals counts. */
  readonly meddlers: ReadonlySet<PrincipalId>
  readonly now: Instant
  /** The name of the grant, should this review complete the request. */
  readonly grant: GrantId
}

/** Apply one review. One denial denies; the review that fills the last place approves. */
export function review(
  request: AccessRequest,
  given: Review,
  world: ReviewWorld,
): Transition<AccessRequest, ReviewRefusal> {
  const refusal = mayReview(request, given.by, given.verdict, world)
  if (refusal !== undefined) return reject(refusal)
  if (request.state !== 'pending') return reject('not_pending')
  if (given.digest !== request.digest) return reject('changed')
  const { state: _, ...common } = request
  const seats = stillEligible(request, world.staff, world.meddlers)
  const place = placeOf(request, given.by, seats, world)
  const reviews = [...request.reviews, place === undefined || place === given.by ? given : { ...given, for: place }]

  if (given.verdict === 'deny') {
    const words = given.words?.trim()
    if (words === undefined || words === '') return reject('words_required')
    return accept({ ...common, reviews, state: 'denied', by: given.by, words, at: world.now })
  }
  if (given.atMost !== undefined && !(given.atMost > 0 && given.atMost <= longestGrant(request)))
    return reject('not_shorter')
  const rows = wrongRows(request, given.rowsAtMost)
  if (rows !== undefined) return reject(rows)

  return seat(seats, approvers(reviews)).complete
    ? accept({ ...common, reviews, state: 'approved', grant: world.grant, at: world.now })
    : accept({ ...request, reviews })
}

/** A number of rows is never more than the rules', is there where they could not say one, and is enforced or refused. */
function wrongRows(request: AccessRequest, rows: number | undefined): ReviewRefusal | undefined {
  const uncapped = whyUncapped(request.subject) !== undefined
  if (rows === undefined) return !uncapped && request.rowCap?.needsNumber === true ? 'rows_required' : undefined
  if (uncapped) return 'rows_not_counted'
  const most = request.rowCap?.rows ?? Number.MAX_SAFE_INTEGER
  return Number.isSafeInteger(rows) && rows > 0 && rows <= most ? undefined : 'not_fewer'
}

/** Why this person could not give this verdict now; undefined when they could. Also what disables a button. */
export function mayReview(
  request: AccessRequest,
  by: PrincipalId,
  verdict: Review['verdict'],
  world: Pick<ReviewWorld, 'staff' | 'meddlers' | 'now'>,
): ReviewRefusal | undefined {
  if (by === request.requester) return 'self_review'
  if (request.state !== 'pending') return 'not_pending'
  if (world.now >= request.expiresAt) return 'expired'
  // A denial takes nothing from anybody that they should have: whoever was asked may give it, meddler or not.
  const meddlers: ReadonlySet<PrincipalId> = verdict === 'approve' ? world.meddlers : new Set()
  const seats = stillEligible(request, world.staff, meddlers)
  const place = placeOf(request, by, seats, { ...world, meddlers })
  if (place === undefined) return by === request.sponsor ? 'self_review' : 'not_eligible'
  // A place is one person's, whoever answers for them.
  if (request.reviews.some((r) => r.by === by || placeGiven(r) === place)) return 'already_reviewed'
  return undefined
}
