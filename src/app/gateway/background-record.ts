import type { Entry } from '../../domain/ledger/entry.ts'
import type { SessionId } from '../../domain/ids.ts'
import { SegmentWriter } from '../../domain/session/segment.ts'
import type { Segment } from '../../domain/session/segment.ts'
import type { StatementEntry } from '../../domain/session/session.ts'
import type { KeptSegment } from '../ports/requests.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'

/** What is written behind the client's back: statements that ran, refusals. */
export interface BackgroundRecord {
  statement(entry: StatementEntry): void
  entry(entry: Entry): void
  /** Resolves when every line given so far is in the store, however long that takes; rejects when one was lost meanwhile. */
  written(): Promise<void>
  /** Writes what there is now, and resolves when it is written. */
  flush(): Promise<void>
  /** Writes the rest and takes no more. */
  close(): Promise<void>
  /** How much waits, and how much had to be dropped since the start. For metrics and readiness. */
  state(): { readonly waiting: number; readonly lost: number }
}

const EVERY_MS = 500
/** Lines, and roughly characters, of what is open: so much is written at once, and a segment becomes no longer. */
const SEAL_AT = 2_000
const SEAL_AT_CHARACTERS = 1024 * 1024
/** Segments and entries in one transaction. */
const BATCH = 200
/** When the store is away for long: bounded by number and by the characters of what is kept. */
const MOST = 20_000
const MOST_CHARACTERS = 32 * 1024 * 1024

/**
 * Gathers each session's statements in a segment, and writes what there is twice a second. If the process dies, at most the
 * last half second is lost; if the store is away, segments wait up to a bound, and what did not fit is counted and recorded
 * as lost.
 */
export function createBackgroundRecord(deps: {
  readonly store: Store
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}): BackgroundRecord {
  let open = new Map<SessionId, SegmentWriter>()
  let openLines = 0
  /** What an open segment says never changes once it is sealed: writing the same one again changes nothing. */
  let sealed: readonly Segment[] = []
  let sealedLines = 0
  let sealedCharacters = 0
  let entries: Entry[] = []
  /** Lines ever given, and those that are in the store by now or lost: in the order in which they were given. */
  let given = 0
  let past = 0
  let waiters: readonly {
    readonly upTo: number
    readonly done: () => void
    readonly failed: (reason: Error) => void
  }[] = []
  let lost = 0
  let lostUnsaid = 0
  let closed = false
  let writing: Promise<void> = Promise.resolve()
  let stop: (() => void) | undefined

  const schedule = (): void => {
    if (closed || stop !== undefined) return
    stop = deps.timer.after(EVERY_MS, () => {
      stop = undefined
      void flush()
    })
  }
  const waiting = (): number => openLines + sealedLines + entries.length
  const waits = (): boolean => sealed.length > 0 || entries.length > 0 || lostUnsaid > 0
  const full = (): boolean => waiting() >= MOST || sealedCharacters > MOST_CHARACTERS
  const drop = (count = 1): void => {
    lost += count
    lostUnsaid += count
    for (const { failed } of waiters) failed(new Error('a line of the statement record was lost'))
    waiters = []
    schedule()
  }
  const seal = (): void => {
    const more = Array.from(open.values(), (writer) => writer.seal())
    open = new Map()
    openLines = 0
    sealed = [...sealed, ...more]
    for (const { count, body } of more) {
      sealedLines += count
      sealedCharacters += body.length
    }
  }

  /** Shrinks while writing fails, so that one item that cannot be written is found, and does not keep back the rest. */
  let size = BATCH

  const taken = (batch: readonly Segment[], said: readonly Entry[]): void => {
    sealed = sealed.slice(batch.length)
    entries = entries.slice(said.length)
    for (const { count, body } of batch) {
      sealedLines -= count
      sealedCharacters -= body.length
      past += count
    }
  }
  const tellWaiters = (): void => {
    for (const { upTo, done } of waiters) if (upTo <= past) done()
    waiters = waiters.filter(({ upTo }) => upTo > past)
  }
  const writeBatch = async (): Promise<void> => {
    const batch = sealed.slice(0, size)
    const said = entries.slice(0, batch.length > 0 && size === 1 ? 0 : size)
    const missing = lostUnsaid
    try {
      await deps.store.transaction(async (tx) => {
        for (const kept of await tx.requests.insertSegments(batch)) await tx.record.append(segmentWritten(kept))
        for (const entry of said) await tx.record.append(entry)
        if (missing > 0)
          await tx.record.append({ kind: 'statements.lost', subject: 'statements', body: { count: missing } })
      })
    } catch (error) {
      if (size > 1) size = Math.ceil(size / 4)
      // One item, and the store answers other questions: it is the item.
      else if (await answers()) {
        taken(batch, said)
        drop(batch[0]?.count ?? 1)
      }
      throw error
    }
    taken(batch, said)
    tellWaiters()
    lostUnsaid -= missing
    size = BATCH
  }
  const answers = async (): Promise<boolean> => {
    try {
      await deps.store.requests.nextDue()
      return true
    } catch {
      return false
    }
  }
  const drain = async (): Promise<void> => {
    try {
      seal()
      while (waits()) await writeBatch()
    } catch (error) {
      deps.onFault('writing the statement record', error)
      schedule()
    }
  }
  const flush = (): Promise<void> => (writing = writing.then(drain))

  return {
    statement(entry) {
      if (closed || full()) return drop()
      let writer = open.get(entry.session)
      if (writer === undefined) open.set(entry.session, (writer = new SegmentWriter(entry.session)))
      writer.add(entry)
      openLines++
      given++
      if (openLines === SEAL_AT || writer.characters > SEAL_AT_CHARACTERS) {
        seal()
        void flush()
      } else schedule()
    },
    entry(entry) {
      if (closed || full()) return drop()
      entries.push(entry)
      schedule()
    },
    written() {
      if (given === past) return Promise.resolve()
      const upTo = given
      const waited = new Promise<void>((done, failed) => (waiters = [...waiters, { upTo, done, failed }]))
      void flush()
      return waited
    },
    flush,
    async close() {
      closed = true
      stop?.()
      await flush()
    },
    state: () => ({ waiting: waiting(), lost }),
  }
}

const segmentWritten = ({ session, first, last, count, digest }: KeptSegment): Entry => ({
  kind: 'segment.written',
  subject: `session/${session}`,
  body: { session, first, last, count, digest },
})
