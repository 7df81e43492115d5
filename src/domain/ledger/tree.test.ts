import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EMPTY_EDGE, extendTree, readEdge } from './extend.ts'
import type { Edge } from './extend.ts'
import { consistencyProof, extendsTree, includes, inclusionProof, leafHash, rootOf } from './merkle.ts'
import { edgeOf, nodesIn, parseTilePath, bundlePath, tilePath, tilesFor, tilesOf } from './tiles.ts'
import type { Tile } from './tiles.ts'
import { decodeBundle, encodeBundle } from './bundle.ts'

/** RFC 6962, section 2.1, word for word: slow, and over the leaves alone. */
const sha = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
function slowRoot(leaves: readonly Uint8Array[]): Buffer {
  const [only] = leaves
  if (only === undefined) return sha()
  if (leaves.length === 1) return sha(Buffer.from([0]), only)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha(Buffer.from([1]), slowRoot(leaves.slice(0, k)), slowRoot(leaves.slice(k)))
}

const leavesOf = (n: number): readonly Uint8Array[] => Array.from({ length: n }, (_, i) => Buffer.from(`leaf ${i}`))

/** A log that keeps every tile it was ever given, as a store does. */
function log(batches: readonly number[]) {
  const all = leavesOf(batches.reduce((a, b) => a + b, 0))
  const tiles = new Map<string, Tile>()
  const edges: Edge[] = [EMPTY_EDGE]
  let edge = EMPTY_EDGE
  for (const count of batches) {
    const grown = extendTree(edge, all.slice(edge.size, edge.size + count).map(leafHash))
    for (const tile of grown.written) {
      expect(tiles.has(tilePath(tile)), 'a tile is written once').toBe(false)
      tiles.set(tilePath(tile), tile)
    }
    edge = grown.edge
    edges.push(edge)
  }
  const nodes = (size: number) =>
    nodesIn(size, (at) => {
      const tile = tiles.get(tilePath(at))
      if (tile === undefined) throw new Error(`${tilePath(at)} was never written`)
      return tile.hashes
    })
  return { all, tiles, edges, edge, nodes }
}

describe('the Merkle tree', () => {
  it('has the roots that Certificate Transparency publishes for its eight test leaves', () => {
    const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]
    const hashes = leaves.map((hex) => leafHash(Buffer.from(hex, 'hex')))
    const found = roots.map((_, n) => Buffer.from(extendTree(EMPTY_EDGE, hashes.slice(0, n)).edge.root).toString('hex'))
    expect(found).toEqual(roots)
  })

  it('is the same in whatever batches it grew, and every root and proof of every size on the way holds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat(),
        (batches, a, b) => {
          const { all, edge, edges, nodes } = log(batches)
          expect(Buffer.from(edge.root)).toEqual(slowRoot(all))
          const then = edges[1 + (a % batches.length)] ?? EMPTY_EDGE
          expect(Buffer.from(rootOf(then.size, nodes(edge.size)))).toEqual(slowRoot(all.slice(0, then.size)))

          const index = b % then.size
          const proof = inclusionProof(index, then.size, nodes(then.size))
          const leaf = leafHash(all[index] ?? new Uint8Array())
          const of = { leaf, index, size: then.size, root: then.root, proof }
          expect(includes(of)).toBe(true)
          expect(includes({ ...of, leaf: leafHash(Buffer.from('another')) })).toBe(false)
          expect(includes({ ...of, index: (index + 1) % (then.size + 1) })).toBe(false)
          expect(includes({ ...of, proof: [...proof, leaf] })).toBe(false)
          expect(includes({ ...of, proof: proof.slice(1) })).toBe(proof.length === 0)

          const consistent = consistencyProof(then.size, edge.size, nodes(edge.size))
          expect(extendsTree(then, edge, consistent)).toBe(true)
          expect(extendsTree({ ...then, root: leaf }, edge, consistent)).toBe(then.size === 1 && index === 0)
          const same = then.size === edge.size
          expect(extendsTree(then, { ...edge, root: Buffer.alloc(32) }, consistent)).toBe(false)
          expect(extendsTree(then, edge, consistent.slice(1))).toBe(same)
          expect(extendsTree(then, edge, [...consistent, leaf])).toBe(false)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('proves every leaf and every prefix of small trees, and accepts no proof for another place', () => {
    for (let size = 1; size <= 20; size++) {
      const { all, edge, nodes } = log([size])
      for (let i = 0; i < size; i++) {
        const proof = inclusionProof(i, size, nodes(size))
        for (let j = 0; j < size; j++)
          expect(includes({ leaf: leafHash(all[i] ?? new Uint8Array()), index: j, size, root: edge.root, proof })).toBe(
            i === j,
          )
      }
      for (let first = 0; first <= size; first++) {
        const proof = consistencyProof(first, size, nodes(size))
        for (let other = 1; other <= size; other++)
          expect(extendsTree({ size: other, root: slowRoot(all.slice(0, other)) }, edge, proof) || first === 0).toBe(
            other === first || first === 0,
          )
      }
    }
  })

  it('goes on from stored tiles over many levels, and refuses tiles that are not those of the signed root', () => {
    const { tiles, edges } = log([65_530, 10, 65_536 * 2])
    const [before, last] = [edges[1], edges.at(-1)]
    if (before === undefined || last === undefined) throw new Error('no edge')
    const stored = edgeOf(last.size).map((at) => tiles.get(tilePath(at)) ?? { ...at, hashes: new Uint8Array() })
    expect(readEdge(last, stored)).toEqual({ ok: true, edge: last })
    expect(readEdge({ ...last, root: before.root }, stored).ok).toBe(false)
    expect(readEdge(last, stored.slice(1)).ok).toBe(false)
    const more = leavesOf(last.size + 1)
      .slice(-1)
      .map(leafHash)
    expect(extendTree(last, more).edge.root).toEqual(log([65_536 * 3 + 5]).edge.root)
  })
})

describe('tiles', () => {
  it('are named as C2SP tlog-tiles says', () => {
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067')
    expect(tilePath({ level: 2, index: 0, width: 1 })).toBe('tile/2/000.p/1')
    expect(bundlePath({ index: 1000, width: 255 })).toBe('tile/entries/x001/000.p/255')
    // "a tree of size 70,000": 273 full tiles of level 0, one of 112; one full of level 1, one of 17; one of level 2 of 1
    const tiles = [...tilesOf(70_000)]
    expect(tiles).toHaveLength(273 + 1 + 1 + 1 + 1)
    expect(edgeOf(70_000).map(({ level, width }) => [level, width])).toEqual([
      [0, 112],
      [1, 17],
      [2, 1],
    ])
    expect(edgeOf(256)).toEqual([{ level: 1, index: 0, width: 1 }])
  })

  it('names and what is read back from them agree, and no other path is a name', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 63 }),
        fc.nat({ max: 10 ** 9 }),
        fc.integer({ min: 1, max: 256 }),
        (level, index, width) => {
          expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width })
          expect(parseTilePath(bundlePath({ index, width }))).toEqual({ index, width })
        },
      ),
    )
    for (const path of [
      'tile/64/000',
      'tile/00/000',
      'tile/-1/000',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/x000/001',
      'tile/0/001/002',

      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000/',
      'tile/x/000',
      'tile/entries/000.p/999',
      'tile/0/../000',
      '/tile/0/000',
      'tile/0/000\n',
      'tile/0/x001/x001/x001/x001/x001/000',
      'tile/entries',
    ])
      expect(parseTilePath(path)).toBeUndefined()
  })

  it('that a proof needs are told before they are fetched', () => {
    const { nodes } = log([70_000])
    const wanted = tilesFor(70_000, (node) => inclusionProof(69_999, 70_000, node))
    expect(wanted.map(tilePath).sort()).toEqual(['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1'].sort())
    expect(() => inclusionProof(69_999, 70_000, nodes(70_000))).not.toThrow()
  })
})

describe('bundles of entries', () => {
  it('read back what was put in, and nothing that was cut', () => {
    const leaves = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(65_535, 7)]
    const bytes = encodeBundle(leaves)
    expect(decodeBundle(bytes)?.map((leaf) => Buffer.from(leaf))).toEqual(leaves)
    expect(decodeBundle(bytes.subarray(0, -1))).toBeUndefined()
    expect(decodeBundle(bytes.subarray(0, 1))).toBeUndefined()
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(RangeError)
  })
})
