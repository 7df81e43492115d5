import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import type { Logger } from 'pino'
import { gatewayEngine } from '../engine.ts'
import { COUNTS_MS, type Counts, type FromWorker, type StartOrder, type ToWorker } from './messages.ts'
import { WORKER } from './worker.ts'

/** One that dies at once is not started again at once; the wait doubles up to the longest. */
const SOONEST_MS = 100
const LATEST_MS = 10_000
/** One that lived this long had not failed at its start. */
const SETTLED_MS = 30_000
/** For sessions to end in order; a worker that takes longer is killed. */
const STOP_MS = 10_000
/**
 * One that says nothing for so long takes connections and answers none: it is killed. Others took it for dead before,
 * and have closed its sessions.
 */
const SILENT_MS = 15_000
/**
 * How long a port may be taken. Processes of a server that was killed end their sessions first, and keep it for up to
 * 5 s.
 */
const FREED_MS = 8_000
const LOOK_AGAIN_MS = 100
/** How much later than it should a worker may say that it is drained. */
const LATE_MS = 1_000

/** For tests: other lengths. In ms. */
export interface Patience {
  readonly silent?: number
  readonly freed?: number
}

/** The gateway's processes, as the server sees them. */
export interface Workers {
  /** Resolves once every one of them listens; rejects with the first reason why one cannot. */
  start(order: Omit<StartOrder, 'worker' | 'reusePort'>): Promise<void>
  counts(): Counts
  /** How many of them listen now. */
  listening(): number
  readonly count: number
  /** They take nothing new, and what is open has so long to end by itself. Then `close`. */
  drain(withinMs: number): Promise<void>
  /** Every session is closed when it resolves. Safe to repeat. */
  close(): Promise<void>
}

interface Worker {
  child: ChildProcess | undefined
  listening: boolean
  counts: Counts
  /** Of those before it in this place. */
  lostBefore: number
  startedAt: number
  wait: number
  timer: NodeJS.Timeout | undefined
  /** Looks since it was last heard. */
  unheard: number
  /** Called when it is drained, or no more. */
  drained: () => void
}

/**
 * Start `count` processes, which load their modules while the server opens its store, and wait for `start`. From then
 * on a process that ends is started again. Its sessions are gone with it: their clients read a closed connection, the
 * target ends their backends, and the reconciler closes what the store has of them.
 */
export function forkWorkers(count: number, log: Logger, patience: Patience = {}): Workers {
  const workers: Worker[] = []
  const { execArgv, env } = gatewayEngine()
  let order: Omit<StartOrder, 'worker' | 'reusePort'> | undefined
  let closing = false
  let closed: Promise<void> | undefined

  const tell = (worker: Worker | undefined, message: ToWorker): void => {
    // One that is about to end does not hear it, which its end says.
    if (worker?.child?.connected === true) worker.child.send(message, () => undefined)
  }
  const launch = (worker: Worker, failed?: (reason: Error) => void, ready?: () => void): void => {
    const index = workers.indexOf(worker)
    const again = (): void => {
      worker.wait =
        performance.now() - worker.startedAt > SETTLED_MS ? SOONEST_MS : Math.min(worker.wait * 2, LATEST_MS)
      worker.timer = setTimeout(() => {
        launch(worker)
        if (order !== undefined) give(worker, order)
      }, worker.wait)
    }
    /** Short of memory, of file descriptors or of processes: later there may be enough. */
    const notBegun = (err: Error): void => {
      worker.child = undefined
      failed?.(err)
      if (closing) return
      log.error({ err, worker: index }, 'a gateway worker could not be started; trying again')
      again()
    }
    worker.startedAt = performance.now()
    worker.unheard = 0
    let child: ChildProcess
    try {
      child = fork(WORKER, [], {
        execArgv: [...execArgv],
        env,
        serialization: 'advanced',
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
    } catch (error) {
      notBegun(error instanceof Error ? error : new Error(String(error)))
      return
    }
    worker.child = child
    child.on('error', (err) => {
      // Of one that never was there is no exit.
      if (child.pid === undefined) notBegun(err)
      else log.error({ err, worker: index }, 'a gateway worker could not be reached')
    })
    child.on('message', (message: FromWorker) => {
      worker.unheard = 0
      switch (message.kind) {
        case 'ready':
          worker.listening = true
          ready?.()
          break
        case 'failed': {
          const reason = Object.assign(new Error(message.message), { code: message.code })
          if (failed === undefined) log.error({ worker: index, err: reason }, 'a gateway worker could not start')
          failed?.(reason)
          child.kill('SIGKILL')
          break
        }
        case 'cancel':
          for (const other of workers) if (other !== worker) tell(other, message)
          break
        case 'drained':
          worker.drained()
          break
        case 'counts':
          worker.counts = message
          break
        default:
          message satisfies never
      }
    })
    child.on('exit', (code, signal) => {
      worker.child = undefined
      worker.listening = false
      worker.drained()
      worker.lostBefore += worker.counts.lost
      worker.counts = { connections: 0, lost: 0 }
      failed?.(new Error(`a gateway worker ended at once (${signal ?? code})`))
      if (closing) return
      log.error({ worker: index, code, signal }, 'a gateway worker ended, and its sessions with it; starting another')
      again()
    })
  }
  const give = (worker: Worker, of: NonNullable<typeof order>): void =>
    tell(worker, { kind: 'start', ...of, worker: workers.indexOf(worker), reusePort: count > 1 })

  for (let i = 0; i < count; i++) {
    workers.push({
      child: undefined,
      listening: false,
      counts: { connections: 0, lost: 0 },
      lostBefore: 0,
      startedAt: 0,
      wait: SOONEST_MS / 2,
      timer: undefined,
      unheard: 0,
      drained: () => undefined,
    })
  }
  const started = Promise.all(
    workers.map((worker) => new Promise<void>((resolve, reject) => launch(worker, reject, resolve))),
  )
  // Nobody may be waiting for it yet, or ever.
  started.catch(() => undefined)

  // Looks are counted, not time: after a sleep of this process there is one, and then it hears what was said meanwhile.
  const most = (patience.silent ?? SILENT_MS) / COUNTS_MS
  const looking = setInterval(() => {
    for (const worker of workers) {
      if (!worker.listening || ++worker.unheard <= most) continue
      log.error({ worker: workers.indexOf(worker) }, 'a gateway worker has not been heard of for too long')
      worker.child?.kill('SIGKILL')
    }
  }, COUNTS_MS).unref()

  const stop = async (worker: Worker): Promise<void> => {
    clearTimeout(worker.timer)
    const { child } = worker
    if (child === undefined) return
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => child.pid === undefined && resolve())
    })
    tell(worker, { kind: 'stop' })
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(late)
  }
  const close = (): Promise<void> => {
    closing = true
    clearInterval(looking)
    closed ??= Promise.all(workers.map(stop)).then(() => undefined)
    return closed
  }
  return {
    count,
    async start(of) {
      await free(of.host, of.port, patience.freed ?? FREED_MS)
      order = of
      for (const worker of workers) give(worker, of)
      try {
        await started
      } catch (error) {
        await close()
        throw error
      }
    },
    counts: () => ({
      connections: workers.reduce((sum, { counts }) => sum + counts.connections, 0),
      lost: workers.reduce((sum, { counts, lostBefore }) => sum + counts.lost + lostBefore, 0),
    }),
    async drain(withinMs) {
      // One that ends now is not started again.
      closing = true
      const drained = workers.map(async (worker) => {
        if (worker.child === undefined) return
        const over = new Promise<void>((resolve) => (worker.drained = resolve))
        tell(worker, { kind: 'drain', withinMs })
        await over
      })
      const late = new AbortController()
      const patience = after(withinMs + LATE_MS, undefined, late).catch(() => undefined)
      await Promise.race([Promise.all(drained), patience])
      late.abort()
    },
    listening: () => workers.filter((worker) => worker.listening).length,
    close,
  }
}

/**
 * Processes that share a port share it with anybody who does the same, another installation of the same account
 * included: nobody may listen there yet. @throws EADDRINUSE and its like, once it was taken for so long.
 */
async function free(host: string, port: number, withinMs: number): Promise<void> {
  for (const until = performance.now() + withinMs; ;) {
    const server = createServer()
    try {
      server.listen({ host, port })
      await once(server, 'listening')
      server.close()
      await once(server, 'close')
      return
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!taken || performance.now() > until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}
