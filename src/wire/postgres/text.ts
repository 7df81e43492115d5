import { isUtf8 } from 'node:buffer'

/** Texts up to this many bytes are looked at one by one. */
const SHORT = 64

/** A cursor over one message body. Every read is bounds-checked; `ok` turns false instead of an exception. */
export class BodyReader {
  readonly #bytes: Buffer
  #at: number
  /** False once anything was read that was not there, or text that is not UTF-8. Values read after that mean nothing. */
  ok = true

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Every byte was used and every read was good: what a decoder must check last. */
  get complete(): boolean {
    return this.ok && this.#at === this.#bytes.length
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    return this.#have(1) ? this.#bytes.readUInt8(this.#at++) : 0
  }
  int16(): number {
    if (!this.#have(2)) return 0
    this.#at += 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }
  int32(): number {
    if (!this.#have(4)) return 0
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }
  /** Up to the next NUL, as UTF-8. Bytes that are not UTF-8 are refused: what a reviewer reads must be what runs. */
  cstring(): string {
    const start = this.#at
    const bytes = this.#bytes
    // Names are short and ASCII, and many are empty.
    const until = Math.min(bytes.length, start + SHORT)
    for (let at = start; at < until; at++) {
      const byte = bytes[at] ?? 0
      if (byte >= 0x80) break
      if (byte !== 0) continue
      this.#at = at + 1
      return at === start ? '' : bytes.toString('latin1', start, at)
    }
    const end = bytes.indexOf(0, start)
    if (end < 0) return this.#fail('')
    const raw = bytes.subarray(start, end)
    this.#at = end + 1
    if (!isUtf8(raw)) return this.#fail('')
    return raw.toString('utf8')
  }
  /** Aliases the body. */
  bytes(size: number): Buffer {
    if (!this.#have(size)) return Buffer.alloc(0)
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  #have(size: number): boolean {
    if (size >= 0 && this.#bytes.length - this.#at >= size) return this.ok
    this.ok = false
    return false
  }
  #fail<T>(value: T): T {
    this.ok = false
    return value
  }
}
