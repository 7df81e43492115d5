import { sha256 } from '@noble/hashes/sha2.js'
import { canonicalBytes } from '../canonical.ts'
import type { Instant } from '../time.ts'
import { toBase64 } from './base64.ts'
import type { Entry } from './entry.ts'
import { leafFacts } from './leaf-facts.ts'

/** Bytes of a leaf at most: an entry bundle gives its length in sixteen bits (C2SP tlog-tiles, "Log entries"). */
export const LEAF_LIMIT = 65_535
/** Bytes of salt before an entry's bytes in its commitment. */
export const SALT_LENGTH = 16

/** What is in the bytes. `facts` by kind: `leaf-facts.ts`. */
interface Leaf {
  readonly v: 1
  readonly kind: string
  readonly at: number
  readonly subject: string
  readonly actor?: string
  readonly resource?: string
  readonly facts: Readonly<Record<string, unknown>>
  /** Base64 of what `commitTo` gave. */
  readonly commitment: string
}

/**
 * SHA-256(salt ‖ entry): binds the leaf to the entry's canonical bytes, and says nothing about them to who has not the
 * salt. With the salt gone, not even a guess can be confirmed.
 */
export const commitTo = (salt: Uint8Array, entryBytes: Uint8Array): Uint8Array =>
  sha256.create().update(salt).update(entryBytes).digest()

/**
 * The canonical bytes (RFC 8785) of an entry's leaf. Should its facts ever be too many, the longest are left out and
 * named in `omitted`: an entry is never kept out of the log for its length.
 * @throws RangeError when it is too long even so (a subject or resource of 60,000 characters).
 */
export function leafBytes(entry: Entry, at: Instant, commitment: Uint8Array): Uint8Array {
  const { kind, subject, actor, resource } = entry
  const leaf: Omit<Leaf, 'facts'> = {
    v: 1,
    kind,
    at,
    subject,
    ...(actor === undefined ? {} : { actor }),
    ...(resource === undefined ? {} : { resource }),
    commitment: toBase64(commitment),
  }
  const facts: Record<string, unknown> = { ...leafFacts(entry) }
  const omitted: string[] = []
  for (;;) {
    const bytes = canonicalBytes({ ...leaf, facts: omitted.length === 0 ? facts : { ...facts, omitted } })
    if (bytes.length <= LEAF_LIMIT) return bytes
    const longest = Object.keys(facts).sort((a, b) => lengthOf(facts[b]) - lengthOf(facts[a]))[0]
    if (longest === undefined) throw new RangeError(`an entry ${kind} does not fit into a leaf`)
    delete facts[longest]
    omitted.push(longest)
  }
}

const lengthOf = (value: unknown): number => canonicalBytes(value).length
