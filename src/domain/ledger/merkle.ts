import { sha256 } from '@noble/hashes/sha2.js'

/*
 * The Merkle tree of RFC 6962, section 2.1: SHA-256, with one byte before what is hashed so that a leaf can never be
 * taken for an inner node. A node is named by its level (0: leaves) and its index in it; node (l, i) is the root over
 * leaves [i·2^l, (i+1)·2^l), and exists once all of them do. Sizes are numbers up to 2^53: no bit operators here.
 */

/** Bytes of a hash. */
export const HASH_LENGTH = 32
const LEAF_PREFIX = Uint8Array.of(0)

/** MTH({}): the root of the tree without leaves. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array())
export const leafHash = (leaf: Uint8Array): Uint8Array => sha256.create().update(LEAF_PREFIX).update(leaf).digest()

const scratch = new Uint8Array(1 + 2 * HASH_LENGTH)
scratch[0] = 1
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  scratch.set(left, 1)
  scratch.set(right, 1 + HASH_LENGTH)
  return sha256(scratch)
}

/** The hash of a complete node; throws for one it does not know. */
export type NodeReader = (level: number, index: number) => Uint8Array

/** The root of the first `size` leaves. */
export const rootOf = (size: number, node: NodeReader): Uint8Array =>
  size === 0 ? EMPTY_ROOT : rangeHash(0, size, node)

/** MTH(D[from:to]), for a range that the tree has as one of its own: `from` is a multiple of the next power of two. */
function rangeHash(from: number, to: number, node: NodeReader): Uint8Array {
  const half = split(to - from)
  if (half * 2 === to - from || to - from === 1) return node(Math.log2(to - from), from / (to - from))
  return nodeHash(rangeHash(from, from + half, node), rangeHash(from + half, to, node))
}

/** The largest power of two below `n`; 0 for 1. */
function split(n: number): number {
  if (n <= 1) return 0
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** PATH(index, D[0:size]) (RFC 6962, section 2.1.1): the hashes from the leaf up to the root. */
export function inclusionProof(index: number, size: number, node: NodeReader): readonly Uint8Array[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
  const path = (from: number, to: number): Uint8Array[] => {
    const half = split(to - from)
    if (half === 0) return []
    const middle = from + half
    return index < middle
      ? [...path(from, middle), rangeHash(middle, to, node)]
      : [...path(middle, to), rangeHash(from, middle, node)]
  }
  return path(0, size)
}

/** PROOF(first, D[0:second]) (section 2.1.2); empty for first 0 or equal sizes, where there is nothing to prove. */
export function consistencyProof(first: number, second: number, node: NodeReader): readonly Uint8Array[] {
  if (!(first >= 0 && first <= second)) throw new RangeError(`no consistency from ${first} to ${second}`)
  const sub = (from: number, to: number, whole: boolean): Uint8Array[] => {
    if (first === to) return whole ? [] : [rangeHash(from, to, node)]
    const middle = from + split(to - from)
    return first <= middle
      ? [...sub(from, middle, whole), rangeHash(middle, to, node)]
      : [...sub(middle, to, false), rangeHash(from, middle, node)]
  }
  return first === 0 ? [] : sub(0, second, true)
}

/** Whether `proof` leads from the leaf to the root (RFC 9162, section 2.1.3.2). */
export function includes(of: {
  readonly leaf: Uint8Array
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}): boolean {
  if (!(of.index >= 0 && of.index < of.size)) return false
  let [at, last, hash] = [of.index, of.size - 1, of.leaf]
  for (const step of of.proof) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(step, hash)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)]
    } else hash = nodeHash(hash, step)
    ;[at, last] = [Math.floor(at / 2), Math.floor(last / 2)]
  }
  return last === 0 && sameHash(hash, of.root)
}

/** One tree head: what a checkpoint says. */
export interface TreeHead {
  readonly size: number
  readonly root: Uint8Array
}

/** Whether `proof` shows that the first tree is the beginning of the second (RFC 9162, section 2.1.4.2). */
export function extendsTree(first: TreeHead, second: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (first.size > second.size) return false
  if (first.size === second.size) return proof.length === 0 && sameHash(first.root, second.root)
  if (first.size === 0) return proof.length === 0 && sameHash(first.root, EMPTY_ROOT)
  // Where the first tree is one complete node, its root starts the path and is left out of the proof.
  const complete = Number.isInteger(Math.log2(first.size))
  const [start, ...steps] = complete ? [first.root, ...proof] : proof
  if (start === undefined) return false
  let [at, last] = [first.size - 1, second.size - 1]
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)]
  let [was, is] = [start, start]
  for (const step of steps) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      was = nodeHash(step, was)
      is = nodeHash(step, is)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)]
    } else is = nodeHash(is, step)
    ;[at, last] = [Math.floor(at / 2), Math.floor(last / 2)]
  }
  return last === 0 && sameHash(was, first.root) && sameHash(is, second.root)
}

/** Hashes are public: no need for constant time. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])
