import { readBody, type Document } from '../../domain/policy/documents.ts'
import type { NewDocument, StoredDocument } from '../ports/documents.ts'

/**
 * Documents as the store gave them. A stored one that this version does not understand is a fault: a set without it
 * would be another policy, so nothing is decided until somebody looks.
 */
export function readStored(stored: readonly (StoredDocument | NewDocument)[]): readonly Document[] {
  return stored.map((one) => {
    const source = {
      ...(one.path === undefined ? {} : { path: one.path }),
      ...(one.line === undefined ? {} : { line: one.line }),
    }
    const document = readBody(one.body, source)
    if (document === undefined)
      throw new Error(`the stored document ${one.kind} ${one.name} is not valid in this version`)
    return document
  })
}

/** A document as it is stored. */
export const toStored = ({ kind, name, body, path, line }: Document): NewDocument => ({
  kind,
  name,
  body,
  ...(path === undefined ? {} : { path }),
  ...(line === undefined ? {} : { line }),
})
