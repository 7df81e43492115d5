/**
 * Framing of the PostgreSQL wire protocol, version 3 (documentation 18, section 54.7): one byte of type,
 * then a length that counts itself and the body. Both directions look the same after the startup packet.
 */

/** Type byte and length. */
export const HEADER = 5

/** Consecutive bytes of one message, where they stand: what was pushed, wherever that is possible. */
export class Piece {
  readonly kind = 'piece'
  readonly tag: number
  /** What goes on the wire stands in `chunk` from `start` to `end`: with the header when `first`. */
  readonly chunk: Buffer
  readonly start: number
  readonly end: number
  readonly first: boolean
  /** Whole messages are first and last at once; only tags that the limits stream ever come in parts. */
  readonly last: boolean
  #bytes: Buffer | undefined

  constructor(tag: number, chunk: Buffer, start: number, end: number, first: boolean, last: boolean) {
    this.tag = tag
    this.chunk = chunk
    this.start = start
    this.end = end
    this.first = first
    this.last = last
  }

  /** The same as a buffer of their own, made when it is asked for. Aliases `chunk`. */
  get bytes(): Buffer {
    return (this.#bytes ??= this.chunk.subarray(this.start, this.end))
  }
}

/** The peer broke the protocol: nothing of this message was handed out, and nothing behind it can be trusted. */
export interface Violation {
  readonly kind: 'violation'
  readonly reason: 'length_too_small' | 'length_too_large' | 'unknown_type'
  readonly tag: number
  /** The declared length of the body, as an unsigned number. */
  readonly length: number
}

/**
 * What a direction accepts, by type byte: the largest body in bytes that is gathered whole, `STREAMED` for a
 * body of any size that is handed out as it comes, `REFUSED` for a type that this peer may not send.
 */
export type Limits = (tag: number) => number
export const STREAMED = -1
export const REFUSED = -2

/** The largest body that PostgreSQL itself would ever send or take (1 GiB less a byte). */
const LARGEST_STREAMED = 0x3fffffff

/** Chunks up to this size are gathered, once so many wait. */
const SMALL = 4096
const FEW = 8
const TAIL = 64 * 1024

/**
 * Cuts a stream of chunks into messages. Copies only what crosses the border between two chunks.
 * Pull with `next` until it answers undefined, then push more. After a violation it answers nothing else.
 */
export class FrameReader {
  readonly #limits: Limits
  #chunks: Buffer[] = []
  /** Where the unread bytes begin in the first chunk. */
  #at = 0
  #buffered = 0
  /** Bytes of a streamed body still to come, and its tag. */
  #streaming = 0
  #tag = 0
  #violation: Violation | undefined
  /** Where the small chunks of a slow or malicious peer are gathered; the last chunk while there is room. */
  #tail: { readonly bytes: Buffer; used: number; view: Buffer } | undefined
  /** How far `holds` has looked, for which type; what is handed out moves everything. */
  #seen = { tag: 0, at: 0 }

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Bytes pushed and not handed out yet. */
  get buffered(): number {
    return this.#buffered
  }

  /** Whether the next piece begins a message. */
  get atBoundary(): boolean {
    return this.#streaming === 0
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#buffered += chunk.length
    if (chunk.length > SMALL || this.#chunks.length < FEW) this.#chunks.push(chunk)
    else this.#gather(chunk)
  }

  /** Copies into bytes that no piece aliases yet: byte by byte costs no more than at once. */
  #gather(chunk: Buffer): void {
    let tail = this.#tail
    if (tail === undefined || tail.view !== this.#chunks.at(-1) || tail.used + chunk.length > tail.bytes.length) {
      tail = { bytes: Buffer.allocUnsafeSlow(TAIL), used: 0, view: Buffer.alloc(0) }
      this.#tail = tail
      this.#chunks.push(tail.view)
    }
    chunk.copy(tail.bytes, tail.used)
    tail.used += chunk.length
    tail.view = tail.bytes.subarray(0, tail.used)
    this.#chunks[this.#chunks.length - 1] = tail.view
  }

  next(): Piece | Violation | undefined {
    if (this.#violation !== undefined) return this.#violation
    if (this.#streaming > 0) return this.#stream(false)
    if (this.#buffered < HEADER) return undefined
    const head = this.#chunks[0]
    const at = this.#at
    let tag: number
    let length: number // unsigned
    if (head !== undefined && head.length - at >= HEADER) {
      tag = head[at] ?? 0
      length =
        (head[at + 1] ?? 0) * 0x1000000 +
        (((head[at + 2] ?? 0) << 16) | ((head[at + 3] ?? 0) << 8) | (head[at + 4] ?? 0))
    } else {
      tag = this.#peek(0)
      length = this.#peek(1) * 0x1000000 + ((this.#peek(2) << 16) | (this.#peek(3) << 8) | this.#peek(4))
    }
    const limit = this.#limits(tag)
    if (limit === REFUSED) return this.#refuse('unknown_type', tag, length)
    if (length < 4) return this.#refuse('length_too_small', tag, length)
    const body = length - 4
    if (limit === STREAMED) {
      if (body > LARGEST_STREAMED) return this.#refuse('length_too_large', tag, length)
      this.#tag = tag
      this.#streaming = HEADER + body
      return this.#stream(true)
    }
    if (body > limit) return this.#refuse('length_too_large', tag, length)
    if (this.#buffered < HEADER + body) return undefined
    return this.#cut(tag, HEADER + body, true, true)
  }

  /**
   * Whether a whole message of this type stands in what is buffered and not handed out. Never throws on nonsense.
   * Goes on where the last call for the same type ended, so that asking after every chunk costs no more than once.
   */
  holds(tag: number): boolean {
    if (this.#violation !== undefined) return false
    if (this.#seen.tag !== tag) this.#seen = { tag, at: 0 }
    let chunk = 0
    let base = -this.#at
    const byte = (offset: number): number => {
      for (;;) {
        const here = this.#chunks[chunk]
        if (here === undefined) return 0
        if (offset < base + here.length) return here[offset - base] ?? 0
        base += here.length
        chunk += 1
      }
    }
    for (let at = Math.max(this.#seen.at, this.#streaming); at + HEADER <= this.#buffered;) {
      const type = byte(at)
      const length = byte(at + 1) * 0x1000000 + ((byte(at + 2) << 16) | (byte(at + 3) << 8) | byte(at + 4))
      if (length < 4) return false
      if (type === tag) return at + 1 + length <= this.#buffered
      at += 1 + length
      this.#seen.at = at
    }
    return false
  }

  /** Everything not handed out, and forgets it: for the change to TLS, where leftovers are an attack. */
  rest(): Buffer {
    return this.#buffered === 0 ? Buffer.alloc(0) : this.#cut(0, this.#buffered, true, true).bytes
  }

  #refuse(reason: Violation['reason'], tag: number, length: number): Violation {
    this.#violation = { kind: 'violation', reason, tag, length: Math.max(0, length - 4) }
    this.#chunks = []
    this.#tail = undefined
    this.#buffered = 0
    return this.#violation
  }

  #stream(first: boolean): Piece | undefined {
    const head = this.#chunks[0]
    if (head === undefined) return undefined
    // INVARIANT: a first piece always has its whole header, so that readers may look at it.
    const here = head.length - this.#at
    const size = Math.min(this.#streaming, first ? Math.max(here, HEADER) : here)
    this.#streaming -= size
    return this.#cut(this.#tag, size, first, this.#streaming === 0)
  }

  #peek(offset: number): number {
    let at = this.#at + offset
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at] ?? 0
      at -= chunk.length
    }
    return 0
  }

  /** The next `size` bytes, which are there. Copies them only when they stand in several chunks. */
  #cut(tag: number, size: number, first: boolean, last: boolean): Piece {
    this.#buffered -= size
    this.#seen.at = 0
    const start = this.#at
    const end = start + size
    const head = this.#chunks[0]
    if (head === undefined || end > head.length) return new Piece(tag, this.#join(size), 0, size, first, last)
    if (end === head.length) this.#drop(1)
    else this.#at = end
    return new Piece(tag, head, start, end, first, last)
  }

  #join(size: number): Buffer {
    const whole = Buffer.allocUnsafe(size)
    let filled = 0
    let used = 0
    let from = this.#at
    for (const chunk of this.#chunks) {
      const n = Math.min(size - filled, chunk.length - from)
      chunk.copy(whole, filled, from, from + n)
      filled += n
      if (from + n < chunk.length) {
        this.#drop(used)
        this.#at = from + n
        return whole
      }
      used += 1
      from = 0
      if (filled === size) break
    }
    this.#drop(used)
    return whole
  }

  #drop(count: number): void {
    if (count === this.#chunks.length) this.#chunks.length = 0
    else this.#chunks.splice(0, count)
    this.#at = 0
  }
}
