import { consistencyProof, inclusionProof } from '../../domain/ledger/merkle.ts'
import { encodeBundle } from '../../domain/ledger/bundle.ts'
import { TILE_WIDTH } from '../../domain/ledger/tiles.ts'
import type { TileAt } from '../../domain/ledger/tiles.ts'
import type { App, Caller } from '../app.ts'
import { ownedBy, sightOf } from '../requests/access.ts'
import { done, refuse } from '../result.ts'
import type { LedgerUseDeps } from './deps.ts'
import { overTree } from './over-tree.ts'

/** A checkpoint with the lines of those who cosigned it. */
export async function checkpointNote(
  { store }: Pick<LedgerUseDeps, 'store'>,
  of: 'newest' | 'newest cosigned',
): Promise<string | undefined> {
  const { ledger } = store
  const cosigned = of === 'newest' ? [] : await ledger.newestCosignatures()
  const checkpoint =
    of === 'newest'
      ? await ledger.newestCheckpoint()
      : cosigned.length === 0
        ? undefined
        : await ledger.checkpointAt(Math.max(...cosigned.map(({ size }) => size)))
  if (checkpoint === undefined) return undefined
  const lines = (await ledger.cosignatures(checkpoint.size)).map(({ line }) => line)
  return checkpoint.note + lines.join('')
}

/** Only what a checkpoint covers exists for the world. */
export async function isSigned(
  { store }: Pick<LedgerUseDeps, 'store'>,
  { level, index, width }: TileAt,
): Promise<boolean> {
  const size = (await store.ledger.newestCheckpoint())?.size ?? 0
  return index * TILE_WIDTH + width <= Math.floor(size / TILE_WIDTH ** level)
}

export async function readTile(deps: Pick<LedgerUseDeps, 'store'>, at: TileAt): Promise<Uint8Array | undefined> {
  return (await isSigned(deps, at)) ? deps.store.ledger.tile(at) : undefined
}

/** Leaves of everybody's entries: for those who may read the whole record. */
export async function readBundle(
  deps: LedgerUseDeps,
  caller: Caller,
  at: Pick<TileAt, 'index' | 'width'>,
): ReturnType<App['ledgerBundle']> {
  if (caller.principal.roles.length === 0)
    return refuse('not_permitted', 'the entries of all are read by administrators and auditors')
  const leaves = (await isSigned(deps, { ...at, level: 0 })) ? await deps.store.ledger.leaves(at) : undefined
  return leaves === undefined ? refuse('not_found') : done(encodeBundle(leaves))
}

/** An entry that the caller may read, with what shows that it stands in the ledger. */
export async function proveEntry(deps: LedgerUseDeps, caller: Caller, index: number): ReturnType<App['proveEntry']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  const { ledger } = deps.store
  const entry = await ledger.entry(index, sightOf(caller, ownedBy(caller, deps.policy())))
  const checkpoint = await ledger.newestCheckpoint()
  if (entry === undefined || checkpoint === undefined || index >= checkpoint.size) return refuse('not_found')
  const proof = await overTree(ledger, checkpoint.size, (node) => inclusionProof(index, checkpoint.size, node))
  return done({ ...entry, size: checkpoint.size, checkpoint: checkpoint.note, proof })
}

/** That one tree of the log is the beginning of another. */
export async function proveConsistency(
  deps: LedgerUseDeps,
  caller: Caller,
  { from, to }: { readonly from: number; readonly to: number },
): ReturnType<App['proveConsistency']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  const size = (await deps.store.ledger.newestCheckpoint())?.size ?? 0
  if (from > to || to > size) return refuse('invalid_input', `from must be at most to, and to at most ${size}`)
  return done(await overTree(deps.store.ledger, to, (node) => consistencyProof(from, to, node)))
}

export async function ledgerStatus(deps: LedgerUseDeps, caller: Caller): ReturnType<App['ledgerStatus']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  const { ledger } = deps.store
  const [keys, newest, waiting, cosigned] = await Promise.all([
    ledger.keys(),
    ledger.newestCheckpoint(),
    ledger.waiting(),
    ledger.newestCosignatures(),
  ])
  return done({
    origin: deps.origin,
    keys,
    waiting: waiting.count,
    ...(newest === undefined ? {} : { newest: { size: newest.size, at: newest.at, note: newest.note } }),
    cosigned: cosigned.map(({ witness, size, at }) => ({ witness, size, at })),
  })
}
