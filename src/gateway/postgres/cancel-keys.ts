import { randomBytes, timingSafeEqual } from 'node:crypto'

/** What a client may cancel with. The secret is made here, and never the target's own. */
export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

/** Passes a CancelRequest on to the other workers. */
export type CancelElsewhere = (pid: number, secret: Buffer) => void

interface Live extends CancelKey {
  readonly cancel: () => void
}

/**
 * Cancel keys of the live sessions. A key that fits nothing does nothing, and nobody is told which part was wrong.
 * The process id is that of the backend on the target: clients compare it with `pg_backend_pid()` and with the sender
 * of a notification. Two targets may have the same, so that only the secret tells two sessions apart. A CancelRequest
 * comes on a connection of its own, which may reach any worker of the port: one that fits nothing here is shown to all.
 */
export class CancelKeys {
  readonly #elsewhere: CancelElsewhere
  readonly #byPid = new Map<number, readonly Live[]>()

  /** @param elsewhere takes a request whose key was not issued here. */
  constructor(elsewhere: CancelElsewhere = () => undefined) {
    this.#elsewhere = elsewhere
  }

  /** A fresh key. Protocol 3.2 takes long secrets; 3.0 takes exactly four bytes. */
  issue(minor: number, backend: number, cancel: () => void): CancelKey {
    // What a target says of itself may be no Int32.
    const pid = backend & 0x7fff_ffff
    const key = { pid, secret: randomBytes(minor >= 2 ? 32 : 4), cancel }
    this.#byPid.set(pid, [...(this.#byPid.get(pid) ?? []), key])
    return key
  }
  revoke(key: CancelKey): void {
    const others = (this.#byPid.get(key.pid) ?? []).filter((one) => one !== key)
    if (others.length === 0) this.#byPid.delete(key.pid)
    else this.#byPid.set(key.pid, others)
  }
  /** @param passedOn it reached another worker first, and goes no further. */
  use(pid: number, secret: Buffer, passedOn = false): boolean {
    const same = (live: Live): boolean => live.secret.length === secret.length && timingSafeEqual(live.secret, secret)
    const found = this.#byPid.get(pid)?.find(same)
    if (found === undefined && !passedOn) this.#elsewhere(pid, secret)
    found?.cancel()
    return found !== undefined
  }
}
