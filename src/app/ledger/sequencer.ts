import { extendTree, readEdge } from '../../domain/ledger/extend.ts'
import type { Edge } from '../../domain/ledger/extend.ts'
import { consistencyProof, HASH_LENGTH, leafHash, sameHash } from '../../domain/ledger/merkle.ts'
import { edgeOf, tilePath } from '../../domain/ledger/tiles.ts'
import type { Tile } from '../../domain/ledger/tiles.ts'
import type { Clock } from '../ports/clock.ts'
import type { LedgerLook, LedgerSigner, LedgerStore, Queued } from '../ports/ledger.ts'
import type { Timer } from '../ports/timer.ts'
import type { Wake } from '../ports/wake.ts'
import { overTree } from './over-tree.ts'
import { CHECKPOINT, WANTED } from './subjects.ts'

/*
 * The sequencer. Entries stand in a queue as soon as the transaction that wrote them has committed. Any replica may run
 * this; whoever moved the tree last goes on at once when somebody waits, and the others watch:
 *
 *   look       one snapshot of head and queue
 *   extend     leaves, tiles and head in one statement, which does nothing when the head has moved meanwhile
 *   sign       the signer compares with the last tree it signed, writes the new one to its disk, and signs
 *   publish    the checkpoint is stored, and whoever waits is woken
 *
 * A crash after `extend` leaves a tree without its checkpoint; after `sign`, a signature that nobody has seen. Either
 * way the next turn, here or elsewhere, finds the head beyond the newest checkpoint and signs it; Ed25519 gives the
 * same note for the same tree. Nothing is locked between statements, so a process that is paused anywhere holds up
 * nobody, and when it wakes its `extend` finds the head moved. INVARIANT: entries enter the tree in the order of their
 * positions as far as they are visible, so what an entry rests on is never behind it.
 */

export interface SequencerDeps {
  /** Not behind what clients ask for. */
  readonly store: LedgerStore
  readonly signer: LedgerSigner
  readonly origin: string
  /** The same for a data folder that is started again. */
  readonly me: string
  readonly clock: Pick<Clock, 'now'>
  readonly monotonic: () => number
  readonly wake: Wake
  readonly tell: (subjects: Iterable<string>) => void
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
  /** One line for whoever runs this. */
  readonly say: (message: string) => void
}

export interface Sequencer {
  /** Whether this process went on with the tree last. */
  isMine(): boolean
  /** Why it could not extend or sign, last time it had to; undefined once it could. */
  failure(): string | undefined
  /** Takes what is queued into the tree, and lets others begin at once. */
  stop(): Promise<void>
}

const BATCH = 2_000
/** How often the queue is looked at without a wake: by whoever sequenced last, and by the others. */
const MINE_MS = 500
const OTHERS_MS = 250
/** No progress for so long while something waits, and another takes over. */
const TAKEOVER_MS = 1_000
/** Who could not extend or sign leaves it to others for so long. */
const RESIGNED_MS = 3_000

export function startSequencer(deps: SequencerDeps): Sequencer {
  const { store, signer, timer, monotonic } = deps
  let edge: Edge | undefined
  /** Tiles that the next proof is likely to need, by path. */
  let recent = new Map<string, Uint8Array>()
  let mine = true
  let compared = false
  let stalled: { readonly at: string; readonly since: number } | undefined
  let resigned = Number.NEGATIVE_INFINITY
  let failure: string | undefined
  let stopped = false
  let wanted = false
  let running: Promise<void> | undefined
  let cancel: (() => void) | undefined

  /** Whether it is for this process to go on from here. */
  const entitled = (seen: LedgerLook): boolean => {
    mine = seen.sequencer === undefined || seen.sequencer === deps.me
    const now = monotonic()
    const at = `${seen.size}/${seen.signed}`
    if (stalled?.at !== at) stalled = { at, since: now }
    if (mine) return true
    if (now - stalled.since < TAKEOVER_MS) return false
    deps.say(`${seen.sequencer ?? 'nobody'} has not gone on with the ledger; taking over`)
    return true
  }

  const edgeAt = async (head: LedgerLook): Promise<Edge> => {
    if (edge !== undefined && edge.size === head.size && sameHash(edge.root, head.root)) return edge
    recent = new Map()
    const tiles = await Promise.all(
      edgeOf(head.size).map(async (at): Promise<Tile> => ({
        ...at,
        hashes: (await store.tile(at)) ?? new Uint8Array(),
      })),
    )
    const read = readEdge({ size: head.size, root: Uint8Array.from(head.root) }, tiles)
    if (!read.ok) throw new Error(`the tree in the database is damaged: ${read.why}`)
    return read.edge
  }

  /** False when another was quicker. */
  const extend = async (from: Edge, queued: readonly Queued[]): Promise<boolean> => {
    const hashes = queued.map(({ leaf }) => leafHash(leaf ?? new Uint8Array()))
    const { edge: next, written } = extendTree(from, hashes)
    // What the statement came to is not known when it fails: the next look tells.
    edge = undefined
    const moved = await store.extend({
      from: from.size,
      head: next,
      sequencer: deps.me,
      positions: queued.map(({ position }) => position),
      hashes: joined(hashes),
      tiles: written,
    })
    if (!moved) return false
    edge = next
    recent = new Map([...next.tiles, ...written].map((tile) => [tilePath(tile), tile.hashes]))
    return true
  }

  const publish = async (head: Edge): Promise<void> => {
    const { last } = signer
    const proof =
      last.size >= head.size
        ? []
        : await overTree(store, head.size, (node) => consistencyProof(last.size, head.size, node), recent)
    const note = await signer.sign({ origin: deps.origin, size: head.size, root: head.root }, proof)
    await store.addCheckpoint({ size: head.size, root: head.root, note, at: deps.clock.now() })
    deps.tell([CHECKPOINT])
  }

  /**
   * Once, and whenever the tree has shrunk: the one in the database is what was signed here, or goes on from it. Also
   * while nothing is to be signed, so that an old database is known for one before somebody waits.
   */
  const compare = async (seen: LedgerLook): Promise<void> => {
    const { size } = signer.last
    if ((compared && seen.size >= size) || (seen.size === 0 && size === 0)) return
    // What another has not signed yet is theirs, or is taken over.
    if (seen.signed < seen.size && seen.size >= size && seen.sequencer !== deps.me) return
    edge = await edgeAt(seen)
    await publish(edge)
    compared = true
  }

  const turn = async (): Promise<void> => {
    if (monotonic() - resigned < RESIGNED_MS) return
    do {
      wanted = false
      const seen = await store.look(BATCH)
      await compare(seen)
      if (seen.queued.length === 0 && seen.signed === seen.size) {
        mine = seen.sequencer === undefined || seen.sequencer === deps.me
        stalled = undefined
        failure = undefined
        return
      }
      if (!entitled(seen)) return
      const bare = seen.queued.filter(({ leaf }) => leaf === undefined)
      if (bare.length > 0) await store.giveLeaves(bare.map(({ position }) => position))
      wanted ||= bare.length > 0 || seen.queued.length === BATCH
      if (bare.length > 0) continue
      const from = await edgeAt(seen)
      edge = from
      if (seen.queued.length > 0 && !(await extend(from, seen.queued))) wanted = true
      else await publish(edge)
      failure = undefined
    } while (wanted)
  }

  const once = (): Promise<void> => {
    running ??= turn()
      .catch((error: unknown) => {
        edge = undefined
        resigned = monotonic()
        failure = error instanceof Error ? error.message : String(error)
        deps.onFault('the ledger could not be extended', error)
      })
      .finally(() => {
        running = undefined
        schedule(mine ? MINE_MS : OTHERS_MS)
      })
    return running
  }
  function schedule(ms: number): void {
    cancel?.()
    if (!stopped) cancel = timer.after(ms, () => void once())
  }

  const stopHearing = deps.wake.subscribe(WANTED, () => {
    wanted = true
    if (mine && running === undefined && !stopped) void once()
  })
  schedule(0)
  return {
    isMine: () => mine,
    failure: () => failure,
    async stop() {
      stopped = true
      stopHearing()
      cancel?.()
      await running
      // What came while this process ended belongs in the tree, too.
      if (mine) await once()
      await store.letGo(deps.me).catch((error: unknown) => deps.onFault('leaving the ledger to others', error))
    },
  }
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(hashes.length * HASH_LENGTH)
  hashes.forEach((hash, i) => all.set(hash, i * HASH_LENGTH))
  return all
}
