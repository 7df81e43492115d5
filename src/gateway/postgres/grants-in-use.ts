import type { CutOrder, GatewayApp } from '../../app/ports/gateway.ts'
import type { Digest, SessionId } from '../../domain/ids.ts'
import { atDeadline } from './deadline.ts'
import type { Leave } from './hold.ts'

/** How long the store has to say that a grant was extended, once its known time is up. */
const LAST_WORD_MS = 250

/**
 * This process's own deadlines for the grants that a session has used: each cuts the session when its time is up,
 * also when the store is gone by then. One of a single run is called off when the run ends.
 */
export class GrantsInUse {
  readonly #app: GatewayApp
  readonly #session: SessionId
  readonly #cut: (order: CutOrder) => void
  readonly #stops = new Map<object | string, () => void>()

  constructor(app: GatewayApp, session: SessionId, cut: (order: CutOrder) => void) {
    this.#app = app
    this.#session = session
    this.#cut = cut
  }

  /** `run` is what `over` will be called with. */
  use(run: object, leave: Leave): void {
    const key = leave.single ? run : leave.request
    this.#stops.get(key)?.()
    const late = () => (leave.single ? this.#expire(leave) : void this.#ask(leave))
    this.#stops.set(key, atDeadline(leave.expiresAt - this.#app.now(), late))
  }
  over(run: object): void {
    this.#stops.get(run)?.()
    this.#stops.delete(run)
  }
  close(): void {
    for (const stop of this.#stops.values()) stop()
    this.#stops.clear()
  }

  #expire(leave: Leave): void {
    this.#cut({ reason: 'expired', why: `${leave.request} ended (expired)` })
  }

  /** A window may have been extended since it was entered. No answer in time is an answer. */
  async #ask(leave: Leave): Promise<void> {
    const silence = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), LAST_WORD_MS).unref())
    const again = this.#app
      .start(leave.request, { session: this.#session, digest: '' as Digest })
      .catch(() => undefined)
    const started = await Promise.race([again, silence])
    if (!this.#stops.has(leave.request)) return
    if (started?.kind === 'go' && started.expiresAt > this.#app.now())
      this.use(leave, { ...leave, expiresAt: started.expiresAt })
    else this.#expire(leave)
  }
}
