import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'

/** What a client may cancel with: made here, never the target's own. */
export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

/** Cancel keys of the live sessions. A key that fits nothing does nothing, and nobody is told which part was wrong. */
export class CancelKeys {
  readonly #byPid = new Map<number, { readonly secret: Buffer; readonly cancel: () => void }>()

  /** A fresh key. Protocol 3.2 takes long secrets; 3.0 takes exactly four bytes. */
  issue(minor: number, cancel: () => void): CancelKey {
    let pid = randomInt(1, 0x7fffffff)
    while (this.#byPid.has(pid)) pid = randomInt(1, 0x7fffffff)
    const secret = randomBytes(minor >= 2 ? 32 : 4)
    this.#byPid.set(pid, { secret, cancel })
    return { pid, secret }
  }
  revoke(key: CancelKey): void {
    this.#byPid.delete(key.pid)
  }
  use(pid: number, secret: Buffer): boolean {
    const found = this.#byPid.get(pid)
    if (found === undefined || found.secret.length !== secret.length || !timingSafeEqual(found.secret, secret))
      return false
    found.cancel()
    return true
  }
}
