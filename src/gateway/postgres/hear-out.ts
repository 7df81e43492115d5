import type { Socket } from 'node:net'

/** A client that is silent for so long has said what it had to say. */
const SILENT_MS = 500
/** However much there is to say. */
const MOST_MS = 60_000

/**
 * Resolves once a client has stopped sending, or has closed. Nothing is done with what it sends: closing before it is read
 * would reset the connection, and what the client has not read by then it never reads.
 */
export function hearOut(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(silent)
      clearTimeout(late)
      client.off('data', heard)
      for (const event of OVER) client.off(event, done)
      client.resume()
      resolve()
    }
    const heard = (): void => void silent.refresh()
    const silent = setTimeout(done, SILENT_MS).unref()
    const late = setTimeout(done, MOST_MS).unref()
    client.on('data', heard)
    for (const event of OVER) client.once(event, done)
    if (client.destroyed) done()
  })
}
const OVER = ['end', 'close', 'error'] as const
