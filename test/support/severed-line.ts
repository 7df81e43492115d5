import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A way to a server that can be cut off without a word of good-bye, as when its machine dies. */
export interface SeveredLine {
  readonly port: number
  /** Cuts what is connected now, on both sides. */
  sever(): void
  /** The same, and takes nobody until `restore`. */
  down(): void
  restore(): void
  /** From now on it leads to another server. */
  lead(to: { readonly host: string; readonly port: number }): void
  close(): Promise<void>
}

/** Listens on 127.0.0.1 and passes everything on to the server there. */
export async function severedLine(to: { readonly host: string; readonly port: number }): Promise<SeveredLine> {
  let target = to
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  let isDown = false
  const server = createServer((near) => {
    if (isDown) return void near.destroy()
    const far = keep(connect({ host: target.host, port: target.port }))
    keep(near).pipe(far).pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const sever = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    sever,
    down() {
      isDown = true
      sever()
    },
    restore() {
      isDown = false
    },
    lead(other) {
      target = other
    },
    async close() {
      sever()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}
