import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { StrictReader } from './strict-framing.ts'
import type { Framed } from './strict-framing.ts'

const TERMINATE = Buffer.from('X\0\0\0\x04', 'latin1')

/** One connection of the gateway to its target, as it passes. */
export interface ProxyLine {
  /** Towards the gateway. */
  readonly near: Socket
  /** Towards the real target. */
  readonly far: Socket
  /** Whatever the target says from now on is not passed on. */
  muted: boolean
}

export interface ProxyHooks {
  /** A whole message of the gateway's, after its startup packet. True: it does not go to the target. */
  onClient?(message: Framed, line: ProxyLine): boolean
  /** A chunk of the target's; what is answered goes to the gateway in its place. */
  onServer?(chunk: Buffer, line: ProxyLine): Buffer
}

/**
 * A real target behind something that sees, judges and can change everything between it and the gateway. Hooks may be
 * replaced while it runs.
 */
export interface TargetProxy {
  readonly port: number
  hooks: ProxyHooks
  /** What the gateway sent that is not the protocol. Must stay empty. */
  readonly faults: string[]
  /** Messages of the gateway that were whole and well-formed. */
  messages: number
  close(): Promise<void>
}

export async function targetProxy(to: { readonly port: number }, hooks: ProxyHooks = {}): Promise<TargetProxy> {
  const sockets = new Set<Socket>()
  const faults: string[] = []
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }
  const server = createServer((socket) => {
    const near = keep(socket)
    const far = keep(connect({ port: to.port, host: '127.0.0.1', noDelay: true }))
    near.setNoDelay(true)
    const line: ProxyLine = { near, far, muted: false }
    const reader = new StrictReader('client')
    let startup: Buffer | undefined = Buffer.alloc(0)
    near.on('data', (chunk: Buffer) => {
      let rest = chunk
      if (startup !== undefined) {
        startup = Buffer.concat([startup, chunk])
        if (startup.length < 4) return
        const length = startup.readUInt32BE(0)
        if (startup.length < length) return
        far.write(startup.subarray(0, length))
        rest = startup.subarray(length)
        startup = undefined
      }
      for (const message of reader.push(rest)) {
        proxy.messages += 1
        if (proxy.hooks.onClient?.(message, line) !== true) far.write(message.bytes)
      }
      if (reader.fault !== undefined) faults.push(reader.fault)
    })
    far.on('data', (chunk: Buffer) => {
      if (!line.muted) near.write(proxy.hooks.onServer?.(chunk, line) ?? chunk)
    })
    near.on('close', () => {
      // Rows that a client did not finish are passed on as far as they came, and with nothing behind them.
      const { rest } = reader
      const rows = rest[0] === 'd'.charCodeAt(0) && !rest.subarray(-5).equals(TERMINATE)
      if (rest.length > 0 && !rows) faults.push(`the connection ended within a message: ${rest.toString('latin1')}`)
      far.destroy()
    })
    near.on('end', () => far.end())
    far.on('close', () => {
      if (!line.muted) near.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: TargetProxy = {
    port: (server.address() as AddressInfo).port,
    hooks,
    faults,
    messages: 0,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
  return proxy
}
