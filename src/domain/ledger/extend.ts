import { EMPTY_ROOT, HASH_LENGTH, nodeHash, sameHash } from './merkle.ts'
import type { TreeHead } from './merkle.ts'
import { completeRoot, edgeOf, TILE_WIDTH, tilePath } from './tiles.ts'
import type { Tile } from './tiles.ts'

/** A tree as far as it must be known to be extended: its head and its partial tiles (`edgeOf(size)`), lowest first. */
export interface Edge extends TreeHead {
  readonly tiles: readonly Tile[]
}
export const EMPTY_EDGE: Edge = { size: 0, root: EMPTY_ROOT, tiles: [] }

/** The edge that stored tiles make, or why they cannot be those of this tree. */
export function readEdge(
  head: TreeHead,
  tiles: readonly Tile[],
): { readonly ok: true; readonly edge: Edge } | { readonly ok: false; readonly why: string } {
  const expected = edgeOf(head.size)
  const found = new Map(tiles.map((tile) => [tilePath(tile), tile]))
  const edge: Tile[] = []
  for (const at of expected) {
    const tile = found.get(tilePath(at))
    if (tile?.hashes.length !== at.width * HASH_LENGTH) return { ok: false, why: `${tilePath(at)} is missing or wrong` }
    edge.push(tile)
  }
  if (!sameHash(edgeRoot(edge), head.root))
    return { ok: false, why: `the tiles of size ${head.size} do not have the root that was signed` }
  return { ok: true, edge: { ...head, tiles: edge } }
}

/**
 * Appends leaves to a tree. `written` is every tile that is new: full ones, and the partial ones of the new size;
 * nothing that was written before is ever written otherwise. Costs about two hashes a leaf.
 */
export function extendTree(
  edge: Edge,
  leafHashes: readonly Uint8Array[],
): { readonly edge: Edge; readonly written: readonly Tile[] } {
  if (leafHashes.length === 0) return { edge, written: [] }
  const open = new Map(edge.tiles.map((tile) => [tile.level, started(tile)]))
  const written: Tile[] = []
  const touched = new Set<number>()

  const append = (level: number, hash: Uint8Array): void => {
    const tile = open.get(level) ?? {
      level,
      index: Math.floor(edge.size / TILE_WIDTH ** (level + 1)),
      width: 0,
      all: room(),
    }
    open.set(level, tile)
    touched.add(level)
    tile.all.set(hash, tile.width * HASH_LENGTH)
    tile.width++
    if (tile.width < TILE_WIDTH) return
    written.push({ level, index: tile.index, width: TILE_WIDTH, hashes: tile.all })
    open.set(level, { level, index: tile.index + 1, width: 0, all: room() })
    append(level + 1, completeRoot(tile.all, 0, TILE_WIDTH))
  }
  for (const hash of leafHashes) append(0, hash)

  const tiles: Tile[] = []
  for (const tile of [...open.values()].sort((a, b) => a.level - b.level)) {
    if (tile.width === 0) continue
    const partial = {
      level: tile.level,
      index: tile.index,
      width: tile.width,
      hashes: tile.all.slice(0, tile.width * HASH_LENGTH),
    }
    tiles.push(partial)
    if (touched.has(tile.level)) written.push(partial)
  }
  return { edge: { size: edge.size + leafHashes.length, root: edgeRoot(tiles), tiles }, written }
}

const room = (): Uint8Array => new Uint8Array(TILE_WIDTH * HASH_LENGTH)

function started({ level, index, width, hashes }: Tile) {
  const all = room()
  all.set(hashes)
  return { level, index, width, all }
}

/** The root over partial tiles, lowest first: complete subtrees from the right, each larger than those after it. */
function edgeRoot(tiles: readonly Tile[]): Uint8Array {
  let root: Uint8Array | undefined
  for (const { width, hashes } of tiles) {
    let end = width
    for (let size = 1; size <= width; size *= 2) {
      if (Math.floor(width / size) % 2 === 0) continue
      const subtree = completeRoot(hashes, end - size, size)
      root = root === undefined ? subtree : nodeHash(subtree, root)
      end -= size
    }
  }
  return root ?? EMPTY_ROOT
}
