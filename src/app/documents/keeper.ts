import { canonical } from '../../domain/canonical.ts'
import type { Revision } from '../../domain/ids.ts'
import { buildSnapshot, type PolicySnapshot } from '../../domain/policy/build-snapshot.ts'
import type { ExpressionCache } from '../../domain/policy/rule.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Store } from '../ports/store.ts'
import type { Wake } from '../ports/wake.ts'
import { readStored } from './stored.ts'

export interface KeeperDeps {
  readonly store: Pick<Store, 'documents' | 'people'>
  readonly wake: Wake
  /** Milliseconds on a clock that only this process knows and that never steps: `performance.now`. */
  readonly monotonic: () => number
  readonly log: (message: string) => void
}

/** Holds the policy in force in memory. */
export interface PolicyKeeper {
  /**
   * The policy in force; undefined when it was last confirmed more than 2 s ago, or could not be read (I7).
   * The same object until something changes.
   */
  current(): PolicySnapshot | undefined
  /** Look now. Resolves once a look that began after this call is done; never rejects. */
  refresh(): Promise<void>
  /** Resolves when the look that is under way has ended; none is begun after it. */
  stop(): Promise<void>
}

const POLL_MS = 500
const OLDEST_MS = 2_000

/** Begin to keep the policy. Resolves after the first look, whether it succeeded or not: ask `current`. */
export async function keepPolicy(deps: KeeperDeps): Promise<PolicyKeeper> {
  let snapshot: PolicySnapshot | undefined
  let confirmedAt = Number.NEGATIVE_INFINITY
  let peopleSeen = ''
  let expressions: ExpressionCache = new Map()
  let running: Promise<void> | undefined
  let again: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function look(): Promise<void> {
    // What is read is true of a moment after this one, so its age is counted from here.
    const began = deps.monotonic()
    try {
      const [revision, people] = await Promise.all([deps.store.documents.currentRevision(), deps.store.people.list()])
      const seen = canonical(people)
      if (snapshot === undefined || snapshot.revision !== revision || seen !== peopleSeen) {
        snapshot = await load(revision, people)
        peopleSeen = seen
      }
      confirmedAt = began
    } catch (cause) {
      deps.log(`the policy could not be read: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }

  async function load(revision: Revision, people: readonly Principal[]): Promise<PolicySnapshot> {
    const stored = await deps.store.documents.documentsAt(revision)
    const documents = await readStored(stored)
    const changed = new Map(stored.flatMap((one) => (one.kind === 'Resource' ? [[one.name, one.since] as const] : [])))
    const known: ExpressionCache = new Map(expressions)
    const built = buildSnapshot({ revision, documents, changed }, people, { expressions: known })
    const inUse = new Set(built.rules.flatMap((rule) => rule.when?.text ?? []))
    expressions = new Map([...known].filter(([text]) => inUse.has(text)))
    return built
  }

  /** One look at a time. Who asks during one waits for the next, since the running one may have read too early. */
  function refresh(): Promise<void> {
    if (stopped) return Promise.resolve()
    if (running === undefined) {
      clearTimeout(timer)
      running = look().finally(() => {
        running = undefined
        if (!stopped) timer = setTimeout(() => void refresh(), POLL_MS)
      })
      return running
    }
    again ??= running.then(() => {
      again = undefined
      return refresh()
    })
    return again
  }

  const unsubscribe = [
    deps.wake.subscribe('revision', () => void refresh()),
    deps.wake.subscribe('account/', () => void refresh()),
  ]
  await refresh()
  return {
    current: () => (deps.monotonic() - confirmedAt <= OLDEST_MS ? snapshot : undefined),
    refresh,
    async stop() {
      stopped = true
      for (const end of unsubscribe) end()
      clearTimeout(timer)
      await running
    },
  }
}
