import { parseRequestId } from '../../domain/ids.ts'
import type { Digest } from '../../domain/ids.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { voidRequest } from '../../domain/request/close.ts'
import { stillEligible } from '../../domain/request/eligibility.ts'
import { howDecided } from '../../domain/request/how-decided.ts'
import { capWords } from '../../domain/policy/row-cap.ts'
import { whyUncapped } from '../../domain/request/request.ts'
import type { AccessRequest, Review } from '../../domain/request/request.ts'
import { review } from '../../domain/request/review.ts'
import type { App, Caller, RequestView } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import { outOfScope, sees } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { reviewGiven } from './entries.ts'
import { findRequest } from './find.ts'
import { endGrant, extendFor, grantFor, settle } from './steps.ts'
import { meddlersOf, viewOf } from './view.ts'
import { withPolicy } from './with-policy.ts'
import { whyVoid } from './decide-again.ts'

const LONGEST_WORDS = 2_000

/** One person's answer to exactly what they were shown. The answer that fills the last place makes the grant, in the same transaction. */
export const reviewRequest =
  (deps: RequestDeps): App['review'] =>
  async (caller, id, input) => {
    const narrow = outOfScope(caller, 'review')
    if (narrow !== undefined) return narrow
    if (parseRequestId(id) === undefined) return refuse('not_found')
    if (input.words !== undefined && input.words.length > LONGEST_WORDS)
      return refuse('invalid_input', `words have at most ${LONGEST_WORDS} characters`)
    if (input.atMost !== undefined && !(Number.isSafeInteger(input.atMost) && input.atMost >= 1_000))
      return refuse('invalid_input', 'the shorter time must be at least one second')
    if (input.rowsAtMost !== undefined && !(Number.isSafeInteger(input.rowsAtMost) && input.rowsAtMost >= 1))
      return refuse('invalid_input', 'the number of rows must be a whole number from 1')
    const given = await withPolicy(deps, (tx, snapshot) => giveReview(deps, tx, caller, id, input, snapshot))
    return given === undefined ? refuse('policy_unavailable') : given.value
  }

async function giveReview(
  deps: RequestDeps,
  tx: Tx,
  caller: Caller,
  id: string,
  input: Parameters<App['review']>[2],
  snapshot: Snapshot,
): Promise<Result<RequestView>> {
  const found = await findRequest(deps, tx, caller, id)
  if (found === undefined) return refuse('not_found')
  const { request } = found
  const words = input.words?.toWellFormed().replaceAll('\0', '').trim()
  const given: Review = {
    by: caller.principal.id,
    verdict: input.verdict,
    digest: input.digest as Digest,
    at: tx.now,
    ...(words === undefined || words === '' ? {} : { words }),
    ...(input.atMost === undefined ? {} : { atMost: input.atMost }),
    ...(input.rowsAtMost === undefined ? {} : { rowsAtMost: input.rowsAtMost }),
  }
  const staff = snapshot
  const meddlers = await meddlersOf(tx, request)
  const grant = request.subject.kind === 'extension' ? request.subject.grant : await tx.requests.nextGrant()
  const reviewed = review(request, given, { staff, meddlers, now: tx.now, grant })
  if (!reviewed.ok) {
    const told = reviewed.refusal === 'not_pending' && sees(found.where) === 'all'
    return refuse(reviewed.refusal, told ? howDecided(request) : rowsDetail(reviewed.refusal, request))
  }
  if (given.verdict === 'approve' && snapshot.revision > request.revision) {
    // What was shown may rest on documents that are not in force any more; then it is void, and nobody has approved it.
    const why = await whyVoid(tx, request, snapshot)
    if (why !== undefined) {
      await voidNow(tx, request, why)
      return refuse('changed', why)
    }
  }

  let settled = reviewed.value
  await tx.record.append(reviewGiven(request, settled.reviews.at(-1) ?? given))
  if (settled.state === 'pending') await tx.requests.moveRequest(settled)
  else {
    await settle(tx, settled, caller.principal.id)
    if (settled.state === 'approved') settled = await takeEffect(deps, tx, settled, caller, { staff, meddlers })
  }
  const view = await viewOf(deps, tx, caller, settled, tx.now)
  return view === undefined ? refuse('not_found') : done(view)
}

function rowsDetail(refusal: string, request: AccessRequest): string | undefined {
  if (refusal === 'not_fewer' && request.rowCap !== undefined) return `${request.id}: ${capWords(request.rowCap)}`
  return refusal === 'rows_not_counted' ? whyUncapped(request.subject) : undefined
}

/** What an approval does: a grant, a longer grant, or documents in force. */
async function takeEffect(
  deps: RequestDeps,
  tx: Tx,
  request: Extract<AccessRequest, { state: 'approved' }>,
  caller: Caller,
  by: { readonly staff: Snapshot; readonly meddlers: Awaited<ReturnType<typeof meddlersOf>> },
): Promise<AccessRequest> {
  const actor = caller.principal.id
  switch (request.subject.kind) {
    case 'extension': {
      const longer = await extendFor(tx, request, actor)
      if (longer !== undefined) return request
      return voidNow(tx, request, `${request.grant} ended before it could be extended`)
    }
    case 'change': {
      const applied = await deps.applyApproved(tx, request)
      if (!applied.ok) return voidNow(tx, request, applied.detail ?? 'the documents changed since it was proposed')
      const used = await grantFor(tx, request, request.requirements, actor)
      await endGrant(tx, used.id, 'completed')
      return request
    }
    case 'statement':
    case 'connect':
    case 'window': {
      const counted = stillEligible(request, by.staff, by.meddlers)
      await grantFor(tx, request, counted, actor, by.staff.resources.get(request.resource))
      return request
    }
    default:
      return request.subject satisfies never
  }
}

async function voidNow(tx: Tx, request: AccessRequest, why: string): Promise<AccessRequest> {
  const void_ = voidRequest(request, why, tx.now)
  return void_.ok ? settle(tx, void_.value) : request
}
