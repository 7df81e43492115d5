import type { Revision } from '../../domain/ids.ts'
import { checkSet, findTwins } from '../../domain/policy/check-set.ts'
import { diffSets, mergeSets, type DocumentChange } from '../../domain/policy/difference.ts'
import type { Document } from '../../domain/policy/documents.ts'
import { hasErrors, type Finding } from '../../domain/policy/finding.ts'
import type { Aggregates } from '../ports/store.ts'
import type { Loaded } from '../ports/document-reader.ts'
import { readStored } from './stored.ts'

/** What a set of files would make of the documents in force. */
export interface Proposed {
  readonly base: Revision
  readonly documents: readonly Document[]
  readonly changes: readonly DocumentChange[]
  /** With errors in them, `changes` is empty and nothing may be applied. */
  readonly findings: readonly Finding[]
}

/** Merge what was read from files, check and compare. Changes nothing. */
export async function propose(
  from: Pick<Aggregates, 'documents' | 'people'>,
  base: Revision,
  loaded: Loaded,
  prune: boolean,
): Promise<Proposed> {
  if (hasErrors(loaded.findings)) return { base, documents: [], changes: [], findings: loaded.findings }
  const [stored, people] = await Promise.all([from.documents.documentsAt(base), from.people.list()])
  const current = await readStored(stored)
  const twice = findTwins(loaded.documents)
  if (twice.length > 0) return { base, documents: [], changes: [], findings: [...loaded.findings, ...twice] }
  const documents = mergeSets(current, loaded.documents, prune)
  // Each of these takes some tenths of a second over ten thousand documents: sessions are cut in between.
  await giveWay()
  const findings = atMost([...loaded.findings, ...checkSet(documents, people)])
  await giveWay()
  return { base, documents, changes: hasErrors(findings) ? [] : diffSets(current, documents), findings }
}

const giveWay = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The first error as one line, with how many more there are. */
export function firstError(findings: readonly Finding[]): string {
  const errors = findings.filter((finding) => finding.severity === 'error')
  const first = errors[0]
  if (first === undefined) return ''
  const where = first.path === undefined ? '' : `${first.path}:${first.line ?? 1}:${first.column ?? 1}: `
  return `${where}${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`
}

const MOST_FINDINGS = 500

/** INVARIANT: `checkSet` gives errors before warnings, so what is cut off never hides that there is an error. */
export function atMost(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MOST_FINDINGS) return findings
  const message = `There are ${findings.length - MOST_FINDINGS} more findings.`
  return [...findings.slice(0, MOST_FINDINGS), { severity: 'warning', code: 'more_findings', message }]
}
