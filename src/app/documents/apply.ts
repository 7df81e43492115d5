import { hasErrors } from '../../domain/policy/finding.ts'
import { describeWhole } from '../../domain/policy/difference.ts'
import type { Document } from '../../domain/policy/documents.ts'
import { eligible } from '../../domain/request/eligibility.ts'
import type { Requirement } from '../../domain/policy/decision.ts'
import type { PolicySnapshot } from '../../domain/policy/build-snapshot.ts'
import type { App, Applied, Caller, Difference } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { ownedBy } from '../requests/access.ts'
import { openChange } from '../requests/open-change.ts'
import { done, refuse, type Result } from '../result.ts'
import { inForce, outOfScope, type DocumentDeps } from './deps.ts'
import { loadFiles } from './load-files.ts'
import { notesFor } from './notes.ts'
import { firstError, propose, type Proposed } from './proposed.ts'
import { revise, toChanges } from './revise.ts'
import type { TargetAccounts } from './target-accounts.ts'

type ApplyOptions = Parameters<App['applyDocuments']>[2]
type Outcome = { readonly applied: Applied; readonly documents: readonly Document[] }

const LONGEST_REASON = 2_000

/**
 * Put files in force. An administrator needs another administrator's agreement, and so do those who may only propose:
 * owners, agents, machines. While there is one administrator only, their change applies at once and is marked
 * unreviewed. All or nothing: on any error the revision in force stays.
 */
export const applyDocuments =
  (deps: DocumentDeps & { readonly accounts: TargetAccounts }): App['applyDocuments'] =>
  async (caller, files, options) => {
    const narrow = outOfScope(caller, 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const rank = rankOf(caller, snapshot)
    if (rank === 'none')
      return refuse(
        'not_permitted',
        'documents are changed by administrators, and proposed by owners, agents and machines',
      )
    if ((options.reason?.length ?? 0) > LONGEST_REASON)
      return refuse('invalid_input', `a reason has at most ${LONGEST_REASON} characters`)
    const loaded = await loadFiles(deps, files)
    if (hasErrors(loaded.findings)) return refuse('documents_invalid', firstError(loaded.findings))
    // Dies here or before the commit: nothing changed. After it: the revision is in force, and every keeper reads it.
    const outcome = await deps.store.transaction(async (tx): Promise<Result<Outcome>> => {
      const base = await tx.documents.lockRevision()
      if (options.base !== undefined && options.base !== base)
        return refuse('stale_base', `revision ${base} is in force`)
      const proposed = await propose(tx, base, loaded, options.prune)
      if (hasErrors(proposed.findings)) return refuse('documents_invalid', firstError(proposed.findings))
      if (proposed.changes.length === 0) return done({ applied: { kind: 'unchanged', revision: base }, documents: [] })
      const applied = await settle(tx, caller, rank, snapshot, proposed, options)
      return applied.ok ? done({ applied: applied.value, documents: proposed.documents }) : applied
    })
    if (!outcome.ok) return outcome
    const { applied, documents } = outcome.value
    if (applied.kind !== 'applied') return done(applied)
    await deps.keeper.refresh()
    return done({ ...applied, notes: await notesFor(deps, applied.difference.changes, documents, caller.principal.id) })
  }

type Rank = 'administrator' | 'proposer' | 'none'

/** Requesters, reviewers and auditors change nothing; whoever owns a resource may propose. */
function rankOf(caller: Caller, snapshot: PolicySnapshot): Rank {
  const { kind, roles } = caller.principal
  if (kind !== 'user') return 'proposer'
  if (roles.includes('admin')) return 'administrator'
  return !roles.includes('auditor') && ownedBy(caller, snapshot).length > 0 ? 'proposer' : 'none'
}

const ADMINISTRATOR: Requirement = {
  key: 'role:admin',
  pool: { kind: 'role', role: 'admin' },
  count: 1,
  distinct: true,
  rules: [],
}

async function settle(
  tx: Tx,
  caller: Caller,
  rank: Rank,
  snapshot: PolicySnapshot,
  proposed: Proposed,
  options: ApplyOptions,
): Promise<Result<Applied>> {
  const { base, changes, documents, findings } = proposed
  const difference: Difference = { base, changes, findings }
  // INVARIANT: locked, so that none of them stops being one between this look and the commit.
  const administrators = await tx.people.lockHolders('admin')
  const people = await tx.people.list()
  const alone = rank === 'administrator' && administrators.every((id) => id === caller.principal.id)
  if (alone) {
    const revision = await revise(tx, {
      base,
      changes,
      documents,
      by: caller.principal.id,
      unreviewed: true,
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    })
    return done({ kind: 'applied', revision, difference, notes: [] })
  }
  const staff = { teams: snapshot.teams, people: new Map(people.map((person) => [person.id, person])) }
  const asking = {
    requester: caller.principal.id,
    ...(caller.principal.sponsor === undefined ? {} : { sponsor: caller.principal.sponsor }),
  }
  if (eligible(ADMINISTRATOR, asking, staff).length === 0)
    return refuse('not_permitted', 'there is no administrator who could agree to it')
  const rows = toChanges(changes, documents)
  const request = await openChange(tx, caller, {
    base,
    summary: changes.flatMap(describeWhole),
    documents: rows,
    staff,
    requirements: [ADMINISTRATOR],
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  })
  await tx.documents.insertProposal(request.id, { base, changes: rows })
  return done({ kind: 'held', request: request.id, difference })
}
