import { lastLines } from './child.ts'
import type { Done } from './world.ts'

/** Throws, in words, when something is not so. */
export function check(what: string, so: boolean, saw: string): void {
  if (!so) throw new Error(`not so: ${what}. Seen: ${lastLines(saw)}`)
}
export function equal<T>(what: string, seen: T, expected: T, more = ''): void {
  if (seen !== expected)
    throw new Error(`${what}: ${String(expected)} expected, ${String(seen)} seen. ${lastLines(more)}`)
}
export const succeeded = (done: Done): void => equal('the exit code of hp', done.code, 0, done.err)
