import type { Grant } from '../../domain/grant/grant.ts'
import type { PrincipalId } from '../../domain/ids.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { stillEligible } from '../../domain/request/eligibility.ts'
import type { ReviewAfterwards } from '../../domain/request/divergence.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { whyUnanswerable } from '../../domain/request/requirement-words.ts'
import { mayReview } from '../../domain/request/review.ts'
import type { Instant } from '../../domain/time.ts'
import type { Caller, RequestView } from '../app.ts'
import type { Aggregates } from '../ports/store.ts'
import type { Refusal } from '../refusals.ts'
import { mayAcknowledge, mayRevoke, mayWithdraw, outOfScope, ownedBy, sees, standing } from './access.ts'
import type { Standing } from './access.ts'
import type { RequestDeps } from './deps.ts'

type Reading = Pick<Aggregates, 'requests' | 'documents'>

/** The requests as this caller may see them, in the same order; those that they may not see are left out. */
export async function viewsOf(
  deps: Pick<RequestDeps, 'policy' | 'baseUrl'>,
  from: Reading,
  caller: Caller,
  requests: readonly AccessRequest[],
  now: Instant,
): Promise<readonly RequestView[]> {
  const snapshot = deps.policy()
  const owned = ownedBy(caller, snapshot)
  const grants = await grantsByRequest(from, requests)
  const ids = requests.map((r) => r.id)
  const executions = new Map((await from.requests.executionsOf(ids)).map((one) => [one.request, one]))
  const owed = await from.requests.reviewsAfterwards(ids)
  const views: RequestView[] = []
  for (const request of requests) {
    const where = standing(caller, request, owned)
    const sight = sees(where)
    if (sight === 'nothing') continue
    const grant = grants.get(request.id)
    const execution = executions.get(request.id)
    const afterwards = owed.get(request.id)
    views.push({
      request,
      ...(grant === undefined ? {} : { grant }),
      ...(execution === undefined ? {} : { execution }),
      ...(afterwards === undefined ? {} : { afterwards }),
      url: `${deps.baseUrl()}/r/${request.id}`,
      ...(sight === 'metadata' ? { metadataOnly: true as const } : {}),
      ...unanswerableOf(request, snapshot),
      may: await whatMayBeDone(from, { caller, request, grant, afterwards, where, snapshot, now }),
    })
  }
  return views
}

/** The one view; undefined when the caller may not see it. */
export const viewOf = async (
  deps: Pick<RequestDeps, 'policy' | 'baseUrl'>,
  from: Reading,
  caller: Caller,
  request: AccessRequest,
  now: Instant,
): Promise<RequestView | undefined> => (await viewsOf(deps, from, caller, [request], now))[0]

/** By the people and teams of now, of whom those count who could answer when it was opened. */
function unanswerableOf(request: AccessRequest, snapshot: Snapshot | undefined): Pick<RequestView, 'unanswerable'> {
  if (request.state !== 'pending' || snapshot === undefined) return {}
  const requirements = stillEligible(request, snapshot, new Set())
  const unanswerable = whyUnanswerable(requirements, snapshot)
  return unanswerable === undefined ? {} : { unanswerable }
}

/** An extension's grant is the one that it moves. */
async function grantsByRequest(from: Reading, requests: readonly AccessRequest[]): Promise<ReadonlyMap<string, Grant>> {
  const source = new Map(requests.map((r) => [r.id, r.subject.kind === 'extension' ? r.subject.of : r.id]))
  const grants = await from.requests.grantsOf([...new Set(source.values())])
  const found = new Map(grants.map((g) => [g.request, g]))
  return new Map(
    [...source].flatMap(([id, of]) => {
      const grant = found.get(of)
      return grant === undefined ? [] : [[id, grant] as const]
    }),
  )
}

interface Doing {
  readonly caller: Caller
  readonly request: AccessRequest
  readonly grant: Grant | undefined
  readonly afterwards: ReviewAfterwards | undefined
  readonly where: Standing
  readonly snapshot: Snapshot | undefined
  readonly now: Instant
}

/** Each action, or why not: what enables a button, and explains a disabled one. The use cases ask the same questions. */
async function whatMayBeDone(from: Reading, doing: Doing): Promise<RequestView['may']> {
  const { request, grant, where, now } = doing
  const live = grant?.state === 'active' && now < grant.expiresAt
  const ended = !live
  const check = (permitted: boolean, wrong: Refusal | undefined): true | Refusal =>
    permitted ? (wrong ?? true) : 'not_permitted'
  const { kind } = request.subject
  return {
    approve: await reviewable(from, doing, 'approve'),
    deny: await reviewable(from, doing, 'deny'),
    withdraw: check(mayWithdraw(where), request.state === 'pending' ? undefined : 'not_pending'),
    retry: check(
      where.requester && !where.auditor,
      kind !== 'window' && kind !== 'extension'
        ? 'not_retryable'
        : request.state === 'pending'
          ? 'already_exists'
          : undefined,
    ),
    extend: check(where.requester, ended ? 'not_active' : grant.scope === 'window' ? undefined : 'scope_not_allowed'),
    done: check(where.requester, ended ? 'not_active' : undefined),
    revoke: check(mayRevoke(where), ended ? 'not_active' : undefined),
    acknowledge:
      doing.afterwards === undefined
        ? 'not_divergent'
        : check(
            mayAcknowledge(doing.caller, request, doing.afterwards),
            doing.afterwards.acknowledged === undefined ? undefined : 'acknowledged',
          ),
  }
}

async function reviewable(from: Reading, doing: Doing, verdict: 'approve' | 'deny'): Promise<true | Refusal> {
  const { caller, request, snapshot, now } = doing
  if (request.requester === caller.principal.id) return 'self_review'
  if (request.state !== 'pending') return 'not_pending'
  if (outOfScope(caller, 'review') !== undefined) return 'scope_too_narrow'
  if (snapshot === undefined) return 'policy_unavailable'
  const meddlers = await meddlersOf(from, request)
  return mayReview(request, caller.principal.id, verdict, { staff: snapshot, meddlers, now }) ?? true
}

/** More revisions than this within the life of one request mean that it was voided long ago. */
const MOST_REVISIONS = 200

/**
 * Whoever proposed a change of documents while the request was open, agreed to one or put one in force: they could have
 * made themselves eligible, or the decision weaker, so their approvals do not count (the access table's last line). What
 * the change is about is not asked: a team, a rule and a profile each reach further than their own name. Changes of documents are not decided
 * by documents, so proposing one says nothing about another.
 */
export async function meddlersOf(from: Reading, request: AccessRequest): Promise<ReadonlySet<PrincipalId>> {
  if (request.subject.kind === 'change') return new Set()
  const changed = await from.requests.changersSince(request.openedAt)
  const revisions = await from.documents.listRevisions(undefined, MOST_REVISIONS)
  return new Set([...changed, ...revisions.filter((r) => r.at >= request.openedAt).map((r) => r.by)])
}
