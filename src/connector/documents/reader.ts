import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { DocumentFile } from '../../app/app.ts'
import type { DocumentReader, Loaded } from '../../app/ports/document-reader.ts'
import type { Document } from '../../domain/policy/documents.ts'
import type { Answer } from './reader-thread.ts'

export interface ReaderOptions {
  /** Longest time for one set of files, in ms. */
  readonly within?: number
  /** Most memory of the thread, in MiB. */
  readonly memory?: number
}

const THREAD = new URL(`./reader-thread${path.extname(import.meta.url)}`, import.meta.url)
/** Sets that may wait for the thread; more are refused at once. */
const MOST_WAITING = 32

/** One thread that reads one set at a time. Started when it is needed, and again after a set that was too much for it. */
export function createDocumentReader(options: ReaderOptions = {}): DocumentReader {
  const { within = 20_000, memory = 512 } = options
  let thread: Worker | undefined
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let closed = false

  const start = (): Worker => {
    const started = new Worker(THREAD, {
      resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: 64, stackSizeMb: 4 },
      // Nothing of the environment or the command line is its business.
      env: {},
      argv: [],
    })
    // One that ends by itself is not used again; whoever waits for it is told by a listener of their own.
    started
      .on('error', () => undefined)
      .on('exit', () => {
        if (thread === started) thread = undefined
      })
    started.unref()
    return started
  }

  const readOne = async (files: readonly DocumentFile[]): Promise<Loaded> => {
    if (closed) return failed('The server is stopping.')
    const reading = (thread ??= start())
    const { promise, resolve } = Promise.withResolvers<Loaded | string>()
    const documents: Document[] = []
    const onMessage = (answer: Answer): void => {
      if ('part' in answer) documents.push(...answer.part)
      else resolve({ documents, findings: answer.findings })
    }
    const onEnd = (): void => resolve('It takes too much memory to read these files.')
    reading.on('message', onMessage).on('error', onEnd).on('exit', onEnd)
    const tooLong = setTimeout(
      () => resolve(`It takes more than ${within / 1000} s to read these files: split them.`),
      within,
    )
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    reading.postMessage(files)
    const result = await promise
    clearTimeout(tooLong)
    reading.off('message', onMessage).off('exit', onEnd).off('error', onEnd)
    if (typeof result !== 'string') return result
    if (thread === reading) thread = undefined
    await reading.terminate()
    return failed(result)
  }

  return {
    async read(files) {
      if (waiting >= MOST_WAITING) return failed('Too many files are being read: try again in a moment.')
      waiting++
      const turn = last.then(() => readOne(files))
      last = turn.catch(() => undefined)
      try {
        return await turn
      } finally {
        waiting--
      }
    },
    async close() {
      closed = true
      const open = thread
      thread = undefined
      await open?.terminate()
    },
  }
}

const failed = (message: string): Loaded => ({
  documents: [],
  findings: [{ severity: 'error', code: 'too_large', message }],
})
