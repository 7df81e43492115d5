import { createHash } from 'node:crypto'
import { canonicalBytes } from '../../domain/canonical.ts'
import type { PrincipalId, RequestId, Revision } from '../../domain/ids.ts'
import { describeChange, type DocumentChange } from '../../domain/policy/difference.ts'
import { documentKey, type Document } from '../../domain/policy/documents.ts'
import type { DocumentChanges } from '../ports/documents.ts'
import type { Tx } from '../ports/store.ts'
import { toStored } from './stored.ts'

export interface Revising {
  readonly base: Revision
  readonly changes: readonly DocumentChange[]
  /** The whole set as it will be. */
  readonly documents: readonly Document[]
  readonly by: PrincipalId
  readonly unreviewed: boolean
  readonly reason?: string
  /** The request that allowed it, and who agreed. */
  readonly approved?: { readonly request: RequestId; readonly by: readonly PrincipalId[] }
}

/** Lines kept of a summary; what is cut is counted. Entries of the record stay small. */
const MOST_LINES = 200
const LONGEST_LINE = 200

function summarise(changes: readonly DocumentChange[]): readonly string[] {
  const lines = changes
    .flatMap(describeChange)
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…`.toWellFormed() : line))
  return lines.length <= MOST_LINES
    ? lines
    : [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more lines`]
}

/** The rows that turn the base into the new set. */
export function toChanges(changes: readonly DocumentChange[], documents: readonly Document[]): DocumentChanges {
  const byKey = new Map(documents.map((document) => [documentKey(document), document]))
  return {
    put: changes.flatMap((change) => {
      const document = byKey.get(documentKey(change))
      return document === undefined ? [] : [toStored(document)]
    }),
    remove: changes.filter((change) => change.change === 'removed').map(({ kind, name }) => ({ kind, name })),
  }
}

/**
 * Put a checked set in force as the next revision, in the transaction that holds the lock on revisions.
 * INVARIANT: the entries stand in the same transaction, one for the revision and one for each document, so that a
 * profile's timeline shows its change.
 */
export async function revise(tx: Tx, revising: Revising): Promise<Revision> {
  const { base, changes, by, unreviewed, reason, approved } = revising
  const revision = (base + 1) as Revision
  const summary = summarise(changes)
  await tx.documents.insertRevision(
    {
      revision,
      at: tx.now,
      by,
      summary,
      unreviewed,
      ...(reason === undefined ? {} : { reason }),
      ...(approved === undefined ? {} : { request: approved.request }),
    },
    toChanges(changes, revising.documents),
  )
  const byKey = new Map(revising.documents.map((document) => [documentKey(document), document]))
  for (const change of changes) {
    const body = byKey.get(documentKey(change))?.body
    await tx.record.append({
      kind: change.kind === 'Resource' ? 'profile.changed' : `${change.kind.toLowerCase()}.changed`,
      subject: `document/${change.kind.toLowerCase()}/${change.name}`,
      actor: by,
      ...(change.kind === 'Resource' ? { resource: change.name } : {}),
      body: {
        revision,
        kind: change.kind,
        name: change.name,
        change: change.change,
        fields: summarise([change]),
        digest: body && digestOf(body),
      },
    })
  }
  await tx.record.append({
    kind: 'revision.applied',
    subject: 'revision',
    actor: by,
    body: {
      revision,
      base,
      summary,
      documents: changes.length,
      digest: digestOf(toChanges(changes, revising.documents)),
      unreviewed,
      reason,
      request: approved?.request,
      approvedBy: approved?.by,
    },
  })
  return revision
}

const digestOf = (value: unknown): string => createHash('sha256').update(canonicalBytes(value)).digest('hex')
