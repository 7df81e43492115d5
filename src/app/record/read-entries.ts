import type { App, Caller } from '../app.ts'
import type { RecordedEntry, RecordFilter } from '../ports/store.ts'
import { ownedBy, sightOf } from '../requests/access.ts'
import { done, refuse } from '../result.ts'
import type { RecordDeps } from './deps.ts'

const USUAL = 100
const MOST = 500
/** Wakes are hints: a follower looks this often without one. */
const LOOK_MS = 1_000

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
  { after, limit = USUAL, resource, subject }: Parameters<App['listEntries']>[1],
): ReturnType<App['listEntries']> {
  if (caller.principal.kind === 'service') return refuse('not_permitted', 'services do not read the record')
  const filter = { ...(resource === undefined ? {} : { resource }), ...(subject === undefined ? {} : { subject }) }
  try {
    const items = await deps.store.recorded.after(
      after,
      Math.min(Math.max(limit, 1), MOST),
      filterFor(deps, caller, filter),
    )
    const cursor = items.at(-1)?.cursor ?? after
    return done(cursor === undefined ? { items } : { items, cursor })
  } catch (error) {
    if (error instanceof RangeError) return refuse('invalid_input', 'that cursor is not one of the record')
    throw error
  }
}

/**
 * Entries as they come, from `after` or from now on. Ends when `signal` aborts, and when the caller's token does.
 * Throws when the store does not answer: whoever follows begins again at the last cursor.
 */
export async function* followEntries(
  deps: RecordDeps,
  caller: Caller,
  { after, resource }: Parameters<App['followEntries']>[1],
  signal: AbortSignal,
): AsyncGenerator<RecordedEntry, void, undefined> {
  if (caller.principal.kind === 'service') return
  const bell = ring(signal)
  const stop = deps.wake.subscribe('', bell.ring)
  try {
    let cursor = after ?? (await deps.store.recorded.newest())
    while (!signal.aborted) {
      bell.reset()
      // Before each look: roles, teams and the token itself may have gone meanwhile.
      const now = await stillThere(deps, caller)
      if (now === undefined) return
      const found = await deps.store.recorded.after(
        cursor,
        USUAL,
        filterFor(deps, now, resource === undefined ? {} : { resource }),
      )
      for (const entry of found) {
        if (signal.aborted) return
        yield entry
        cursor = entry.cursor
      }
      if (found.length < USUAL) await bell.heard(LOOK_MS)
    }
  } finally {
    stop()
  }
}

async function stillThere({ store }: RecordDeps, caller: Caller): Promise<Caller | undefined> {
  if (!(await store.people.isLive(caller.token))) return undefined
  const principal = await store.people.find(caller.principal.id)
  return principal && { ...caller, principal }
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
