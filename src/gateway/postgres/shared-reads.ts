import { Socket } from 'node:net'
import type { OnReadOpts, SocketConstructorOpts } from 'node:net'

/*
 * Every socket of this process reads into the same bytes, and what came is copied out at once into a chunk of just its
 * size: a read then costs neither an allocation of 64 KiB nor the machinery of a readable stream, and a thousand idle
 * sessions have one buffer between them. Chunks come as `data` events, as from any other socket, and may be kept.
 */
const SHARED = Buffer.allocUnsafeSlow(64 * 1024)

/** For the options of a socket; `of` answers that socket once something was read. */
function onread(of: () => Socket): OnReadOpts {
  return {
    buffer: SHARED,
    callback(size) {
      const socket = of()
      const chunk = Buffer.allocUnsafe(size)
      SHARED.copy(chunk, 0, 0, size)
      // Nobody listens, or something stands before it: the stream keeps it, as it would have.
      if (socket.readableLength > 0 || !socket.emit('data', chunk)) socket.push(chunk)
      return true
    },
  }
}

/** @param open connects with the options it is given. */
export function withSharedReads(open: (options: { readonly onread: OnReadOpts }) => Socket): Socket {
  const socket: Socket = open({ onread: onread(() => socket) })
  return socket
}

/**
 * The same connection as a socket that reads so; the one given is spent. Only for one that was just accepted, paused
 * and not yet listened to. It is handed on by its handle, as node's own TLS and cluster do it, which is not
 * documented: where there is no such way, the same socket comes back.
 */
export function adopt(accepted: Socket): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle')
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return accepted
  Reflect.set(accepted, '_handle', null)
  const options: SocketConstructorOpts = { allowHalfOpen: true, onread: onread(() => socket) }
  const socket: Socket = new Socket(Object.assign(options, { handle, pauseOnCreate: true }))
  accepted.destroy()
  return socket
}
