import { Writable } from 'node:stream'

/**
 * Keeps answers back until the statement record holds what they answer. What comes while it is written waits together, so
 * one look at the record serves many answers. When `recorded` rejects, nothing that waits is ever written.
 */
export class RecordedFirst extends Writable {
  readonly #to: Writable
  readonly #recorded: () => Promise<void>

  constructor(to: Writable, recorded: () => Promise<void>) {
    super({ highWaterMark: to.writableHighWaterMark })
    this.#to = to
    this.#recorded = recorded
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pass([chunk], done)
  }
  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#pass(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  #pass(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    this.#recorded().then(
      () => {
        const to = this.#to
        to.cork()
        for (const chunk of chunks) to.write(chunk)
        to.uncork()
        // The client may be gone, which whoever reads it notices: what is left is let go.
        if (to.writableNeedDrain && !to.destroyed) {
          const go = () => {
            to.off('drain', go).off('close', go)
            done()
          }
          to.on('drain', go).on('close', go)
        } else done()
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    )
  }
}
