import type { CatalogueSource, CatalogueWatch } from '../../app/ports/catalogue.ts'
import type { OpenTarget } from '../../app/ports/target.ts'
import { createCatalogueBuilder } from '../../classify/postgres/catalogue.ts'
import type { TargetCatalogue } from '../../classify/postgres/shape.ts'
import { readCatalogue, readFingerprint } from './catalogue-rows.ts'
import { createConnections, type WithClient } from './connect.ts'
import { readWithin } from './own-catalogue.ts'

export interface CatalogueSourceOptions {
  /** How often a followed catalogue is looked at, in ms. */
  readonly every?: number
  /** A catalogue last looked at longer ago than this is not trusted, in ms. */
  readonly stale?: number
}

interface Watch {
  holders: number
  catalogue: TargetCatalogue | undefined
  fingerprint: string | undefined
  /** Monotonic time at which the last look that succeeded began. */
  seenAt: number
  /** One look at a time; `again`: something happened after it began. */
  looking: Promise<void> | undefined
  again: Promise<void> | undefined
  timer: NodeJS.Timeout | undefined
}

/** Whoever waits for a look waits no longer than this, in ms. */
const WAIT = 5000

/**
 * Follows targets' catalogues: a cheap fingerprint every second, everything again when it moved. A look that fails
 * leaves the last catalogue in place until it is stale; then `current()` is undefined and no name is trusted before
 * somebody has had it looked at again (`refresh`).
 */
export async function createCatalogueSource(options: CatalogueSourceOptions = {}): Promise<CatalogueSource> {
  const { every = 1000, stale = 2000 } = options
  const build = await createCatalogueBuilder()
  const connections = createConnections()
  const watches = new Map<string, Watch>()
  /** Of catalogues that only one session sees. */
  const owned = new WeakMap<TargetCatalogue, string>()
  let closed = false

  const lookOnce = async (watch: Watch, key: string, withClient: WithClient): Promise<void> => {
    const began = performance.now()
    await withClient(async (client) => {
      const fingerprint = await readFingerprint(client)
      if (watch.catalogue === undefined || fingerprint !== watch.fingerprint) {
        const rows = await readCatalogue(client, key)
        watch.catalogue = build(rows)
        watch.fingerprint = rows.fingerprint
      }
      watch.seenAt = began
    })
  }

  /** Resolves with a look that began after the call. */
  const look = (watch: Watch, key: string, withClient: WithClient): Promise<void> => {
    const start = (): Promise<void> => {
      const running = lookOnce(watch, key, withClient).finally(() => {
        if (watch.looking === running) watch.looking = undefined
      })
      watch.looking = running
      return running
    }
    if (watch.looking === undefined) return start()
    watch.again ??= watch.looking
      .catch(() => undefined)
      .then(() => {
        watch.again = undefined
        return start()
      })
    return watch.again
  }

  const follow = (watch: Watch, key: string, withClient: WithClient): void => {
    if (closed || watch.holders === 0) return
    watch.timer = setTimeout(() => {
      const turn = watch.looking === undefined ? look(watch, key, withClient) : watch.looking
      void turn.catch(() => undefined).then(() => follow(watch, key, withClient))
    }, every)
    watch.timer.unref()
  }

  return {
    async watch(target: OpenTarget, database: string): Promise<CatalogueWatch> {
      const key = JSON.stringify([target.host, target.socket, target.port, target.user, target.sslmode, database])
      const withClient = connections.on(target, database)
      let watch = watches.get(key)
      if (watch === undefined) {
        watch = {
          holders: 0,
          catalogue: undefined,
          fingerprint: undefined,
          seenAt: Number.NEGATIVE_INFINITY,
          looking: undefined,
          again: undefined,
          timer: undefined,
        }
        watches.set(key, watch)
      }
      const shared = watch
      shared.holders++
      const fresh = (): boolean => performance.now() - shared.seenAt <= stale
      if (!fresh()) await (shared.looking ?? look(shared, key, withClient)).catch(() => undefined)
      if (shared.timer === undefined) follow(shared, key, withClient)
      let released = false
      return {
        current: () => (fresh() ? shared.catalogue : undefined),
        refresh: () => within(look(shared, key, withClient)),
        async within(ask, own) {
          const read = own === undefined ? undefined : owned.get(own)
          const rows = await readWithin(ask, read ?? (fresh() ? shared.fingerprint : undefined), key)
          if (rows === 'same') return own ?? 'same'
          if (rows === undefined) return undefined
          const built = build(rows)
          owned.set(built, rows.fingerprint)
          return built
        },
        release() {
          if (released) return
          released = true
          shared.holders--
          if (shared.holders > 0) return
          clearTimeout(shared.timer)
          shared.timer = undefined
          if (watches.get(key) === shared) watches.delete(key)
        },
      }
    },
    async close() {
      closed = true
      for (const watch of watches.values()) clearTimeout(watch.timer)
      watches.clear()
      await connections.close()
    },
  }
}

function within(look: Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error('the target did not answer in time')), WAIT)
  look.then(resolve, reject)
  return promise.finally(() => clearTimeout(timer))
}
