import type { Socket } from 'node:net'
import { FrameReader } from '../../wire/postgres/frame.ts'
import type { Limits, Piece, Violation } from '../../wire/postgres/frame.ts'
import { decodeStartup } from '../../wire/postgres/startup.ts'
import type { StartupDecoded } from '../../wire/postgres/startup.ts'

export type Closed = { readonly kind: 'closed' }

/** Reads a socket one message at a time while a client signs in. Nothing is read that nobody waits for. */
export class Packets {
  readonly #socket: Socket
  #early: Buffer = Buffer.alloc(0)
  #frames: FrameReader | undefined
  #wake: () => void = () => undefined
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', this.#read)
    socket.on('end', this.#close)
    socket.on('close', this.#close)
    socket.on('error', this.#close)
    socket.pause()
  }
  readonly #read = (chunk: Buffer): void => {
    this.#socket.pause()
    if (this.#frames === undefined) this.#early = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk])
    else this.#frames.push(chunk)
    this.#wake()
  }
  readonly #close = (): void => {
    this.#closed = true
    this.#wake()
  }

  /** The next startup packet. `rest` is everything else that came with it. */
  async startup(): Promise<Exclude<StartupDecoded, { kind: 'more' }> | Closed> {
    for (;;) {
      const decoded = decodeStartup(this.#early)
      if (decoded.kind !== 'more') {
        if (decoded.kind === 'packet') this.#early = decoded.rest
        return decoded
      }
      if (!(await this.#more())) return { kind: 'closed' }
    }
  }

  /** The next typed message. */
  async message(limits: Limits): Promise<Piece | Violation | Closed> {
    if (this.#frames === undefined) {
      this.#frames = new FrameReader(limits)
      this.#frames.push(this.#early)
    }
    for (;;) {
      const piece = this.#frames.next()
      if (piece !== undefined) return piece
      if (!(await this.#more())) return { kind: 'closed' }
    }
  }

  /** Stop reading; answers what was read and not asked for. The socket stays paused, with an error listener of its own. */
  release(): Buffer {
    this.#socket.off('data', this.#read)
    this.#socket.off('end', this.#close)
    this.#socket.off('close', this.#close)
    this.#socket.off('error', this.#close)
    return this.#frames === undefined ? this.#early : this.#frames.rest()
  }

  async #more(): Promise<boolean> {
    if (this.#closed) return false
    const came = new Promise<void>((resolve) => (this.#wake = resolve))
    this.#socket.resume()
    await came
    return !this.#closed
  }
}
