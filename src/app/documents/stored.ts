import { readBody, type Document } from '../../domain/policy/documents.ts'
import type { NewDocument, StoredDocument } from '../ports/documents.ts'

/** Documents read without giving way to sessions: some milliseconds. */
const AT_ONCE = 100

/**
 * Documents as the store gave them. A stored one that this version does not understand is a fault: a set without it
 * would be another policy, so nothing is decided until somebody looks.
 */
export async function readStored(stored: readonly (StoredDocument | NewDocument)[]): Promise<readonly Document[]> {
  const documents: Document[] = []
  for (const [at, one] of stored.entries()) {
    if (at % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
    const source = {
      ...(one.path === undefined ? {} : { path: one.path }),
      ...(one.line === undefined ? {} : { line: one.line }),
    }
    const document = readBody(one.body, source)
    if (document === undefined)
      throw new Error(`the stored document ${one.kind} ${one.name} is not valid in this version`)
    documents.push(document)
  }
  return documents
}

/** A document as it is stored. */
export const toStored = ({ kind, name, body, path, line }: Document): NewDocument => ({
  kind,
  name,
  body,
  ...(path === undefined ? {} : { path }),
  ...(line === undefined ? {} : { line }),
})
