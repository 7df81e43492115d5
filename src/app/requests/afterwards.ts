import { parseRequestId } from '../../domain/ids.ts'
import type { PrincipalId } from '../../domain/ids.ts'
import { approvedOf, divergences, LOOK_WITHIN, lookers } from '../../domain/request/divergence.ts'
import type { Done } from '../../domain/request/divergence.ts'
import { agreedRows } from '../../domain/request/request.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { App } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { done, refuse } from '../result.ts'
import { mayAcknowledge, outOfScope } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { acknowledged, reviewDue } from './entries.ts'
import { findRequest } from './find.ts'
import { viewOf } from './view.ts'

/** In the transaction that ends the run: where it differs from what was approved, a review afterwards is owed. */
export async function askAfterwards(
  tx: Tx,
  request: AccessRequest,
  result: Done,
  gone: (id: PrincipalId) => boolean = () => false,
): Promise<void> {
  if (request.subject.kind !== 'statement') return
  const why = divergences(approvedOf(request, agreedRows(request)), result)
  if (why.length === 0) return
  const owed = { why, asked: lookers(request, gone), dueAt: tx.now + LOOK_WITHIN }
  await tx.requests.insertReviewAfterwards(request.id, owed)
  await tx.record.append(reviewDue(request, owed))
}

const LONGEST_WORDS = 2_000

/** One of those who approved has looked at what was done, and says so. */
export const acknowledge =
  (deps: RequestDeps): App['acknowledge'] =>
  async (caller, id, input) => {
    const narrow = outOfScope(caller, 'review')
    if (narrow !== undefined) return narrow
    if (parseRequestId(id) === undefined) return refuse('not_found')
    const words = input.words.toWellFormed().replaceAll('\0', '').trim()
    if (words === '') return refuse('invalid_input', 'say in words what you saw')
    if (words.length > LONGEST_WORDS) return refuse('invalid_input', `words have at most ${LONGEST_WORDS} characters`)
    return deps.store.transaction(async (tx) => {
      const found = await findRequest(deps, tx, caller, id)
      if (found === undefined) return refuse('not_found')
      const { request } = found
      const owed = (await tx.requests.reviewsAfterwards([request.id])).get(request.id)
      if (owed === undefined) return refuse('not_divergent')
      if (!mayAcknowledge(caller, request, owed)) return refuse('not_permitted')
      if (!(await tx.requests.acknowledge(request.id, caller.principal.id, words, tx.now)))
        return refuse('acknowledged', owed.acknowledged && `by ${owed.acknowledged.by}`)
      await tx.record.append(acknowledged(request, caller.principal.id, words))
      const view = await viewOf(deps, tx, caller, request, tx.now)
      return view === undefined ? refuse('not_found') : done(view)
    })
  }
