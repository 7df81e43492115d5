import type { App, Caller } from '../app/app.ts'
import type { RecordedEntry } from '../app/ports/store.ts'
import { entryView } from './view/session.ts'

/** How often a stream shows that it lives, and asks whether its token still does. */
export const BEAT_MS = 10_000
/** A reader that takes nothing for this long is gone, or too slow to be kept. */
const STUCK_AFTER_BEATS = 6
/** How long a browser waits before it comes back. */
const RETRY_MS = 2_000

export interface StreamInput {
  readonly app: Pick<App, 'followEntries' | 'authenticate'>
  readonly caller: Caller
  /** Asked again at each beat: a revoked token or a disabled account ends the stream. */
  readonly reauthenticate: () => Promise<Caller | undefined>
  readonly filter: { readonly after: string; readonly resource?: string }
  /** The client left, or the server stops. */
  readonly signal: AbortSignal
  readonly beatMs?: number
  /** Called once, when no more will come. A reader that is stuck will not take even that. */
  readonly ended?: () => void
}

/**
 * Entries as server-sent events (WHATWG HTML, section 9.2), pulled no faster than the client reads: a slow reader
 * holds one entry here and none in memory beyond. Ends when the signal aborts, the caller's authority changes,
 * or the reader is stuck; a client comes back with the last id and misses nothing.
 */
export function streamEvents({
  app,
  caller,
  reauthenticate,
  filter,
  signal,
  beatMs = BEAT_MS,
  ended: told,
}: StreamInput): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const entries = app.followEntries(caller, filter, both)[Symbol.asyncIterator]()
  let coming: Promise<IteratorResult<RecordedEntry, unknown>> | undefined
  let beat = Promise.withResolvers<'beat'>()
  let beatsWithoutReader = 0

  const ticking = setInterval(() => {
    beatsWithoutReader += 1
    if (beatsWithoutReader > STUCK_AFTER_BEATS) stop.abort()
    reauthenticate().then(
      (now) => {
        if (now === undefined || !sameAuthority(now, caller)) stop.abort()
        else {
          beat.resolve('beat')
          beat = Promise.withResolvers<'beat'>()
        }
      },
      () => stop.abort(),
    )
  }, beatMs)
  ticking.unref()
  const ended = new Promise<'ended'>((resolve) => {
    const end = (): void => {
      clearInterval(ticking)
      // A generator that waits in `yield` sees no signal: it is told to return.
      void entries.return?.()?.catch(() => undefined)
      told?.()
      resolve('ended')
    }
    if (both.aborted) end()
    else both.addEventListener('abort', end, { once: true })
  })

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // An id without data is no event; a client that is cut off before the first one comes back with it all the same.
        controller.enqueue(encoder.encode(`: holdpoint\nretry: ${RETRY_MS}\nid: ${idOf(filter.after)}\n\n`))
        // A reader that is stuck pulls no more, so the end must reach it from here.
        void ended.then(() => closeQuietly(controller))
      },
      async pull(controller) {
        beatsWithoutReader = 0
        coming ??= entries.next()
        // A fault of the store ends the stream: the client comes back and finds out more.
        const next = await Promise.race([coming.catch(() => 'failed' as const), beat.promise, ended])
        if (next === 'ended') return
        if (next === 'beat') {
          controller.enqueue(encoder.encode(': beat\n\n'))
          return
        }
        coming = undefined
        if (next === 'failed' || next.done === true) {
          stop.abort()
          return
        }
        controller.enqueue(encoder.encode(eventText(next.value)))
      },
      cancel() {
        stop.abort()
      },
    },
    { highWaterMark: 1 },
  )
}

/** INVARIANT: JSON.stringify writes no line break, so an entry is one `data` line whatever people wrote into it. */
function eventText(entry: RecordedEntry): string {
  if (!/^[a-z_.]+$/.test(entry.kind))
    throw new Error('an entry of the record has a kind that cannot be sent as an event')
  return `id: ${idOf(entry.cursor)}\nevent: ${entry.kind}\ndata: ${JSON.stringify(entryView(entry))}\n\n`
}

function idOf(cursor: string): string {
  if (/[^\x21-\x7e]/.test(cursor)) throw new Error('a cursor of the record cannot be sent as the id of an event')
  return cursor
}

const sameAuthority = (a: Caller, b: Caller): boolean =>
  JSON.stringify([a.principal.roles, a.principal.disabled, a.scopes]) ===
  JSON.stringify([b.principal.roles, b.principal.disabled, b.scopes])

function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close()
  } catch {
    // Closed or cancelled already: there is nobody left to tell.
  }
}
