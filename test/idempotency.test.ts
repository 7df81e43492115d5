import { afterAll, beforeAll, expect, it } from 'vitest'
import type { App } from '../src/app/app.ts'
import { fillPath } from '../src/contract/route.ts'
import { routes } from '../src/contract/routes.ts'
import type { OperationId, Routes } from '../src/contract/routes.ts'
import type { Principal } from '../src/domain/principal.ts'
import { instant } from '../src/domain/time.ts'
import { openStore } from '../src/store/open-store.ts'
import type { OpenStore } from '../src/store/open-store.ts'
import type { TestDatabase } from './support/database.ts'
import { testDatabase } from './support/database.ts'
import { fakeApp, pendingView } from './support/fake-app.ts'
import type { TestHttp } from './support/http.ts'
import { startHttp } from './support/http.ts'

/* Abuse cases 7 and 8, for every route that honours a key: a new one does not compile before it stands here. */

type Keyed = { [Id in OperationId]: Routes[Id] extends { readonly idempotent: true } ? Id : never }[OperationId]
interface Sample {
  readonly params?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** What makes it another call: another body, or another thing that it is about. */
  readonly other: { readonly params?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** What the application answers. */
  readonly value: unknown
}

const at = instant(1_795_000_000_000)
const digest = 'a'.repeat(64)
const view = pendingView()
const HP = { params: { id: 'HP-142' }, body: {}, other: { params: { id: 'HP-143' }, body: {} }, value: view }
const person: Principal = { id: 'lee' as Principal['id'], kind: 'user', displayName: 'Lee', roles: [], disabled: false }
const named = { params: { name: 'lee' }, other: { params: { name: 'mia' } } }
const webhook = {
  name: 'siem',
  url: 'https://siem.example.com/',
  events: ['request.opened'],
  madeAt: at,
  madeBy: 'sam',
}
const job = {
  id: '0'.repeat(8),
  queue: 'delivery',
  state: 'retrying',
  about: '',
  attempts: 1,
  createdAt: at,
  dueAt: at,
}
const token = {
  id: 'T-1',
  principal: 'lee',
  kind: 'api',
  scopes: ['read'],
  label: '',
  createdAt: at,
  expiresAt: at,
  text: 'hp_secret_of_the_token',
}

const leftover = {
  params: { name: 'shop-db', role: 'hp_old' },
  body: { reason: 'known' },
  other: { params: { name: 'shop-db', role: 'hp_older' }, body: { reason: 'known' } },
  value: undefined,
}

const SAMPLES: Readonly<Record<Keyed, Sample>> = {
  createPerson: {
    body: { name: 'lee', kind: 'user', password: 'first password of Lee' },
    other: { body: { name: 'lee', kind: 'user', password: 'other password of Lee' } },
    value: person,
  },
  updatePerson: {
    ...named,
    body: { disabled: true },
    other: { params: named.params, body: { disabled: false } },
    value: person,
  },
  issueToken: { body: { kind: 'api' }, other: { body: { kind: 'gateway' } }, value: token },
  revokeToken: { params: { id: 'T-1' }, other: { params: { id: 'T-2' } }, value: undefined },
  setSecret: {
    ...named,
    body: { value: 'one' },
    other: { params: named.params, body: { value: 'two' } },
    value: undefined,
  },
  deleteSecret: { ...named, value: undefined },
  applyDocuments: {
    body: { files: [{ path: 'a.yaml', text: 'kind: Team' }] },
    other: { body: { files: [{ path: 'a.yaml', text: 'kind: Rule' }] } },
    value: { kind: 'unchanged', revision: 1 },
  },
  requestWindow: {
    body: { resource: 'shop-db', verbs: ['write'], for: '10m' },
    other: { body: { resource: 'shop-db', verbs: ['write'], for: '11m' } },
    value: view,
  },
  review: {
    ...HP,
    body: { verdict: 'approve', digest },
    other: { params: HP.params, body: { verdict: 'deny', digest, words: 'no' } },
  },
  acknowledge: { ...HP, body: { words: 'seen' }, other: { params: HP.params, body: { words: 'seen it' } } },
  withdrawRequest: HP,
  retryRequest: HP,
  extendGrant: { ...HP, body: { for: '10m' }, other: { params: HP.params, body: { for: '11m' } } },
  releaseGrant: HP,
  giveCredential: {
    ...HP,
    value: {
      user: 'hp_g_1',
      password: 'secret_of_the_role',
      host: 'h',
      port: 1,
      database: 'd',
      sslmode: 'require',
      until: at,
    },
  },
  revokeLeftover: leftover,
  ignoreLeftover: leftover,
  adoptLeftover: {
    ...leftover,
    body: { reason: 'known', for: '8h' },
    other: { params: leftover.params, body: { reason: 'known', for: '9h' } },
  },
  revokeGrant: HP,
  cutSession: { params: { id: 'S-1' }, body: {}, other: { params: { id: 'S-2' }, body: {} }, value: undefined },
  eraseBodies: {
    body: { indexes: [1], words: 'asked for' },
    other: { body: { indexes: [2], words: 'asked for' } },
    value: { erased: [1], left: [] },
  },
  delegate: {
    body: { to: 'dev', until: '2026-11-27T18:00:00.000Z' },
    other: { body: { to: 'lee', until: '2026-11-27T18:00:00.000Z' } },
    value: { person: 'mia', to: 'dev', madeAt: at, until: at, requests: 0 },
  },
  endDelegation: { other: {}, value: undefined },
  retryJob: { params: { id: job.id }, body: {}, other: { params: { id: '1'.repeat(8) }, body: {} }, value: job },
  createWebhook: {
    body: { name: 'siem', url: webhook.url },
    other: { body: { name: 'siem', url: 'https://other.example.com/' } },
    value: { ...webhook, secret: 'whsec_secret_of_the_webhook' },
  },
  deleteWebhook: { ...named, value: undefined },
  testWebhook: { ...named, body: {}, other: { ...named.other, body: {} }, value: { event: 'test_1' } },
}

let database: TestDatabase
let opened: OpenStore
let http: TestHttp
/** How often the application was asked to do something, and what it answers. */
let done = 0
let value: unknown
const base = fakeApp().app
const KNOWN = new Set(['authenticate', 'recordRefusal', 'readiness', 'setupNeeded'])
const app: App = new Proxy(base, {
  get: (target, name, receiver): unknown =>
    KNOWN.has(String(name))
      ? Reflect.get(target, name, receiver)
      : async () => {
          done += 1
          await new Promise((resolve) => setTimeout(resolve, 20))
          return { ok: true, value }
        },
})

beforeAll(async () => {
  database = await testDatabase()
  opened = await openStore(database.url, () => undefined)
  http = await startHttp(app, { idempotency: opened.idempotency })
})
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await opened.close()
  await database.close()
})

const call = (id: Keyed, { params = {}, body }: Pick<Sample, 'params' | 'body'>, key: string) =>
  http.send(routes[id].method, fillPath(routes[id].path, params), {
    token: 'token-sam',
    headers: { 'idempotency-key': key },
    ...(body === undefined ? {} : { body }),
  })
const KEYS = Object.keys(SAMPLES) as Keyed[]

it.each(KEYS)('%s: the same key fifty times at once is done once, and later too', async (id) => {
  const sample = SAMPLES[id]
  value = sample.value
  done = 0
  const key = `${id}-at-once`
  const answers = await Promise.all(Array.from({ length: 50 }, () => call(id, sample, key)))
  const again = await call(id, sample, key)
  expect(done).toBe(1)
  const statuses = [...answers, again].map((answer) => answer.status)
  const bodies = await Promise.all([...answers, again].map((answer) => answer.text()))
  // An answer that holds a secret is given once; every other call is told so.
  const once = 'secretAnswer' in routes[id]
  const { status } = routes[id]
  expect(statuses.toSorted((a, b) => a - b)).toEqual(
    once ? [201, ...Array.from({ length: 50 }, () => 409)] : Array.from({ length: 51 }, () => status),
  )
  expect(bodies.filter((body) => body.includes('secret_of_the_'))).toHaveLength(once ? 1 : 0)
  expect(once || new Set(bodies).size === 1).toBe(true)
  expect(again.headers.get('idempotency-replayed')).toBe(once || status === 204 ? null : 'true')
})

it.each(KEYS.filter((id) => id !== 'endDelegation'))(
  '%s: the same key with something else is refused, and does nothing',
  async (id) => {
    const sample = SAMPLES[id]
    value = sample.value
    const key = `${id}-other`
    expect((await call(id, sample, key)).status).toBe(routes[id].status)
    done = 0
    const { params = sample.params ?? {}, body = sample.body } = sample.other
    const refused = await call(id, { params, ...(body === undefined ? {} : { body }) }, key)
    expect({ status: refused.status, code: ((await refused.json()) as { code: string }).code }).toEqual({
      status: 422,
      code: 'key_reused',
    })
    expect(done).toBe(0)
  },
)

it('one key says different things for different people and different operations', async () => {
  value = view
  done = 0
  expect((await call('withdrawRequest', HP, 'shared')).status).toBe(200)
  expect((await call('releaseGrant', HP, 'shared')).status).toBe(422)
  const other = await http.send('POST', '/v1/requests/HP-142/withdraw', {
    token: 'token-ana',
    headers: { 'idempotency-key': 'shared' },
    body: {},
  })
  expect(other.status).toBe(200)
  expect(done).toBe(2)
})

it('nothing that was sent or answered under a key can be read, or guessed, from the store', async () => {
  const rows = await database.query<{ digest: string; row: string }>('SELECT digest, i::text AS row FROM idempotency i')
  expect(rows.length).toBeGreaterThan(20)
  expect(rows.filter(({ row }) => /secret_of_the_|password/.test(row))).toEqual([])
  // Another server's key makes another digest of the same call.
  const elsewhere = await startHttp(app, { idempotency: opened.idempotency, idempotencyKey: Buffer.alloc(32, 1) })
  value = view
  const answer = await elsewhere.send('POST', '/v1/requests/HP-142/withdraw', {
    token: 'token-sam',
    headers: { 'idempotency-key': 'shared' },
    body: {},
  })
  expect(answer.status).toBe(422)
  await elsewhere[Symbol.asyncDispose]()
})
