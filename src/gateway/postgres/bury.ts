import type { Socket } from 'node:net'
import type { CloseReason } from '../../domain/session/session.ts'
import type { SessionParts } from './session-parts.ts'

/** How long a backend has to leave by itself after it was told to. */
const GRACE_MS = 500
/** How long it is terminated and looked for; the reconciler goes on where this ends. */
const TERMINATE_MS = 5000

/**
 * See the backend of an ended session gone from its target, then close the session in the record. Never rejects.
 * @param cutting do not wait for it to leave by itself.
 * @param settled what is known of its runs was told; what is not known by then, nobody knows.
 */
export async function bury(
  of: SessionParts,
  why: CloseReason,
  cutting: boolean,
  settled: Promise<void>,
): Promise<void> {
  const { app, backend, control, session, target, upstream, resource, log } = of
  try {
    // INVARIANT: behind a pooler the backend is the session's only as long as the connection stands.
    const foreign = of.pooled && upstream.closed
    if (cutting || of.pooled) void of.cancelTarget()
    else await closed(upstream, GRACE_MS)
    const left = foreign || (!cutting && upstream.closed && (await control.isGone(target, backend)))
    if (!left && !(await control.terminate(target, backend, TERMINATE_MS))) {
      log.error({ session, resource }, 'the backend of a closed session is still there')
    }
  } catch (error) {
    log.warn({ err: error, session, resource }, 'the end of a backend could not be seen')
  }
  try {
    await settled
    await app.closeSession(session, why)
  } catch (error) {
    log.warn({ err: error, session, resource }, 'the end of a session could not be recorded')
  }
}

const closed = (socket: Socket, withinMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) return resolve()
    const timer = setTimeout(resolve, withinMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
