import type { NodeReader } from '../../domain/ledger/merkle.ts'
import { nodesIn, tilePath, tilesFor } from '../../domain/ledger/tiles.ts'
import type { TileAt } from '../../domain/ledger/tiles.ts'
import type { LedgerStore } from '../ports/ledger.ts'

/**
 * Computes over the stored tree of `size` leaves: `compute` runs once to say which tiles it reads, and once over them.
 * @param known tiles that need not be fetched, by their path.
 * @throws when the store lacks one.
 */
export async function overTree<T>(
  store: Pick<LedgerStore, 'tile'>,
  size: number,
  compute: (node: NodeReader) => T,
  known: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<T> {
  const tiles = new Map(
    await Promise.all(
      tilesFor(size, compute).map(async (at): Promise<[string, Uint8Array]> => {
        const path = tilePath(at)
        return [path, known.get(path) ?? (await wanted(store, at))]
      }),
    ),
  )
  return compute(nodesIn(size, (at) => tiles.get(tilePath(at)) ?? missing(at)))
}

const wanted = async (store: Pick<LedgerStore, 'tile'>, at: TileAt): Promise<Uint8Array> =>
  (await store.tile(at)) ?? missing(at)

function missing(at: TileAt): never {
  throw new Error(`the ledger lacks ${tilePath(at)}`)
}
