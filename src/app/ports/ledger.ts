import type { Checkpoint } from '../../domain/ledger/checkpoint.ts'
import type { TreeHead } from '../../domain/ledger/merkle.ts'
import type { NoteKey } from '../../domain/ledger/note.ts'
import type { Tile, TileAt } from '../../domain/ledger/tiles.ts'
import type { Instant } from '../../domain/time.ts'
import type { Sight } from './requests.ts'

/** Where an entry stands in the record: what `RecordWriter.append` gives. Grows, with gaps; no index of the tree. */
export type Position = number

/**
 * What waits for proof. INVARIANT (I4): an effect waits here for its decision, after the transaction that made it and
 * before the first byte; a revocation never does.
 */
export interface Ledger {
  /**
   * Resolves once a signed checkpoint covers the entry, which must be committed.
   * @throws LedgerUnavailable after 5 s: then nothing may be done.
   */
  covered(position: Position): Promise<void>
  /**
   * The same for everything recorded about these subjects (`grant/G-7`) by now. At once where that was so before: a
   * subject that changes in what it permits has another `version`.
   */
  coveredAbout(subjects: readonly { readonly subject: string; readonly version: string }[]): Promise<void>
}

/** Nobody could sign in time. What waited has not happened, and must not. */
export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable'
}

/** Signs checkpoints, and remembers the last tree it signed outside the database. */
export interface LedgerSigner {
  /** Of these it has the private halves: the one in use first. Every one of them signs. */
  readonly keys: readonly NoteKey[]
  /** The last tree it signed; the empty one at first. */
  readonly last: TreeHead
  /**
   * The signed note. Where it stopped is on disk before the signature is released.
   * @param proof consistency from `last` to the checkpoint.
   * @throws SignerRefusal for a tree that is smaller than or inconsistent with the last one; faults of the disk.
   */
  sign(checkpoint: Checkpoint, proof: readonly Uint8Array[]): Promise<string>
}

/** The tree is not the one that was signed before. Somebody changed the database, or put an old one in its place. */
export class SignerRefusal extends Error {
  override readonly name = 'SignerRefusal'
}

/** Somebody outside who signs what they have seen of the log, so that nobody is shown another. */
export interface Witness {
  /** Of its cosignatures. */
  readonly key: NoteKey
  /** The answer to `POST add-checkpoint` (C2SP tlog-witness). Rejects when there is none in a few seconds. */
  add(body: string): Promise<{ readonly status: number; readonly body: string }>
}

/** An entry that has no place in the tree yet. */
export interface Queued {
  readonly position: Position
  /** Absent for an entry from before there was a ledger. */
  readonly leaf?: Uint8Array
}

/** The tree as the database has it, and what waits. One snapshot. */
export interface LedgerLook extends TreeHead {
  readonly sequencer?: string
  /** Size of the newest checkpoint. */
  readonly signed: number
  readonly queued: readonly Queued[]
}

export interface StoredCheckpoint extends TreeHead {
  /** The signed note without cosignatures. */
  readonly note: string
  readonly at: Instant
}

export interface Cosignature {
  readonly size: number
  /** Its name in the note. */
  readonly witness: string
  /** The line of the note, with its newline. */
  readonly line: string
}

/** An entry in the tree. */
export interface LedgerEntry {
  readonly index: number
  readonly leaf: Uint8Array
  /** Absent once erased. */
  readonly body?: { readonly salt: Uint8Array; readonly bytes: Uint8Array }
}

/** What the ledger needs of the store. */
export interface LedgerStore {
  look(limit: number): Promise<LedgerLook>
  /** Gives leaves to entries from before the ledger, unless somebody else has. */
  giveLeaves(positions: readonly Position[]): Promise<void>
  /**
   * Moves the tree from `from` to `head`: leaves, full tiles and the head in one statement. False when somebody else
   * has moved it meanwhile; then nothing was changed.
   */
  extend(of: {
    readonly from: number
    readonly head: TreeHead
    readonly sequencer: string
    readonly positions: readonly Position[]
    /** One after another, in the order of `positions`. */
    readonly hashes: Uint8Array
    readonly tiles: readonly Tile[]
  }): Promise<boolean>
  /** Undefined where the tree does not reach so far. */
  tile(at: TileAt): Promise<Uint8Array | undefined>
  /** The leaves below the tile of level 0 with this index and width; undefined where the tree does not reach so far. */
  leaves(at: Pick<TileAt, 'index' | 'width'>): Promise<readonly Uint8Array[] | undefined>
  /** Undefined also for what may not be seen with these eyes. */
  /** What those leaves are bound to; undefined in the place of one that was erased. */
  bodies(at: Pick<TileAt, 'index' | 'width'>): Promise<readonly (LedgerEntry['body'] | undefined)[]>
  entry(index: number, sight: Sight): Promise<LedgerEntry | undefined>
  /** Takes body and salt of these away, and answers those that had theirs. */
  erase(indexes: readonly number[]): Promise<
    readonly {
      readonly index: number
      readonly subject: string
      readonly resource?: string
      /** Of the leaf. */
      readonly commitment: string
    }[]
  >
  addCheckpoint(checkpoint: StoredCheckpoint): Promise<void>
  newestCheckpoint(): Promise<StoredCheckpoint | undefined>
  /**
   * Checkpoints larger than `size`, smallest first: those that were cosigned, with their cosignatures, and besides them
   * at most one to each bundle of entries.
   */
  checkpointsAfter(size: number, limit: number): Promise<readonly Pick<StoredCheckpoint, 'size' | 'note'>[]>
  /** The largest checkpoint of at most this size. */
  checkpointAt(size: number): Promise<StoredCheckpoint | undefined>
  /** Which of these a checkpoint covers. */
  coveredOf(positions: readonly Position[]): Promise<readonly Position[]>
  /** The newest entry about each of these that no checkpoint covers. */
  uncoveredAbout(subjects: readonly string[]): Promise<readonly Position[]>
  /** Until the end of the transaction nobody extends the tree, and nobody else registers a key. */
  lock(): Promise<void>
  /** Nobody in particular goes on with the sequencing. */
  letGo(sequencer: string): Promise<void>
  /** Note verifier keys, oldest first. */
  keys(): Promise<readonly string[]>
  addKey(verifier: string, at: Instant): Promise<void>
  addCosignature(cosignature: Cosignature, at: Instant): Promise<void>
  cosignatures(size: number): Promise<readonly Cosignature[]>
  /** The newest of each witness. */
  newestCosignatures(): Promise<readonly (Cosignature & { readonly at: Instant })[]>
  /** How many entries no checkpoint covers, and when the oldest of them was written. */
  waiting(): Promise<{ readonly count: number; readonly since?: Instant }>
}
