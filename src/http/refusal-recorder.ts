import type { App, Caller } from '../app/app.ts'
import { createStrangerLimit } from '../app/record/stranger-limit.ts'
import { REFUSALS } from '../app/refusals.ts'
import type { Refusal } from '../app/refusals.ts'
import type { ProblemCode } from './problems.ts'

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
  const mayList = createStrangerLimit(now)
  return {
    record(caller, what, code, sourceAddress) {
      if (caller === undefined && !mayList(sourceAddress)) return
      app.recordRefusal(caller, { what, refusal: isRefusal(code) ? code : 'not_permitted', sourceAddress })
    },
  }
}
