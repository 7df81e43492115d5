import { fileURLToPath } from 'node:url'
import { openCore } from '../core.ts'
import { createLog } from '../log.ts'
import { type Carrying, carrySessions } from './carry-sessions.ts'
import { COUNTS_MS, type FromWorker, type StartOrder, type ToWorker } from './messages.ts'

/*
 * One gateway process: takes the port's connections beside others and carries their sessions to their ends. The server
 * that started it orders its start and its stop; when that server dies, the pipe closes, and this process ends its
 * sessions and itself.
 */

/** Sessions have this long to end in order, once nobody is there to wait for it. */
const ORPHANED_MS = 5_000

const parts = new AsyncDisposableStack()
let carrying: Carrying | undefined
let stopping: Promise<void> | undefined

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

async function start(order: StartOrder): Promise<void> {
  const log = createLog(order.logLevel).child({ worker: order.worker })
  const core = await openCore({ ...order, connections: 8 }, parts, log)
  const elsewhere = (pid: number, secret: Buffer): void => tell({ kind: 'cancel', pid, secret })
  const running = await carrySessions(core, { ...order, log, shared: { ...order, elsewhere } })
  parts.defer(() => running.close())
  carrying = running
  // Also when nothing has changed: one that says nothing is taken for stuck.
  setInterval(() => tell({ kind: 'counts', ...running.counts() }), COUNTS_MS).unref()
}

const stop = (): Promise<void> =>
  (stopping ??= parts.disposeAsync().finally(() => {
    if (process.connected) process.disconnect()
    process.exit()
  }))

/** This file, to start a process with. Whoever imports it runs nothing of it, but has it compiled. */
export const WORKER = fileURLToPath(import.meta.url)

if (import.meta.main) {
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'start':
        start(message).then(
          () => tell({ kind: 'ready' }),
          (error: NodeJS.ErrnoException) => {
            const { code, message: words } = error
            tell({ kind: 'failed', message: words, ...(code === undefined ? {} : { code }) })
          },
        )
        break
      case 'cancel':
        carrying?.cancel(message.pid, Buffer.from(message.secret))
        break
      case 'drain':
        void Promise.resolve(carrying?.drain(message.withinMs)).finally(() => tell({ kind: 'drained' }))
        break
      case 'stop':
        void stop()
        break
      default:
        message satisfies never
    }
  })
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), ORPHANED_MS).unref()
    void stop()
  })
  // A terminal and an init system tell the whole group. The server says when this one stops.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
}
