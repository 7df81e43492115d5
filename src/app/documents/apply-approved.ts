import type { PrincipalId, Revision } from '../../domain/ids.ts'
import { checkSet } from '../../domain/policy/check-set.ts'
import { diffSets } from '../../domain/policy/difference.ts'
import { documentKey } from '../../domain/policy/documents.ts'
import { hasErrors } from '../../domain/policy/finding.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Tx } from '../ports/store.ts'
import { done, refuse, type Result } from '../result.ts'
import { firstError } from './proposed.ts'
import { revise } from './revise.ts'
import { readStored } from './stored.ts'

/**
 * Put an approved change in force, in the transaction of its last review. Checks everything anew: refuses `stale_base`
 * when another revision came between, `documents_invalid` when the set would not be valid any more.
 */
export async function applyApproved(tx: Tx, request: AccessRequest): Promise<Result<Revision>> {
  const proposal = await tx.documents.findProposal(request.id)
  if (proposal === undefined) return refuse('not_found', 'the proposed documents are not there')
  const base = await tx.documents.lockRevision()
  if (base !== proposal.base)
    return refuse('stale_base', `it was written for revision ${proposal.base}, and ${base} is in force`)
  const current = await readStored(await tx.documents.documentsAt(base))
  const gone = new Set(proposal.changes.remove.map(documentKey))
  const next = new Map(
    current.filter((document) => !gone.has(documentKey(document))).map((document) => [documentKey(document), document]),
  )
  for (const document of await readStored(proposal.changes.put)) next.set(documentKey(document), document)
  const documents = [...next.values()]
  const findings = checkSet(documents, await tx.people.list())
  if (hasErrors(findings)) return refuse('documents_invalid', firstError(findings))
  const by: readonly PrincipalId[] = request.reviews
    .filter((review) => review.verdict === 'approve')
    .map((review) => review.by)
  return done(
    await revise(tx, {
      base,
      changes: diffSets(current, documents),
      documents,
      by: request.requester,
      unreviewed: false,
      approved: { request: request.id, by },
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    }),
  )
}
