import type { ResourceName } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'
import type { Clock } from '../ports/clock.ts'

const MINUTE = 60_000

/**
 * What is tried every second is not told every second: that a target does not answer is said when it begins, then once
 * a minute with a count, and once when it is over, whatever number of grants and sessions wait for that target.
 */
export interface VainAttempts {
  failed(key: string, resource: ResourceName, error: unknown): void
  /** The target answered about `key`. */
  went(key: string, resource: ResourceName): void
  /** All that is still to be tried: what is not among it is nobody's trouble any more. */
  keepOnly(keys: ReadonlySet<string>): void
}

interface Trouble {
  /** What failed and has not been answered since. */
  readonly keys: Set<string>
  tries: number
  toldAt: Instant
  /** Whether somebody was told that it goes on, and not yet that it is over. */
  told: boolean
}

/** What is expected of a target or store that is away: it says so itself, and where in the program says nothing more. */
export class Expected extends Error {}

export function createVainAttempts(deps: {
  readonly clock: Pick<Clock, 'now'>
  readonly say: (message: string) => void
  readonly onFault: (what: string, error: unknown) => void
}): VainAttempts {
  const troubles = new Map<ResourceName, Trouble>()

  const tell = (what: string, error: unknown): void => {
    const words = wordsOf(error)
    if (words === undefined) deps.onFault(what, error)
    else deps.say(`${what}: ${words}`)
  }
  const answered = (resource: ResourceName, trouble: Trouble): void => {
    if (trouble.keys.size > 0 || !trouble.told) return
    trouble.told = false
    deps.say(`${resource}: the end of access can be confirmed again, after ${times(trouble.tries)} in vain`)
    trouble.tries = 0
  }

  return {
    failed(key, resource, error) {
      const now = deps.clock.now()
      const known = troubles.get(resource)
      const trouble = known ?? { keys: new Set(), tries: 0, toldAt: now, told: false }
      trouble.keys.add(key)
      trouble.tries++
      if (known !== undefined && now - trouble.toldAt < MINUTE) return
      troubles.set(resource, trouble)
      trouble.toldAt = now
      trouble.told = true
      const so = trouble.tries === 1 ? 'tried until it can' : `${times(trouble.tries)} in vain so far`
      tell(`${resource}: the end of access cannot be confirmed (${key}; ${so})`, error)
    },
    went(key, resource) {
      const trouble = troubles.get(resource)
      if (trouble?.keys.delete(key) === true) answered(resource, trouble)
    },
    keepOnly(keys) {
      const now = deps.clock.now()
      for (const [resource, trouble] of troubles) {
        for (const key of trouble.keys) if (!keys.has(key)) trouble.keys.delete(key)
        answered(resource, trouble)
        // Kept for its minute: what comes and goes is not told each time.
        if (trouble.keys.size === 0 && now - trouble.toldAt >= MINUTE) troubles.delete(resource)
      }
    },
  }
}

const times = (count: number): string => (count === 1 ? '1 attempt' : `${count} attempts`)

/** One line for what the network or the other server answered; undefined for anything that may be a mistake of ours. */
function wordsOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const ours = error instanceof Expected || error instanceof AggregateError
  // The driver's own, without a code: `Connection terminated due to connection timeout`.
  if (code === undefined && !ours && !/\b(connection|timeout|terminated)\b/i.test(error.message)) return undefined
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  const message = error.message === '' && first instanceof Error ? first.message : error.message
  const line = message.replaceAll(/\s+/g, ' ').slice(0, 300)
  return line === '' ? (code ?? error.name) : line
}
