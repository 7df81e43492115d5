import { LEAF_LIMIT } from './leaf.ts'

/** Leaves, each behind its length in two bytes, big-endian (C2SP tlog-tiles, "Log entries"). */
export function encodeBundle(leaves: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(leaves.reduce((sum, leaf) => sum + 2 + leaf.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const leaf of leaves) {
    if (leaf.length > LEAF_LIMIT) throw new RangeError(`a leaf of ${leaf.length} bytes does not fit`)
    view.setUint16(at, leaf.length)
    bytes.set(leaf, at + 2)
    at += 2 + leaf.length
  }
  return bytes
}

/** Undefined for bytes that are not a whole number of leaves. Leaves alias `bytes`. */
export function decodeBundle(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const leaves: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) return undefined
    leaves.push(bytes.subarray(at + 2, end))
    at = end
  }
  return leaves
}
