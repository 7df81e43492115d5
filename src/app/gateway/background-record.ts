import type { Entry } from '../../domain/ledger/entry.ts'
import type { StatementEntry } from '../../domain/session/session.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'

/** What is written behind the client's back: statements that ran, refusals. */
export interface BackgroundRecord {
  statement(entry: StatementEntry): void
  entry(entry: Entry): void
  /** Writes what there is now, and resolves when it is written. */
  flush(): Promise<void>
  /** Writes the rest and takes no more. */
  close(): Promise<void>
  /** How much waits, and how much had to be dropped since the start. For metrics and readiness. */
  state(): { readonly waiting: number; readonly lost: number }
}

const EVERY_MS = 500
const BATCH = 500
/** When the store is away for long: bounded by number and by the characters of the texts. */
const MOST = 20_000
const MOST_CHARACTERS = 32 * 1024 * 1024

/**
 * Buffers in memory and writes in batches. If the process dies, at most the last half second is lost, as with
 * `audit: async`; if the store is away, entries wait up to a bound, and what did not fit is counted and recorded as lost.
 */
export function createBackgroundRecord(deps: {
  readonly store: Store
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}): BackgroundRecord {
  let statements: StatementEntry[] = []
  let entries: Entry[] = []
  let characters = 0
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
  const full = (): boolean => statements.length + entries.length >= MOST || characters > MOST_CHARACTERS
  const drop = (): void => {
    lost++
    lostUnsaid++
    schedule()
  }

  const waits = (): boolean => statements.length > 0 || entries.length > 0 || lostUnsaid > 0
  /** Shrinks while writing fails, so that one item that cannot be written is found, and does not keep back the rest. */
  let size = BATCH

  const taken = (batch: readonly StatementEntry[], said: readonly Entry[]): void => {
    statements = statements.slice(batch.length)
    entries = entries.slice(said.length)
    for (const statement of batch) characters -= statement.text.length
  }
  const writeBatch = async (): Promise<void> => {
    const batch = statements.slice(0, size)
    const said = entries.slice(0, batch.length > 0 && size === 1 ? 0 : size)
    const missing = lostUnsaid
    try {
      await deps.store.transaction(async (tx) => {
        await tx.requests.insertStatements(batch)
        for (const entry of said) await tx.record.append(entry)
        if (missing > 0)
          await tx.record.append({ kind: 'statements.lost', subject: 'statements', body: { count: missing } })
      })
    } catch (error) {
      if (size > 1) size = Math.ceil(size / 4)
      // One item, and the store answers other questions: it is the item.
      else if (await answers()) {
        taken(batch, said)
        drop()
      }
      throw error
    }
    taken(batch, said)
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
      statements.push(entry)
      characters += entry.text.length
      if (statements.length === BATCH) void flush()
      else schedule()
    },
    entry(entry) {
      if (closed || full()) return drop()
      entries.push(entry)
      schedule()
    },
    flush,
    async close() {
      closed = true
      stop?.()
      await flush()
    },
    state: () => ({ waiting: statements.length + entries.length, lost }),
  }
}
