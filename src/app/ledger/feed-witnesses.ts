import { createPublicKey, verify } from 'node:crypto'
import { formatAddCheckpoint } from '../../domain/ledger/add-checkpoint.ts'
import { consistencyProof } from '../../domain/ledger/merkle.ts'
import { isBy, parseNote, parseSignatureLines, signatureLine, signersOf } from '../../domain/ledger/note.ts'
import type { NoteKey, VerifyEd25519 } from '../../domain/ledger/note.ts'
import type { Clock } from '../ports/clock.ts'
import type { LedgerStore, StoredCheckpoint, Witness } from '../ports/ledger.ts'
import type { Timer } from '../ports/timer.ts'
import { every } from '../reconcile/every.ts'
import { overTree } from './over-tree.ts'

export interface FeedDeps {
  readonly store: LedgerStore
  readonly witnesses: readonly Witness[]
  readonly clock: Pick<Clock, 'now'>
  readonly timer: Timer
  /** Whether this process is the one that sequences: one is enough, and more would do no harm. */
  readonly isMine: () => boolean
  readonly onFault: (what: string, error: unknown) => void
  readonly say: (message: string) => void
  /** Other lengths for tests. In ms. */
  readonly everyMs?: number
  readonly lateMs?: number
}

export interface WitnessFeed {
  /** Witnesses that have not signed anything newer for too long, though there is something, and since when the longest. */
  late(): Promise<{ readonly names: readonly string[]; readonly ms: number }>
  stop(): Promise<void>
}

const EVERY_MS = 2_000
/** Unsigned for so long, and somebody should look. */
const LATE_MS = 5 * 60_000

/**
 * Shows the newest checkpoint to each witness (C2SP tlog-witness) and keeps what they sign. One that is away, slow or
 * refuses holds up neither the ledger nor the others.
 */
export function feedWitnesses(deps: FeedDeps): WitnessFeed {
  const { store, witnesses, clock } = deps
  const begun = clock.now()
  /** What a witness last said it had seen: it may have signed for another replica, or have lost its answer on the way. */
  const saw = new Map<string, number>()
  const failing = new Set<string>()
  const told = new Set<string>()
  const busy = new Map<string, Promise<void>>()

  const show = async (witness: Witness, newest: StoredCheckpoint, signed: number): Promise<void> => {
    const { key } = witness
    const old = saw.get(key.name) ?? signed
    if (old > newest.size)
      throw new Error(
        `it has seen a tree of ${old} entries, and the newest here has ${newest.size}: the log was cut back`,
      )
    const proof = await overTree(store, newest.size, (node) => consistencyProof(old, newest.size, node))
    const answer = await witness.add(formatAddCheckpoint({ old, proof, checkpoint: newest.note }))
    if (answer.status === 409 && /^(?:0|[1-9][0-9]{0,15})\n?$/.test(answer.body)) {
      const size = Number(answer.body)
      if (size === old) throw new Error('it says that the tree is not what it saw before')
      saw.set(key.name, size)
      return
    }
    if (answer.status !== 200) throw new Error(`it answered ${answer.status}`)
    const line = cosignatureIn(answer.body, newest.note, key)
    if (line === undefined) throw new Error('what it signed does not verify')
    await store.addCosignature({ size: newest.size, witness: key.name, line }, clock.now())
    saw.set(key.name, newest.size)
  }

  const late: WitnessFeed['late'] = async () => {
    const [newest, cosigned] = await Promise.all([store.newestCheckpoint(), store.newestCosignatures()])
    const behind = witnesses.flatMap(({ key: { name } }) => {
      const last = cosigned.find(({ witness }) => witness === name)
      const ms = last?.size === newest?.size ? 0 : clock.now() - Math.max(last?.at ?? 0, begun)
      return ms > (deps.lateMs ?? LATE_MS) ? [{ name, ms }] : []
    })
    return { names: behind.map(({ name }) => name), ms: Math.max(0, ...behind.map(({ ms }) => ms)) }
  }
  /** Once a time that it is late. */
  const alarm = async (): Promise<void> => {
    const { names, ms } = await late()
    for (const name of told) if (!names.includes(name)) told.delete(name)
    for (const name of names.filter((one) => !told.has(one))) {
      told.add(name)
      deps.say(
        `the witness ${name} has signed nothing of the ledger for ${Math.round(ms / 1_000)} s: somebody should look`,
      )
    }
  }

  const step = async (): Promise<void> => {
    if (witnesses.length === 0 || !deps.isMine()) return
    await alarm()
    const newest = await store.newestCheckpoint()
    if (newest === undefined) return
    const signed = new Map((await store.newestCosignatures()).map(({ witness, size }) => [witness, size]))
    for (const witness of witnesses) {
      const { name } = witness.key
      if (busy.has(name) || signed.get(name) === newest.size) continue
      const showing = show(witness, newest, signed.get(name) ?? 0)
        .then(
          () => void (failing.delete(name) && deps.say(`the witness ${name} is there again`)),
          (error: unknown) => {
            if (failing.has(name)) return
            failing.add(name)
            deps.onFault(`showing the ledger to the witness ${name}`, error)
          },
        )
        .finally(() => busy.delete(name))
      busy.set(name, showing)
    }
  }
  const loop = every(deps, deps.everyMs ?? EVERY_MS, 'showing the ledger to witnesses', step)

  return {
    late,
    async stop() {
      await loop.stop()
      await Promise.all(busy.values())
    },
  }
}

/** The witness's line, if it holds over this note; what else it may have sent is passed over. */
function cosignatureIn(answer: string, note: string, key: NoteKey): string | undefined {
  const text = parseNote(note)?.text
  const mine = parseSignatureLines(answer)?.find((signature) => isBy(signature, key))
  if (text === undefined || mine === undefined) return undefined
  return signersOf({ text, signatures: [mine] }, [key], verifies)?.length === 1 ? signatureLine(mine) : undefined
}

/** SubjectPublicKeyInfo of Ed25519 (RFC 8410), up to its 32 bytes. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const verifies: VerifyEd25519 = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  )
