import type { App, Caller } from '../app.ts'
import { readPlace, signPlace } from '../../domain/cursor.ts'
import type { Sight } from '../ports/requests.ts'
import type { RecordedEntry, RecordFilter } from '../ports/store.ts'
import { ownedBy, sightOf } from '../requests/access.ts'
import { done, refuse } from '../result.ts'
import { CHECKPOINT, WANTED } from '../ledger/subjects.ts'
import type { RecordDeps } from './deps.ts'

const USUAL = 100
const MOST = 500
/** Wakes are hints: a follower looks this often without one. */
const LOOK_MS = 1_000

/**
 * Signed cursors outside, the store's own inside: a cursor is good for this reader and these filters, and for nothing
 * else. A list and a stream with the same filters understand each other's.
 */
function cursorsOf(
  { cursorKey }: RecordDeps,
  caller: Caller,
  { resource, subject }: Pick<RecordFilter, 'resource' | 'subject'>,
) {
  const query = JSON.stringify(['record', caller.principal.id, resource, subject])
  return {
    sign: (place: string): string => signPlace(cursorKey, query, place),
    read: (cursor: string): string | undefined => readPlace(cursorKey, query, cursor),
  }
}

const filterFor = (
  { policy }: RecordDeps,
  caller: Caller,
  filter: Pick<RecordFilter, 'resource' | 'subject'>,
): RecordFilter => ({
  ...filter,
  sight: sightOf(caller, ownedBy(caller, policy())),
})

/** The access table: machines do not read the record; whoever has no role reads what concerns them. */
export async function listEntries(
  deps: RecordDeps,
  caller: Caller,
  { after, limit, last, resource, subject }: Parameters<App['listEntries']>[1],
): ReturnType<App['listEntries']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  if (last !== undefined && (after !== undefined || limit !== undefined))
    return refuse('invalid_input', 'last takes neither a cursor nor a limit: it is counted from the end')
  const filter = { ...(resource === undefined ? {} : { resource }), ...(subject === undefined ? {} : { subject }) }
  const cursors = cursorsOf(deps, caller, filter)
  const from = after === undefined ? undefined : cursors.read(after)
  if (after !== undefined && from === undefined) return refuse('invalid_input', 'the cursor is not one of this list')
  const size = Math.min(Math.max(last ?? limit ?? USUAL, 1), MOST)
  const { recorded } = deps.store
  const seen = filterFor(deps, caller, filter)
  const found = await (last === undefined ? recorded.after(from, size, seen) : recorded.last(size, seen))
  const items = found.map((entry) => ({ ...entry, cursor: cursors.sign(entry.cursor) }))
  const cursor = items.at(-1)?.cursor ?? after
  return done(cursor === undefined ? { items } : { items, cursor })
}

/** The same people as may list entries. */
export async function settledCursor(
  deps: RecordDeps,
  caller: Caller,
  filter: Parameters<App['settledCursor']>[1] = {},
): ReturnType<App['settledCursor']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  return done(cursorsOf(deps, caller, filter).sign(await deps.store.recorded.settled()))
}

/**
 * Entries as they come, each once and in order, as far as the caller may see them when they are read. Ends when
 * `signal` aborts, and when the caller's token does. Throws when the store does not answer: whoever follows begins
 * again at the last cursor. Throws RangeError for a cursor that `listEntries` refuses.
 *
 * INVARIANT: what is settled is asked first, and who the caller is and what they own after that. So no entry is passed
 * over by eyes that are older than the entry, and the cursor may go on to where the record is settled.
 */
export async function* followEntries(
  deps: RecordDeps,
  caller: Caller,
  { after, resource }: Parameters<App['followEntries']>[1],
  signal: AbortSignal,
): AsyncGenerator<RecordedEntry, void, undefined> {
  if (caller.principal.kind === 'service') return
  const { recorded } = deps.store
  const filter = resource === undefined ? {} : { resource }
  const cursors = cursorsOf(deps, caller, filter)
  let cursor = cursors.read(after)
  if (cursor === undefined) throw new RangeError('not a cursor of this list')
  const bell = ring(signal)
  const stop = deps.wake.subscribe('', (subject) => {
    if (subject !== WANTED && subject !== CHECKPOINT) bell.ring()
  })
  try {
    while (!signal.aborted) {
      bell.reset()
      const settled = await recorded.settled()
      const eyes = await eyesOf(deps, caller)
      if (eyes === 'gone') return
      if (eyes !== 'not now') {
        const found = await recorded.after(cursor, USUAL, { ...filter, sight: eyes, before: settled })
        for (const entry of found) {
          if (signal.aborted) return
          yield { ...entry, cursor: cursors.sign(entry.cursor) }
          cursor = entry.cursor
        }
        if (found.length === USUAL) continue
        // A cursor from before the store was restored may be further: it stays.
        if (settled > cursor) cursor = settled
      }
      await bell.heard(LOOK_MS)
    }
  } finally {
    stop()
  }
}

/**
 * With whose eyes the caller reads from this moment on: roles, teams and the token itself may have gone since the last
 * look. `not now` while nobody can tell what they own.
 */
async function eyesOf(deps: RecordDeps, caller: Caller): Promise<Sight | 'gone' | 'not now'> {
  const { people, documents } = deps.store
  if (!(await people.isLive(caller.token))) return 'gone'
  const principal = await people.find(caller.principal.id)
  if (principal === undefined) return 'gone'
  const now = { ...caller, principal }
  const regardless = sightOf(now, [])
  if (regardless.kind === 'all') return regardless
  const revision = await documents.currentRevision()
  if ((deps.policy()?.revision ?? -1) < revision) await deps.refreshPolicy()
  const policy = deps.policy()
  return policy === undefined || policy.revision < revision ? 'not now' : sightOf(now, ownedBy(now, policy))
}

/** Rung by a wake or the end of the signal; heard once, at the latest after the given time. */
function ring(signal: AbortSignal) {
  let rung = false
  let wakeUp: (() => void) | undefined
  const ringNow = (): void => {
    rung = true
    wakeUp?.()
  }
  signal.addEventListener('abort', ringNow, { once: true })
  return {
    ring: ringNow,
    reset: () => void (rung = false),
    heard: (atMostMs: number): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(() => wakeUp?.(), atMostMs)
        wakeUp = () => {
          clearTimeout(timer)
          wakeUp = undefined
          resolve()
        }
        if (rung || signal.aborted) wakeUp()
      }),
  }
}
