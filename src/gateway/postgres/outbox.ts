import type { Writable } from 'node:stream'

/** Bytes that stand in a chunk. */
interface Stretch {
  readonly chunk: Buffer
  readonly start: number
  readonly end: number
}

/**
 * What waits to be written to one peer. Neighbouring stretches of one chunk become one again, so a chunk in which every
 * message may pass goes out in one write of the very bytes that came in.
 */
export class Outbox {
  readonly #to: Writable
  /** What stands before the last stretch. */
  readonly #before: Buffer[] = []
  /** The last stretch, where it begins in memory and how long it is; and a buffer in that memory, often just it. */
  #last: Buffer | undefined
  #start = 0
  #length = 0
  /** Bytes written to the peer in all; tells tests and logs whether anything was sent. */
  sent = 0

  constructor(to: Writable) {
    this.#to = to
  }

  add(bytes: Buffer): void {
    this.#put(bytes, 0, bytes.length)
  }
  /** The same of bytes in a chunk, without a buffer of their own. */
  pass({ chunk, start, end }: Stretch): void {
    this.#put(chunk, start, end - start)
  }

  /** False when the peer is slower than what comes: stop reading the other side until it drains. */
  flush(): boolean {
    const to = this.#to
    const last = this.#take()
    if (last === undefined) return !to.writableNeedDrain
    const before = this.#before
    if (!to.writable) {
      before.length = 0
      return true
    }
    this.sent += last.length
    if (before.length === 0) to.write(last)
    else {
      to.cork()
      for (const bytes of before) {
        this.sent += bytes.length
        to.write(bytes)
      }
      before.length = 0
      to.write(last)
      to.uncork()
    }
    return !to.writableNeedDrain
  }

  #put(bytes: Buffer, from: number, length: number): void {
    const start = bytes.byteOffset + from
    const last = this.#last
    if (last !== undefined) {
      if (start === this.#start + this.#length && (last === bytes || last.buffer === bytes.buffer)) {
        this.#length += length
        return
      }
      this.#before.push(this.#stretch(last))
    }
    this.#last = bytes
    this.#start = start
    this.#length = length
  }
  #take(): Buffer | undefined {
    const last = this.#last
    this.#last = undefined
    return last === undefined ? undefined : this.#stretch(last)
  }
  #stretch(last: Buffer): Buffer {
    const whole = this.#start === last.byteOffset && this.#length === last.length
    return whole ? last : Buffer.from(last.buffer, this.#start, this.#length)
  }
}
