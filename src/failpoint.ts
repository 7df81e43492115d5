import { readFileSync, unlinkSync } from 'node:fs'
import type { Store } from './app/ports/store.ts'

/*
 * Places at which a test lets this process die as kill -9 does: before something is asked for, and behind what it did,
 * before anybody knows. `HOLDPOINT_FAILPOINTS` names a file; the process that comes to the point whose name stands in it
 * removes the file, and ends. Without that variable nothing is wrapped, so nothing is added to anything.
 */
const FILE = process.env['HOLDPOINT_FAILPOINTS']

/** Dies here, when it is this one. */
function failpoint(name: string): void {
  if (FILE === undefined) return
  try {
    if (readFileSync(FILE, 'utf8') !== name) return
    // Of several processes that come here at once, one removes it.
    unlinkSync(FILE)
  } catch {
    return
  }
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way: nothing of what comes next may be done.
  for (;;);
}

type Asynchronous<T> = {
  readonly [K in keyof T]: T[K] extends (...given: never[]) => Promise<unknown> ? K : never
}[keyof T]

/** The same, with `NAME.METHOD:before` and `NAME.METHOD:after` around these of its methods. */
export function failing<T extends object>(name: string, of: T, methods: readonly (Asynchronous<T> & string)[]): T {
  if (FILE === undefined) return of
  const wrapped: Partial<Record<string, unknown>> = {}
  for (const method of methods) {
    const work = of[method] as (...given: unknown[]) => Promise<unknown>
    wrapped[method] = async (...given: unknown[]) => {
      failpoint(`${name}.${method}:before`)
      const value = await work.apply(of, given)
      failpoint(`${name}.${method}:after`)
      return value
    }
  }
  return { ...of, ...wrapped }
}

/** The same, with `commit KIND:before` and `commit KIND:after` around the end of each transaction that records the kind. */
export function failingStore(store: Store): Store {
  if (FILE === undefined) return store
  return {
    ...store,
    async transaction(work) {
      const kinds = new Set<string>()
      const value = await store.transaction(async (tx) => {
        kinds.clear()
        const done = await work({
          ...tx,
          record: {
            append(entry) {
              kinds.add(entry.kind)
              return tx.record.append(entry)
            },
          },
        })
        for (const kind of kinds) failpoint(`commit ${kind}:before`)
        return done
      })
      for (const kind of kinds) failpoint(`commit ${kind}:after`)
      return value
    },
  }
}
