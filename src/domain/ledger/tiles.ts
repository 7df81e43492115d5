import { HASH_LENGTH, nodeHash } from './merkle.ts'
import type { NodeReader } from './merkle.ts'

/*
 * The tree as C2SP tlog-tiles lays it out: at each tile level l, tile n holds the roots of 256 complete subtrees of
 * 256^l leaves; the rightmost tile of a level may be partial. A full tile never changes again, and neither does a
 * partial one: a wider one stands beside it under a name of its own.
 */

/** Hashes in a full tile. */
export const TILE_WIDTH = 256

export interface TileAt {
  readonly level: number
  readonly index: number
  /** 1 to 256; less than 256 is partial. */
  readonly width: number
}
export interface Tile extends TileAt {
  /** `width` hashes, one after another. */
  readonly hashes: Uint8Array
}

/** `tile/1/x001/234.p/17`, below the log's prefix. */
export const tilePath = ({ level, index, width }: TileAt): string => `tile/${level}/${numbered(index, width)}`
/** `tile/entries/x001/234.p/17`: the leaves under the tile of level 0 with this index and width. */
export const bundlePath = ({ index, width }: Pick<TileAt, 'index' | 'width'>): string =>
  `tile/entries/${numbered(index, width)}`

function numbered(index: number, width: number): string {
  const digits = String(index)
  const parts = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/[0-9]{3}/g) ?? []
  const path = parts.map((part, i) => (i === parts.length - 1 ? part : `x${part}`)).join('/')
  return width === TILE_WIDTH ? path : `${path}.p/${width}`
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/
/** The tile, or the bundle of entries (`level` undefined), that a path names; undefined for any other path. */
export function parseTilePath(path: string): (Omit<TileAt, 'level'> & { readonly level?: number }) | undefined {
  const [, where, digits, partial] = PATH.exec(path) ?? []
  if (where === undefined || digits === undefined) return undefined
  const index = Number(digits.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? TILE_WIDTH : Number(partial)
  const level = where === 'entries' ? undefined : Number(where)
  const valid = (partial === undefined || width < TILE_WIDTH) && (level ?? 0) <= 63 && Number.isSafeInteger(index)
  if (!valid || numbered(index, width) !== path.slice(`tile/${where}/`.length)) return undefined
  return { index, width, ...(level === undefined ? {} : { level }) }
}

/** The rightmost tiles of a tree that are partial: with the size, all that is needed to extend it. Lowest first. */
export function edgeOf(size: number): readonly TileAt[] {
  const edge: TileAt[] = []
  for (let [level, nodes] = [0, size]; nodes > 0; level++, nodes = Math.floor(nodes / TILE_WIDTH)) {
    const width = nodes % TILE_WIDTH
    if (width > 0) edge.push({ level, index: Math.floor(nodes / TILE_WIDTH), width })
  }
  return edge
}

/** Every tile of a tree of this size, level by level; of level 0 alone, the entry bundles' too. */
export function* tilesOf(size: number): Generator<TileAt> {
  for (let [level, nodes] = [0, size]; nodes > 0; level++, nodes = Math.floor(nodes / TILE_WIDTH))
    for (let index = 0; index * TILE_WIDTH < nodes; index++)
      yield { level, index, width: Math.min(TILE_WIDTH, nodes - index * TILE_WIDTH) }
}

/**
 * Reads nodes out of the tiles of a tree of `size` leaves. `read` gives a tile's hashes and throws where it has none;
 * it may be asked for the same tile again.
 */
export function nodesIn(size: number, read: (at: TileAt) => Uint8Array): NodeReader {
  return (level, index) => {
    const tileLevel = Math.floor(level / 8)
    const within = 2 ** (level % 8)
    const first = index * within
    const tile = Math.floor(first / TILE_WIDTH)
    const nodes = Math.floor(size / TILE_WIDTH ** tileLevel)
    const width = Math.min(TILE_WIDTH, nodes - tile * TILE_WIDTH)
    const from = first - tile * TILE_WIDTH
    if (!(from + within <= width)) throw new RangeError(`no node ${level}/${index} in a tree of ${size}`)
    const hashes = read({ level: tileLevel, index: tile, width })
    if (hashes.length !== width * HASH_LENGTH) throw new RangeError(`tile ${tileLevel}/${tile} has a wrong length`)
    return completeRoot(hashes, from, within)
  }
}

/**
 * The tiles that a computation over a tree of `size` leaves will read, each once: run it with the reader that is given,
 * fetch them, and run it again with `nodesIn`. (`tilesFor(size, (node) => inclusionProof(7, size, node))`.)
 */
export function tilesFor(size: number, compute: (node: NodeReader) => unknown): readonly TileAt[] {
  const wanted = new Map<string, TileAt>()
  compute(
    nodesIn(size, (at) => {
      wanted.set(tilePath(at), at)
      return new Uint8Array(at.width * HASH_LENGTH)
    }),
  )
  return [...wanted.values()]
}

/** The root over `count` (a power of two) hashes of a tile, from the one at `first`. */
export function completeRoot(hashes: Uint8Array, first: number, count: number): Uint8Array {
  if (count === 1) return hashes.slice(first * HASH_LENGTH, (first + 1) * HASH_LENGTH)
  const half = count / 2
  return nodeHash(completeRoot(hashes, first, half), completeRoot(hashes, first + half, half))
}
