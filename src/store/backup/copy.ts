import type { Duplex } from 'node:stream'
import type pg from 'pg'

/*
 * COPY through the store's own driver (PostgreSQL's protocol, section "COPY Operations"). The driver hands the messages
 * of a query to whatever object was submitted for it; the two here read the rows of COPY TO STDOUT and write those of
 * COPY FROM STDIN. Neither keeps more than a few chunks in memory: the socket waits for whoever is slower.
 */

/** What the driver's connection has, beyond its published types. */
interface CopyConnection {
  readonly stream: Duplex
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(message: string): void
}

/** Bytes that may wait for the reader before the server is made to wait. */
const AHEAD = 1024 * 1024

/** The data that `COPY ... TO STDOUT` sends, in order. Leaving early breaks the connection: use it for nothing else then. */
export async function* copyOut(client: pg.ClientBase, text: string): AsyncGenerator<Buffer, void> {
  const waiting: Buffer[] = []
  let bytes = 0
  let ended = false
  let failed: Error | undefined
  let wake = (): void => undefined
  let stream: Duplex | undefined
  client.query({
    submit(connection: pg.Connection) {
      stream = connection.stream
      connection.query(text)
    },
    handleCopyData({ chunk }: { readonly chunk: Buffer }) {
      // The driver uses the memory of a message again.
      waiting.push(Buffer.from(chunk))
      bytes += chunk.length
      if (bytes > AHEAD) stream?.pause()
      wake()
    },
    handleError(error: Error) {
      failed ??= error
      ended = true
      wake()
    },
    handleReadyForQuery() {
      ended = true
      wake()
    },
    handleCommandComplete: ignore,
  } as pg.Submittable)
  try {
    for (;;) {
      const taken = waiting.splice(0)
      bytes = 0
      stream?.resume()
      if (taken.length > 0) yield Buffer.concat(taken)
      else if (ended) break
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
    if (failed !== undefined) throw failed
  } finally {
    if (!ended) stream?.destroy()
  }
}

/** Sends `chunks` as the data of `COPY ... FROM STDIN`. When they throw, the copy fails with that error and changes nothing. */
export function copyIn(client: pg.ClientBase, text: string, chunks: AsyncIterable<Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    let failed: { readonly error: unknown } | undefined
    const send = async (connection: CopyConnection): Promise<void> => {
      const { stream } = connection
      try {
        for await (const chunk of chunks) {
          if (failed !== undefined) return
          connection.sendCopyFromChunk(chunk)
          if (stream.writableNeedDrain) await drained(stream)
        }
        connection.endCopyFrom()
      } catch (error) {
        failed ??= { error }
        connection.sendCopyFail('the data broke off')
      }
    }
    client.query({
      submit: (connection: pg.Connection) => connection.query(text),
      handleCopyInResponse: (connection: CopyConnection) => void send(connection),
      handleError(error: Error) {
        failed ??= { error }
        reject(failed.error instanceof Error ? failed.error : error)
      },
      handleReadyForQuery() {
        if (failed === undefined) resolve()
      },
      handleCommandComplete: ignore,
    } as pg.Submittable)
  })
}

/** Resolves when it takes more, or nothing any more. */
const drained = (stream: Duplex): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      stream.off('drain', over)
      stream.off('close', over)
      resolve()
    }
    stream.on('drain', over)
    stream.on('close', over)
  })

const ignore = (): void => undefined
