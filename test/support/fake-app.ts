import type { App, Caller, RequestView } from '../../src/app/app.ts'
import type { Refusal } from '../../src/app/refusals.ts'
import type { Digest, PrincipalId, RequestId, ResourceName, Revision, TokenId } from '../../src/domain/ids.ts'
import type { Role } from '../../src/domain/principal.ts'
import { instant, millis } from '../../src/domain/time.ts'

/** A caller as `authenticate` would prove it. */
export const callerNamed = (name: string, scopes: Caller['scopes'] = ['all'], roles: readonly Role[] = []): Caller => ({
  principal: { id: name as PrincipalId, kind: 'user', displayName: name, roles, disabled: false },
  token: `T-${name}` as TokenId,
  scopes,
  sourceAddress: '127.0.0.1',
})

export interface Denial {
  readonly by: string | undefined
  readonly what: string
  readonly refusal: Refusal
  readonly sourceAddress: string
}

/**
 * A thin App for tests of the edge alone: `token-ana` is Ana's. A use case that the test does not give is a
 * fault, so that nothing passes unseen. `denials` are what was recorded.
 */
export function fakeApp(given: Partial<App> = {}): { readonly app: App; readonly denials: Denial[] } {
  const denials: Denial[] = []
  const base: Partial<App> = {
    async authenticate(token, sourceAddress) {
      const name = /^token-([a-z]+)$/.exec(token)?.[1]
      return name === undefined ? undefined : { ...callerNamed(name), sourceAddress }
    },
    recordRefusal: (caller, input) => void denials.push({ by: caller?.principal.id, ...input }),
    readiness: async () => ({ ready: true, checks: [{ name: 'store', ok: true }] }),
    setupNeeded: async () => false,
    listEntries: async () => ({ ok: true, value: { items: [] } }),
    settledCursor: async () => ({ ok: true, value: 'c0' }),
    async *followEntries() {
      // Nothing is ever recorded here.
    },
    ...given,
  }
  const app = new Proxy(base, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (method !== undefined) return method
      return async () => {
        throw new Error(`the test gave no ${String(name)}`)
      }
    },
  }) as App
  return { app, denials }
}

/** A pending request of Ana's, as one who may approve it sees it. */
export const pendingView = (change: Partial<RequestView['request']> = {}): RequestView => ({
  request: {
    id: 'HP-142' as RequestId,
    requester: 'ana' as PrincipalId,
    resource: 'shop-db' as ResourceName,
    verbs: ['delete'],
    subject: {
      kind: 'statement',
      text: 'DELETE FROM carts WHERE age_days > 90',
      parameters: [],
      actions: [{ resource: 'shop-db' as ResourceName, verb: 'delete', facts: { estimate: { rows: 1204, cost: 31 } } }],
      state: {
        database: 'shop',
        role: 'holdpoint',
        searchPath: 'public',
        encoding: 'UTF8',
        timeZone: 'UTC',
        standardConformingStrings: true,
        inTransaction: false,
        temporaryObjects: [],
      },
      notCovered: [],
    },
    digest: 'a'.repeat(64) as Digest,
    cause: 'rule',
    rules: [],
    failures: [],
    requirements: [],
    recording: 'standard',
    scope: 'once',
    grantAtMost: millis(900_000),
    revision: 1 as Revision,
    reason: 'abandoned carts',
    openedAt: instant(1_795_000_000_000),
    expiresAt: instant(1_795_000_900_000),
    reviews: [],
    state: 'pending',
    ...change,
  } as RequestView['request'],
  url: 'http://localhost:7400/r/HP-142',
  may: {
    approve: true,
    deny: true,
    withdraw: 'not_permitted',
    retry: 'not_retryable',
    extend: 'not_active',
    done: 'not_active',
    revoke: 'not_active',
    acknowledge: 'not_divergent',
  },
})
