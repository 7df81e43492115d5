import type { App, Caller } from '../app/app.ts'
import { REFUSALS } from '../app/refusals.ts'
import type { Refusal } from '../app/refusals.ts'
import type { ProblemCode } from './problems.ts'

/** Denials of callers without a valid token that one address may add to the record in a minute; the rest is only counted. */
const PER_ADDRESS = 30
const IN_ALL = 300
const MINUTE = 60_000

export interface RefusalRecorder {
  /** Records a denial of the access table. Never throws and never waits. */
  record(caller: Caller | undefined, what: string, code: ProblemCode, sourceAddress: string): void
}

const isRefusal = (code: string): code is Refusal => Object.hasOwn(REFUSALS, code)

/**
 * Every denial of a known caller goes to the record. Those of strangers are bounded, or anyone who reaches the
 * port could fill the record.
 * @param now milliseconds, monotonic.
 */
export function createRefusalRecorder(app: Pick<App, 'recordRefusal'>, now: () => number): RefusalRecorder {
  let started = now()
  let total = 0
  const counts = new Map<string, number>()
  const stranger = (address: string): boolean => {
    if (now() - started >= MINUTE) {
      started = now()
      total = 0
      counts.clear()
    }
    const count = (counts.get(address) ?? 0) + 1
    if (count > PER_ADDRESS || total >= IN_ALL) return false
    counts.set(address, count)
    total += 1
    return true
  }
  return {
    record(caller, what, code, sourceAddress) {
      if (caller === undefined && !stranger(sourceAddress)) return
      app.recordRefusal(caller, { what, refusal: isRefusal(code) ? code : 'not_permitted', sourceAddress })
    },
  }
}
