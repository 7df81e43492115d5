import type { App } from '../app.ts'
import type { RecordDeps } from './deps.ts'

/** How long refusals are gathered before they are written together. */
const GATHER_MS = 250
/** Different ones in one gathering; a flood beyond is counted, not listed. */
const MOST = 200

/** Somebody puts a token into a path, or types it where a name belongs: the record keeps for ever, and keeps no token. */
const withoutTokens = (text: string): string => text.replaceAll(/hp_[A-Za-z0-9_-]{20,}/g, 'hp_…')
/** A stranger's text as the record may keep it. */
export const bounded = (text: string, most: number): string => withoutTokens(text).slice(0, most).toWellFormed()

/** One refusal as it will stand in the record. Texts in `body` must be bounded. */
export interface RefusalEntry {
  /** Who proved to be somebody. */
  readonly actor: string | undefined
  /** The principal whom it is about; undefined for nobody who is known. */
  readonly about: string | undefined
  readonly body: Readonly<Record<string, unknown>>
}
type Gathered = RefusalEntry & { count: number }

export interface RefusalRecorder {
  readonly record: App['recordRefusal']
  /** Any refusal, `count` times. Never throws, never waits. */
  gather(entry: RefusalEntry, count?: number): void
  /** Writes what is still gathered. */
  close(): Promise<void>
}

/**
 * Writes refusals in the background: equal ones of a quarter of a second become one entry with a count, so somebody
 * who knocks a thousand times a second neither slows the program nor fills the record. A crash may lose the last
 * quarter second of them; what was refused had no effect.
 */
export function createRefusalRecorder({ store, log }: Pick<RecordDeps, 'store' | 'log'>): RefusalRecorder {
  let gathered = new Map<string, Gathered>()
  let unlisted = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    timer = undefined
    const batch = [...gathered.values()]
    const beyond = unlisted
    gathered = new Map()
    unlisted = 0
    if (batch.length === 0) return
    try {
      await store.transaction(async (tx) => {
        for (const { actor, about, body, count } of batch) {
          await tx.record.append({
            kind: 'access.refused',
            subject: `access/${about ?? 'unknown'}`,
            ...(actor === undefined ? {} : { actor }),
            body: { ...body, count },
          })
        }
        if (beyond > 0)
          await tx.record.append({
            kind: 'access.refused',
            subject: 'access/unknown',
            body: { what: 'more than are listed', count: beyond },
          })
      })
    } catch (error) {
      log(`${batch.length} refusals could not be recorded: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  const flush = (): void => {
    writing = writing.then(write)
  }

  const gather = ({ actor, about, body }: RefusalEntry, count = 1): void => {
    const key = JSON.stringify([actor, about, body])
    const known = gathered.get(key)
    if (known !== undefined) known.count += count
    else if (gathered.size < MOST) gathered.set(key, { actor, about, body, count })
    else unlisted += count
    timer ??= setTimeout(flush, GATHER_MS)
  }

  return {
    gather,
    record(caller, { what, refusal, sourceAddress }) {
      const actor = caller?.principal.id
      const body = {
        what: bounded(what, 200),
        refusal,
        sourceAddress: bounded(sourceAddress, 100),
      }
      gather({ actor, about: actor, body })
    },
    async close() {
      clearTimeout(timer)
      flush()
      await writing
    },
  }
}
