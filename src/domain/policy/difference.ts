import { canonical } from '../canonical.ts'
import { documentKey, type Document } from './documents.ts'

/** One document that differs between two sets. */
export interface DocumentChange {
  readonly kind: string
  readonly name: string
  readonly change: 'added' | 'changed' | 'removed'
  /** Field by field; sorted by path. */
  readonly fields: readonly { readonly path: string; readonly before?: string; readonly after?: string }[]
}

/** What a set becomes when `files` are applied to it: with `prune`, what they do not name is removed. */
export function mergeSets(
  current: readonly Document[],
  files: readonly Document[],
  prune: boolean,
): readonly Document[] {
  if (prune) return files
  const merged = new Map(current.map((document) => [documentKey(document), document]))
  for (const document of files) merged.set(documentKey(document), document)
  return [...merged.values()]
}

/** What differs, by kind and name. Where a document stands in its file is not a difference. */
export function diffSets(before: readonly Document[], after: readonly Document[]): readonly DocumentChange[] {
  const old = new Map(before.map((document) => [documentKey(document), document]))
  const fresh = new Map(after.map((document) => [documentKey(document), document]))
  const changes: DocumentChange[] = []
  for (const [key, document] of old) {
    if (!fresh.has(key))
      changes.push({
        kind: document.kind,
        name: document.name,
        change: 'removed',
        fields: diffFields(document.body, {}),
      })
  }
  for (const [key, document] of fresh) {
    const earlier = old.get(key)
    const fields = diffFields(earlier?.body ?? {}, document.body)
    if (fields.length > 0)
      changes.push({
        kind: document.kind,
        name: document.name,
        change: earlier === undefined ? 'added' : 'changed',
        fields,
      })
  }
  return changes.toSorted((a, b) => compare(`${a.kind}/${a.name}`, `${b.kind}/${b.name}`))
}

/** `classification: internal → restricted`, for people. */
export function describeChange({ kind, name, change, fields }: DocumentChange): readonly string[] {
  if (change !== 'changed') return [`${kind} ${name}: ${change}`]
  return fields.map(
    ({ path, before, after }) => `${kind} ${name}: ${path}: ${before ?? '(none)'} → ${after ?? '(none)'}`,
  )
}

/** The same with all that an added document says and a removed one said: what somebody must read to agree to it. */
export function describeWhole(change: DocumentChange): readonly string[] {
  if (change.change === 'changed') return describeChange(change)
  const fields = change.fields.map(({ path, before, after }) => `    ${path}: ${after ?? before ?? '(none)'}`)
  return [...describeChange(change), ...fields]
}

function diffFields(before: object, after: object): DocumentChange['fields'] {
  const old = flatten(before)
  const fresh = flatten(after)
  const paths = [...new Set([...old.keys(), ...fresh.keys()])].filter(
    (path) => path !== 'kind' && path !== 'name' && old.get(path) !== fresh.get(path),
  )
  return paths.toSorted(compare).map((path) => {
    const [was, is] = [old.get(path), fresh.get(path)]
    return Object.assign({ path }, was === undefined ? {} : { before: was }, is === undefined ? {} : { after: is })
  })
}

/** Leaves by their path. A list of plain values is one leaf; a list of maps is one leaf an item. */
function flatten(value: object, prefix = '', into = new Map<string, string>()): ReadonlyMap<string, string> {
  for (const [key, item] of Object.entries(value) as [string, unknown][]) {
    const path = Array.isArray(value) ? `${prefix}[${key}]` : prefix === '' ? key : `${prefix}.${key}`
    if (item === undefined) continue
    if (Array.isArray(item) && item.every((one) => typeof one !== 'object')) into.set(path, `[${item.join(', ')}]`)
    else if (Array.isArray(item))
      for (const [index, one] of item.entries()) into.set(`${path}[${index}]`, canonical(one))
    else if (typeof item === 'object' && item !== null) {
      if (Object.keys(item).length === 0) into.set(path, '{}')
      flatten(item, path, into)
    } else into.set(path, canonical(item).replace(/^"(.*)"$/s, '$1'))
  }
  return into
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
