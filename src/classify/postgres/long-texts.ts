import { Worker } from 'node:worker_threads'
import type { LongText } from './long-texts-thread.ts'
import type { Classified, TargetCatalogue } from './shape.ts'

export interface LongTextOptions {
  /** Longest time for one text, in ms. */
  readonly within?: number
  /** Most memory of the thread's own heap, in MiB; the parser has its own beside it. */
  readonly memory?: number
  /** Most tokens of one text. */
  readonly tokens?: number
  /** Most characters of all texts that wait; more are refused at once. */
  readonly waiting?: number
  /** An idle thread ends after this many ms. */
  readonly idle?: number
}

const THREAD = new URL(`./long-texts-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
/** MiB. PostgreSQL's own limit (max_stack_depth, 2 MB) is reached far earlier than this. */
const STACK = 64
/** Catalogues that the thread keeps. */
const MOST_CATALOGUES = 4

export interface LongTexts {
  /** Never rejects: whatever goes wrong is `failed`. */
  classify(text: string, catalogue: TargetCatalogue | undefined, searchPath: string): Promise<Classified>
  close(): void
}

const failed = (message: string): Classified => ({ kind: 'failed', message })

/**
 * One thread with a big stack that classifies one text at a time, so that neither a deep text overflows anything nor a
 * long one keeps the sessions of this process waiting. Started when it is needed; ended when it is idle, and after any
 * text that failed otherwise than by the grammar: whatever that left behind goes with it.
 */
export function createLongTexts(options: LongTextOptions = {}): LongTexts {
  const {
    within = 20_000,
    memory = 1024,
    tokens = 3_000_000,
    waiting: mostWaiting = 48 * 1024 * 1024,
    idle = 30_000,
  } = options
  let thread: Worker | undefined
  /** Versions of the catalogues that the thread has, the oldest first. */
  let has: string[] = []
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let closed = false
  let rest: NodeJS.Timeout | undefined

  const start = (): Worker => {
    const started = new Worker(THREAD, {
      resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: 64, stackSizeMb: STACK },
      // Nothing of the environment or the command line is its business.
      env: {},
      argv: [],
      execArgv: [],
    })
    has = []
    // One that ends by itself is not used again; whoever waits for it is told by a listener of their own.
    started
      .on('error', () => undefined)
      .on('exit', () => {
        if (thread === started) thread = undefined
      })
    started.unref()
    return started
  }
  const end = (): void => {
    const ending = thread
    thread = undefined
    void ending?.terminate()
  }

  const classifyOne = async (
    text: string,
    catalogue: TargetCatalogue | undefined,
    searchPath: string,
  ): Promise<Classified> => {
    if (closed) return failed('the gateway is stopping')
    clearTimeout(rest)
    const reading = (thread ??= start())
    const { promise, resolve } = Promise.withResolvers<Classified>()
    const onEnd = (): void => resolve(failed('it takes too much memory to read this text'))
    reading.on('message', resolve).on('error', onEnd).on('exit', onEnd)
    const tooLong = setTimeout(() => resolve(failed(`it takes more than ${within / 1000} s to read this text`)), within)
    const isNew = catalogue !== undefined && !has.includes(catalogue.version)
    if (isNew) has.push(catalogue.version)
    const forget = has.splice(0, Math.max(0, has.length - MOST_CATALOGUES))
    const { version } = catalogue ?? {}
    const asked: LongText = { text, version, catalogue: isNew ? catalogue : undefined, forget, searchPath, tokens }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    reading.postMessage(asked)
    const result = await promise
    clearTimeout(tooLong)
    reading.off('message', resolve).off('exit', onEnd).off('error', onEnd)
    if (result.kind === 'failed') end()
    else {
      clearTimeout(rest)
      rest = setTimeout(end, idle).unref()
    }
    return result
  }

  return {
    async classify(text, catalogue, searchPath) {
      if (waiting + text.length > mostWaiting)
        return failed('too many long texts are being read: try again in a moment')
      waiting += text.length
      const turn = last
        .then(() => classifyOne(text, catalogue, searchPath))
        .catch(() => failed('the parser could not be started'))
      last = turn
      const result = await turn
      waiting -= text.length
      return result
    },
    close() {
      closed = true
      clearTimeout(rest)
      end()
    },
  }
}
