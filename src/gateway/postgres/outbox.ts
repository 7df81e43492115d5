import type { Writable } from 'node:stream'

/**
 * What waits to be written to one peer. Neighbouring slices of one chunk become one slice again, so a chunk in
 * which every message may pass goes out in one write of the very bytes that came in.
 */
export class Outbox {
  readonly #to: Writable
  #slices: Buffer[] = []
  /** Bytes written to the peer in all; tells tests and logs whether anything was sent. */
  sent = 0

  constructor(to: Writable) {
    this.#to = to
  }

  add(bytes: Buffer): void {
    const last = this.#slices.at(-1)
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#slices[this.#slices.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length)
    } else {
      this.#slices.push(bytes)
    }
  }

  /** False when the peer is slower than what comes: stop reading the other side until it drains. */
  flush(): boolean {
    const slices = this.#slices
    if (slices.length === 0) return !this.#to.writableNeedDrain
    this.#slices = []
    if (!this.#to.writable) return true
    if (slices.length > 1) this.#to.cork()
    for (const slice of slices) {
      this.sent += slice.length
      this.#to.write(slice)
    }
    if (slices.length > 1) this.#to.uncork()
    return !this.#to.writableNeedDrain
  }
}
