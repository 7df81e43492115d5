import { parentPort, workerData } from 'node:worker_threads'
import { runSeeds } from './run-seeds.ts'

/** One thread's share: `{ from, to }` in, a Report out. */
const { from, to } = workerData as { readonly from: number; readonly to: number }
const report = await runSeeds(from, to)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(report)
