import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { verifyEd25519 } from '../../src/cli/witness/ed25519.ts'
import { fromBase64 } from '../../src/domain/ledger/base64.ts'
import { parseCheckpoint } from '../../src/domain/ledger/checkpoint.ts'
import { EMPTY_EDGE, extendTree } from '../../src/domain/ledger/extend.ts'
import { consistencyProof, extendsTree, includes, inclusionProof, leafHash } from '../../src/domain/ledger/merkle.ts'
import { parseVerifierKey, signersOf } from '../../src/domain/ledger/note.ts'
import { nodesIn, tilePath } from '../../src/domain/ledger/tiles.ts'

/*
 * Written by golang.org/x/mod/sumdb (tlog, note) 0.42.0 and github.com/transparency-dev/formats: a tree of 300 leaves
 * `leaf 0` to `leaf 299`, its checkpoint with a witness's cosignature, and two proofs.
 */
const golden = JSON.parse(readFileSync(new URL('../corpus/ledger-golden.json', import.meta.url), 'utf8')) as {
  readonly key: string
  readonly witness: string
  readonly checkpoint: string
  readonly oldRoot: string
  readonly inclusion123: readonly string[]
  readonly consistency100: readonly string[]
}
const bytes = (text: string): Uint8Array => fromBase64(text) ?? new Uint8Array()
const leaves = Array.from({ length: 300 }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
const { edge, written } = extendTree(EMPTY_EDGE, leaves)
const tiles = new Map(written.map((tile) => [tilePath(tile), tile.hashes]))
const node = nodesIn(300, (at) => tiles.get(tilePath(at)) ?? new Uint8Array())

test('the checkpoint of another implementation verifies, with its cosignature, and has our root', () => {
  const keys = [golden.key, golden.witness].map((text) => parseVerifierKey(text))
  const parsed = parseCheckpoint(golden.checkpoint)
  expect(keys).not.toContain(undefined)
  expect(parsed?.checkpoint).toEqual({ origin: 'holdpoint/golden', size: 300, root: edge.root })
  expect(
    parsed &&
      signersOf(
        parsed.note,
        keys.flatMap((key) => key ?? []),
        verifyEd25519,
      ),
  ).toEqual(keys)
})

test('its proofs are ours, and are accepted', () => {
  const proof = golden.inclusion123.map(bytes)
  expect(inclusionProof(123, 300, node)).toEqual(proof)
  expect(includes({ leaf: leaves[123] ?? new Uint8Array(), index: 123, size: 300, root: edge.root, proof })).toBe(true)
  const consistency = golden.consistency100.map(bytes)
  expect(consistencyProof(100, 300, node)).toEqual(consistency)
  expect(extendsTree({ size: 100, root: bytes(golden.oldRoot) }, edge, consistency)).toBe(true)
})
