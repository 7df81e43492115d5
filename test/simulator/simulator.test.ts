import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import type { Report } from './run-seeds.ts'

/*
 * The application layer in ten thousand worlds: several processes, people, clients and a target, in virtual time, with
 * crashes, pauses, lost answers and outages. `SIMULATOR_FROM` and `SIMULATOR_SEEDS` choose other worlds than these.
 */
const FROM = Number(process.env['SIMULATOR_FROM'] ?? 1)
const SEEDS = Number(process.env['SIMULATOR_SEEDS'] ?? 10_000)

/** What must have happened often enough for the oracle's silence to say anything, a thousand worlds. */
const OFTEN: Readonly<Record<string, number>> = {
  'session.opened': 2_000,
  'review.given': 2_000,
  'request.denied': 200,
  'request.voided': 100,
  'request.withdrawn': 200,
  'execution.started': 1_000,
  'execution.unknown': 50,
  'grant.extended': 3,
  'replica.died': 100,
  'revision.applied': 200,
  'session.cut': 100,
  'session.gone': 200,
  'run under its own request': 800,
  'run under a window': 50,
  'target undone': 50,
}

const share = (from: number, to: number): Promise<Report> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('thread.ts', import.meta.url), { workerData: { from, to } })
    worker.once('message', resolve)
    worker.once('error', reject)
  })

it(`${SEEDS} worlds keep I1 to I6 and I8`, { timeout: 900_000 }, async () => {
  const threads = Math.max(1, Math.min(4, availableParallelism()))
  const size = Math.ceil(SEEDS / threads)
  const shares = Array.from({ length: threads }, (_, i) =>
    share(FROM + i * size, FROM + Math.min(SEEDS, (i + 1) * size)),
  )
  const reports = await Promise.all(shares)
  const failed = reports.flatMap((report) => report.failed)
  const told = failed.map(
    ({ seed, violations: [first] }) => `${first?.invariant}: ${first?.what} (node test/simulator/run.ts ${seed})`,
  )
  expect(told).toEqual([])
  const seen = new Map<string, number>()
  for (const [what, times] of reports.flatMap((report) => report.seen)) seen.set(what, (seen.get(what) ?? 0) + times)
  const rare = Object.entries(OFTEN).filter(([what, often]) => (seen.get(what) ?? 0) < (often * SEEDS) / 1_000)
  expect(rare.map(([what]) => `${what}: ${seen.get(what) ?? 0}`)).toEqual([])
})
