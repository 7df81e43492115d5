import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestStore } from '../../src/app/ports/requests.ts'
import type { Store, Tx } from '../../src/app/ports/store.ts'
import type { Grant } from '../../src/domain/grant/grant.ts'
import type {
  Digest,
  GrantId,
  PrincipalId,
  RequestId,
  ResourceName,
  Revision,
  SessionId,
} from '../../src/domain/ids.ts'
import type { AccessRequest, RequestCommon, Review } from '../../src/domain/request/request.ts'
import type { Basis } from '../../src/domain/request/basis.ts'
import { instant, millis } from '../../src/domain/time.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { OpenStore } from '../../src/store/open-store.ts'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { MemoryDatabase } from './memory/database.ts'
import { memoryStore } from './memory/store.ts'

/*
 * The simulator is worth as much as its store is like the real one. Both are played the same random operations: each
 * answers the same, or both refuse; and where one transaction waits for another, so it does on both.
 */

let database: TestDatabase
let real: OpenStore
let watcher: pg.Client
beforeAll(async () => {
  database = await testDatabase()
  real = await openStore(database.url, () => undefined)
  watcher = new pg.Client(database.url)
  await watcher.connect()
})
afterAll(async () => {
  await watcher.end()
  await real.close()
  await database.close()
})

const ana = 'ana' as PrincipalId
const PEOPLE = ['ana', 'mia', 'dev', 'sam'] as PrincipalId[]
const digestOf = (n: number): Digest => String(n).repeat(64).slice(0, 64) as Digest
const BASIS: Basis = { decided: { requirements: [], terms: {} as never, recording: 'standard' } }
const NOW = 1_000

const common = (n: number): RequestCommon => ({
  id: `HP-${n}` as RequestId,
  requester: ana,
  resource: (n % 2 === 0 ? 'shop-db' : 'crm-db') as ResourceName,
  verbs: ['write'],
  subject:
    n === 4
      ? { kind: 'extension', grant: 'G-1' as GrantId, of: 'HP-1' as RequestId, verbs: ['write'], length: millis(500) }
      : n === 5
        ? { kind: 'change', base: 1 as Revision, summary: [] }
        : { kind: 'window', verbs: ['write'], length: millis(1_000) },
  digest: digestOf(n),
  cause: 'rule',
  rules: [],
  failures: [],
  requirements: [
    {
      key: 'team:shop',
      pool: { kind: 'team', team: 'shop' as never },
      count: 1,
      distinct: true,
      rules: [],
      eligible: ['mia', 'dev'] as PrincipalId[],
    },
  ],
  recording: 'standard',
  scope: n === 1 ? 'once' : 'window',
  grantAtMost: millis(1_000),
  revision: 1 as Revision,
  ...(n % 2 === 0 ? { session: 'S-1' as SessionId } : {}),
  openedAt: instant(NOW + n),
  expiresAt: instant(NOW + 1_000 + n),
  reviews: [],
})

type State = AccessRequest['state']
const requestIn = (n: number, state: State, reviews: readonly Review[]): AccessRequest => {
  const base = { ...common(n), reviews }
  const at = instant(NOW + 20)
  if (state === 'pending') return { ...base, state }
  if (state === 'approved') return { ...base, state, grant: `G-${n}` as GrantId, at }
  if (state === 'denied') return { ...base, state, by: 'mia' as PrincipalId, words: 'no', at }
  if (state === 'expired') return { ...base, state, at }
  return { ...base, state, why: 'so', at }
}
const grantIn = (n: number, state: Grant['state'], more: Partial<Grant> = {}): Grant => {
  const { requester, resource, verbs, scope, session, digest, revision, id } = common(n)
  const base = {
    id: `G-${n}` as GrantId,
    request: id,
    principal: requester,
    resource,
    verbs,
    scope,
    ...(session === undefined ? {} : { session }),
    digest,
    met: [{ key: 'team:shop', count: 1, by: ['mia' as PrincipalId] }],
    revision,
    startsAt: instant(NOW + 20),
    expiresAt: instant(NOW + 500 + n),
    ...more,
  }
  if (state === 'ending') return { ...base, state, why: 'revoked', since: instant(NOW + 30) }
  if (state === 'ended') return { ...base, state, why: 'revoked', at: instant(NOW + 40) }
  return { ...base, state }
}

type Op = readonly [what: string, run: (tx: Pick<Tx, 'requests'>) => Promise<unknown>]
const number = fc.integer({ min: 1, max: 5 })
const time = fc.constantFrom(NOW, NOW + 25, NOW + 400, NOW + 503, NOW + 5_000).map((ms) => instant(ms))
const hp = number.map((n) => `HP-${n}` as RequestId)
const g = number.map((n) => `G-${n}` as GrantId)
const s = fc.integer({ min: 1, max: 3 }).map((n) => `S-${n}` as SessionId)
const revision = fc.integer({ min: 1, max: 3 }).map((n) => n as Revision)
const replica = fc.constantFrom('r1', 'r2')
const who = fc.constantFrom(...PEOPLE)
const state = fc.constantFrom<State>('pending', 'approved', 'approved', 'denied', 'withdrawn', 'expired', 'voided')
const review = fc.record({
  by: who,
  verdict: fc.constantFrom('approve' as const, 'deny' as const),
  words: fc.option(fc.constant('words'), { nil: undefined }),
  at: time,
  wrong: fc.boolean(),
})

const op = <T>(what: string, of: fc.Arbitrary<T>, run: (store: RequestStore, args: T) => Promise<unknown>) =>
  of.map((args): Op => [`${what} ${JSON.stringify(args)}`, ({ requests }) => run(requests, args)])

const OPS: readonly fc.Arbitrary<Op>[] = [
  op('insertRequest', number, (r, n) => r.insertRequest(requestIn(n, 'pending', []), BASIS)),
  op('insertRequest', fc.tuple(number, state), (r, [n, to]) => r.insertRequest(requestIn(n, to, []), BASIS)),
  op('findRequest', hp, (r, id) => r.findRequest(id)),
  op('lockRequest', hp, (r, id) => r.lockRequest(id)),
  op('moveRequest', fc.tuple(number, state, fc.array(review, { maxLength: 2 })), (r, [n, to, given]) =>
    r.moveRequest(
      requestIn(
        n,
        to,
        given.map(({ wrong, words, ...one }) => ({
          ...one,
          digest: digestOf(wrong ? 9 : n),
          ...(words === undefined ? {} : { words }),
        })),
      ),
    ),
  ),
  op('basisOf', hp, (r, id) => r.basisOf(id)),
  op('listRequests', fc.tuple(who, fc.boolean()), (r, [of, all]) =>
    r.listRequests({ sight: all ? { kind: 'all' } : { kind: 'part', of, owned: [] }, limit: 10 }),
  ),
  op('pendingOfSession', s, (r, id) => r.pendingOfSession(id)),
  op('pendingExtensionsOf', g, (r, id) => r.pendingExtensionsOf(id)),
  op('pendingOfPrincipal', who, (r, id) => r.pendingOfPrincipal(id)),
  op('duePending', time, (r, now) => r.duePending(now, 10)),
  op('staleRequests', revision, (r, n) => r.staleRequests(n, 10)),
  op('noteRequestChecked', fc.tuple(hp, revision), (r, [id, n]) => r.noteRequestChecked(id, n)),
  op('changersSince', time, (r, since) => r.changersSince(since)),
  op('activePrincipals', fc.constant(0), (r) => r.activePrincipals()),
  op('wasAsked', fc.tuple(s, who), (r, [id, by]) => r.wasAsked(id, by)),
  op('insertGrant', number, (r, n) => r.insertGrant(grantIn(n, 'active'))),
  op('insertGrant', fc.tuple(number, fc.constantFrom('provisioning' as const, 'ending' as const)), (r, [n, to]) =>
    r.insertGrant(grantIn(n, to)),
  ),
  op('findGrant', g, (r, id) => r.findGrant(id)),
  op('lockGrant', g, (r, id) => r.lockGrant(id)),
  op('grantsOf', fc.array(hp), (r, ids) => r.grantsOf(ids)),
  op(
    'moveGrant',
    fc.tuple(
      number,
      fc.constantFrom('active' as const, 'ending' as const, 'ended' as const),
      fc.constantFrom(0, 0, 0, 100, -100),
    ),
    (r, [n, to, longer]) => r.moveGrant(grantIn(n, to, { expiresAt: instant(NOW + 500 + n + longer) })),
  ),
  op('liveGrants', who, (r, id) => r.liveGrants(id, 'shop-db' as ResourceName)),
  op('openGrantsOfSession', s, (r, id) => r.openGrantsOfSession(id)),
  op('openGrantsOfPrincipal', who, (r, id) => r.openGrantsOfPrincipal(id)),
  op('dueGrants', time, (r, now) => r.dueGrants(now, 10)),
  op('endingGrants', fc.constant(0), (r) => r.endingGrants(10)),
  op('staleGrants', revision, (r, n) => r.staleGrants(n, 10)),
  op('noteGrantChecked', fc.tuple(g, revision), (r, [id, n]) => r.noteGrantChecked(id, n)),
  op('nextDue', fc.constant(0), (r) => r.nextDue()),
  op('insertExecution', number, (r, n) => r.insertExecution(`HP-${n}` as RequestId, `G-${n}` as GrantId)),
  op('findExecution', hp, (r, id) => r.findExecution(id)),
  op('executionsOf', fc.array(hp), (r, ids) => r.executionsOf(ids)),
  op('startExecution', fc.tuple(hp, s, time), (r, [id, session, now]) => r.startExecution(id, session, now)),
  op(
    'endExecution',
    fc.tuple(hp, fc.constantFrom('succeeded' as const, 'failed' as const, 'unknown' as const)),
    (r, [id, outcome]) => r.endExecution(id, instant(NOW + 60), { outcome }),
  ),
  op('startedOfSession', s, (r, id) => r.startedOfSession(id)),
  op('insertReviewAfterwards', hp, (r, id) =>
    r.insertReviewAfterwards(id, { why: [{ kind: 'unknown' }], asked: ['mia', 'ana'] as PrincipalId[], dueAt: 9 }),
  ),
  op('reviewsAfterwards', fc.array(hp), (r, ids) => r.reviewsAfterwards(ids)),
  op('acknowledge', fc.tuple(hp, who), (r, [id, by]) => r.acknowledge(id, by, 'seen', instant(NOW + 70))),
  op('insertSession', fc.tuple(s, replica), (r, [id, of]) =>
    r.insertSession(
      {
        id,
        principal: ana,
        resource: 'shop-db' as ResourceName,
        database: 'shop',
        client: 'psql',
        sourceAddress: '::1',
        openedAt: instant(NOW),
        ...(id === 'S-2' ? { expiresAt: instant(NOW + 400) } : {}),
        state: 'open',
      },
      {
        token: 'T-1',
        replica: of,
        target: { target: { host: 'a', port: 1, user: 'u', database: 'd', sslmode: 'disable' } } as never,
      },
    ),
  ),
  op('findSession', s, (r, id) => r.findSession(id)),
  op('lockSession', s, (r, id) => r.lockSession(id)),
  op('attachBackend', s, (r, id) => r.attachBackend(id, { pid: 7, startedAt: 'then' })),
  op('boundSession', fc.tuple(s, time), (r, [id, at]) => r.boundSession(id, at)),
  op('closeSession', fc.tuple(s, fc.constantFrom('cut' as const, 'client_left' as const)), (r, [id, why]) =>
    r.closeSession(id, why, instant(NOW + 80)),
  ),
  op('orderCut', fc.tuple(s, who), (r, [id, by]) => r.orderCut(id, { why: `cut by ${by}`, reason: 'cut' })),
  op('noteGone', fc.tuple(s, time), (r, [id, now]) => r.noteGone(id, now)),
  op('openSessionsOfPrincipal', who, (r, id) => r.openSessionsOfPrincipal(id)),
  op('enterGrant', fc.tuple(s, g), (r, [session, grant]) => r.enterGrant(session, grant)),
  op('sessionsOfGrant', g, (r, id) => r.sessionsOfGrant(id)),
  op('sessionsToCut', fc.tuple(fc.option(replica, { nil: undefined }), time), (r, [of, now]) =>
    r.sessionsToCut(of, now),
  ),
  op('sessionsLeft', fc.constant(0), (r) => r.sessionsLeft(10)),
  op('startReplica', replica, (r, id) => r.startReplica(id, instant(NOW))),
  op('heartbeat', fc.tuple(replica, time), (r, [id, now]) => r.heartbeat(id, now)),
  op('silentReplicas', time, (r, before) => r.silentReplicas(before, 10)),
  op('endSilentReplica', fc.tuple(replica, time, time), (r, [id, at, now]) => r.endSilentReplica(id, at, now)),
  op('endReplica', replica, (r, id) => r.endReplica(id, instant(NOW + 90))),
  op('openSessionsOfReplica', replica, (r, id) => r.openSessionsOfReplica(id, 10)),
  op('endedReplicasWithSessions', fc.constant(0), (r) => r.endedReplicasWithSessions()),
]
/** What a world begins with, so that random operations find something. */
const START: readonly Op[] = [
  ['replicas', async ({ requests: r }) => Promise.all(['r1', 'r2'].map((id) => r.startReplica(id, instant(NOW))))],
  [
    'requests',
    async ({ requests: r }) => {
      for (const n of [1, 2, 3, 4, 5]) await r.insertRequest(requestIn(n, 'pending', []), BASIS)
      for (const n of [1, 2]) {
        await r.moveRequest(requestIn(n, 'approved', []))
        await r.insertGrant(grantIn(n, 'active'))
        await r.insertExecution(`HP-${n}` as RequestId, `G-${n}` as GrantId)
      }
    },
  ],
]

/** As it can be compared: no keys that say nothing, and where no order was promised, none. */
function plain(value: unknown): unknown {
  const list = value instanceof Map ? [...value] : value
  if (Array.isArray(list)) return list.map((one) => JSON.stringify(sortKeys(one))).sort()
  return list === undefined ? 'nothing' : JSON.stringify(sortKeys(list))
}
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sortKeys(v)]),
  )
}

/** One transaction with these operations; what each answered. */
async function play(store: Store, ops: readonly Op[], commit: boolean): Promise<readonly unknown[]> {
  const answers: unknown[] = []
  const over = new Error('over')
  await store
    .transaction(async (tx) => {
      for (const [what, run] of ops) {
        try {
          answers.push([what, plain(await run(tx))])
        } catch {
          answers.push([what, 'refused'])
        }
      }
      if (!commit) throw over
    })
    .then(
      () => answers.push('committed'),
      () => answers.push('rolled back'),
    )
  return answers
}

const memory = (): Store =>
  memoryStore(new MemoryDatabase(() => 0), {
    trip: () => Promise.resolve(),
    sleep: () => Promise.resolve(),
    now: () => instant(0),
    began: () => undefined,
    tell: () => undefined,
    broke: () => undefined,
  })
/** Beside `START`: a session that uses the first grant. */
const IN_USE: readonly Op[] = [
  [
    'a session',
    async ({ requests: r }) => {
      const open = { principal: ana, resource: 'shop-db' as ResourceName, database: 'shop', client: 'psql' }
      for (const id of ['S-1', 'S-2'] as SessionId[])
        await r.insertSession(
          { ...open, id, sourceAddress: '::1', openedAt: instant(NOW), state: 'open' },
          { token: 'T-1', replica: 'r1', target: {} as never },
        )
      await r.enterGrant('S-1' as SessionId, 'G-1' as GrantId)
    },
  ],
]
const one = { hp: 'HP-1' as RequestId, g: 'G-1' as GrantId, s: 'S-1' as SessionId }
/** Operations on the same rows, to be tried in two transactions at once. */
const LOCKING: readonly Op[] = [
  ['findRequest', ({ requests: r }) => r.findRequest(one.hp)],
  ['lockRequest', ({ requests: r }) => r.lockRequest(one.hp)],
  ['void', ({ requests: r }) => r.moveRequest(requestIn(1, 'voided', []))],
  ['noteRequestChecked', ({ requests: r }) => r.noteRequestChecked(one.hp, 3 as Revision)],
  ['insertReviewAfterwards', ({ requests: r }) => r.insertReviewAfterwards(one.hp, { why: [], asked: [], dueAt: 9 })],
  ['lockGrant', ({ requests: r }) => r.lockGrant(one.g)],
  ['liveGrants', ({ requests: r }) => r.liveGrants(ana, 'crm-db' as ResourceName)],
  ['endGrant', ({ requests: r }) => r.moveGrant(grantIn(1, 'ending'))],
  ['noteGrantChecked', ({ requests: r }) => r.noteGrantChecked(one.g, 3 as Revision)],
  ['startExecution', ({ requests: r }) => r.startExecution(one.hp, one.s, instant(NOW + 30))],
  ['lockSession', ({ requests: r }) => r.lockSession(one.s)],
  ['closeSession', ({ requests: r }) => r.closeSession(one.s, 'cut', instant(NOW + 30))],
  ['enterGrant', ({ requests: r }) => r.enterGrant('S-2' as SessionId, one.g)],
  ['enterGrant again', ({ requests: r }) => r.enterGrant(one.s, one.g)],
  ['endReplica', ({ requests: r }) => r.endReplica('r1', instant(NOW + 30))],
  ['heartbeat', ({ requests: r }) => r.heartbeat('r1', instant(NOW + 30))],
]

/** Whether `second` in a transaction of its own must wait while one with `first` is open. Both are rolled back. */
async function waits(
  store: Store,
  first: Op[1],
  second: Op[1],
  stuck: (over: () => boolean) => Promise<boolean>,
): Promise<boolean> {
  const back = new Error('back')
  let letGo = (): void => undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  let began = (): void => undefined
  const begun = new Promise<void>((resolve) => (began = resolve))
  const run = (work: (tx: Tx) => Promise<unknown>): Promise<unknown> =>
    store
      .transaction(async (tx) => {
        await work(tx)
        throw back
      })
      .catch((error: unknown) => (error === back ? undefined : error))
  const a = run(async (tx) => {
    await first(tx)
    began()
    await held
  })
  await Promise.race([begun, a])
  let over = false
  const b = run(second).finally(() => (over = true))
  const answer = await stuck(() => over)
  letGo()
  await Promise.all([a, b])
  return answer
}
const inMemory = async (over: () => boolean): Promise<boolean> => {
  await new Promise((resolve) => setImmediate(resolve))
  return !over()
}
const inPostgres = async (over: () => boolean): Promise<boolean> => {
  while (!over()) {
    const waiting = await watcher.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`,
    )
    if (waiting.rows.length > 0) return true
  }
  return false
}
const clear = () =>
  database.query(
    'TRUNCATE access_request, review, session, access_grant, execution, session_grant, replica, review_afterwards CASCADE',
  )

describe('the store in memory', () => {
  it('answers and refuses as the real one does', async () => {
    const transactions = fc.array(
      fc.record({ ops: fc.array(fc.oneof(...OPS), { minLength: 1, maxLength: 4 }), commit: fc.boolean() }),
      { minLength: 10, maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(transactions, async (all) => {
        await clear()
        const [here, there] = [memory(), real.store]
        for (const { ops, commit } of [
          { ops: START, commit: true },
          ...all.map((one) => ({ ...one, commit: true })),
          ...all,
        ])
          expect(await play(here, ops, commit)).toEqual(await play(there, ops, commit))
      }),
      { numRuns: 25 },
    )
  })

  it('lets one transaction wait for another where the real one does', async () => {
    const here = memory()
    await clear()
    for (const store of [here, real.store])
      for (const ops of [START, IN_USE]) expect(await play(store, ops, true)).toContain('committed')
    let waited = 0
    for (const [a, first] of LOCKING)
      for (const [b, second] of LOCKING) {
        const must = await waits(real.store, first, second, inPostgres)
        expect([a, b, await waits(here, first, second, inMemory)]).toEqual([a, b, must])
        if (must) waited++
      }
    expect(waited).toBeGreaterThan(30)
  }, 60_000)
})
