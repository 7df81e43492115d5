import type { Violation } from './oracle.ts'
import { World } from './world.ts'

/** What became of many seeds. */
export interface Report {
  readonly failed: readonly { readonly seed: number; readonly violations: readonly Violation[] }[]
  /** How often each thing happened. */
  readonly seen: readonly (readonly [string, number])[]
}

/** Every seed from `from` up to `to`, and no further than the first few that fail. */
export async function runSeeds(from: number, to: number): Promise<Report> {
  const seen = new Map<string, number>()
  const failed: Report['failed'][number][] = []
  for (let seed = from; seed < to && failed.length < 3; seed++) {
    const outcome = await new World(seed).run()
    for (const [what, times] of outcome.seen) seen.set(what, (seen.get(what) ?? 0) + times)
    if (outcome.violations.length > 0) failed.push({ seed, violations: outcome.violations })
  }
  return { failed, seen: [...seen] }
}
