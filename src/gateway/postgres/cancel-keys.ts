import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'

/** What a client may cancel with: made here, never the target's own. */
export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

/** Passes a CancelRequest on to the worker that its process id names. */
export type CancelElsewhere = (pid: number, secret: Buffer) => void

/** What the number of the worker leaves of a process id, which is a positive Int32: 127 workers, 24 bits for each. */
const OF_WORKER = 24

/**
 * Cancel keys of the live sessions. A key that fits nothing does nothing, and nobody is told which part was wrong.
 * A CancelRequest comes on a connection of its own, which may reach any worker of the port: the process id in a key
 * names the worker that issued it.
 */
export class CancelKeys {
  readonly #worker: number
  readonly #elsewhere: CancelElsewhere
  readonly #byPid = new Map<number, { readonly secret: Buffer; readonly cancel: () => void }>()

  /**
   * @param worker 0 to 126.
   * @param elsewhere takes a request whose key another worker issued.
   */
  constructor(worker = 0, elsewhere: CancelElsewhere = () => undefined) {
    this.#worker = worker
    this.#elsewhere = elsewhere
  }

  /** A fresh key. Protocol 3.2 takes long secrets; 3.0 takes exactly four bytes. */
  issue(minor: number, cancel: () => void): CancelKey {
    const fresh = (): number => this.#worker * 2 ** OF_WORKER + randomInt(1, 2 ** OF_WORKER)
    let pid = fresh()
    while (this.#byPid.has(pid)) pid = fresh()
    const secret = randomBytes(minor >= 2 ? 32 : 4)
    this.#byPid.set(pid, { secret, cancel })
    return { pid, secret }
  }
  revoke(key: CancelKey): void {
    this.#byPid.delete(key.pid)
  }
  use(pid: number, secret: Buffer): boolean {
    const found = this.#byPid.get(pid)
    if (found === undefined && pid >>> OF_WORKER !== this.#worker) this.#elsewhere(pid, secret)
    if (found === undefined || found.secret.length !== secret.length || !timingSafeEqual(found.secret, secret))
      return false
    found.cancel()
    return true
  }
}
