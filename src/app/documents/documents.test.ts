import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../../test/support/database.ts'
import { testDatabase } from '../../../test/support/database.ts'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import type { Classifier, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { Estimate } from '../../domain/action.ts'
import type { PrincipalId, ResourceName, Revision, TokenId } from '../../domain/ids.ts'
import { loadDocuments } from '../../domain/policy/documents.ts'
import type { Principal } from '../../domain/principal.ts'
import type { OpenStore } from '../../store/open-store.ts'
import { openStore } from '../../store/open-store.ts'
import type { App, Caller, TokenScope } from '../app.ts'
import { createRequestUseCases } from '../requests/use-cases.ts'
import { done, type Result } from '../result.ts'
import { applyApproved } from './apply-approved.ts'
import { createDocumentUseCases, type DocumentUseCases } from './create-document-use-cases.ts'
import { keepPolicy, type PolicyKeeper } from './keeper.ts'

let classifier: Classifier
beforeAll(async () => {
  classifier = await createClassifier()
})
afterAll(() => classifier.close())

let database: TestDatabase
let open: OpenStore
let keeper: PolicyKeeper
let app: DocumentUseCases
let requests: Pick<App, 'review' | 'getRequest'>
let clock = 0
/** What the target says of itself; undefined for one that cannot be reached. */
let catalogue: TargetCatalogue | undefined
let guess: Estimate | undefined
let planned: string[] = []
let watching = 0

const person = (id: string, more: Partial<Principal> = {}): Principal => ({
  id: id as PrincipalId,
  kind: 'user',
  displayName: id,
  roles: [],
  disabled: false,
  ...more,
})
const SAM = person('sam', { roles: ['admin'] })
const LEE = person('lee', { roles: ['admin'] })
const OLU = person('olu', { roles: ['auditor'] })
const BOT = person('bot', { kind: 'agent', sponsor: 'ana' as PrincipalId })
const CI = person('ci', { kind: 'service' })
const CAST = [SAM, OLU, person('ana'), person('mia'), person('dev'), BOT, CI]

const caller = (principal: Principal, scopes: readonly TokenScope[] = ['all']): Caller => ({
  principal,
  token: `T-${principal.id}` as TokenId,
  scopes,
  sourceAddress: '127.0.0.1',
})
const named = (name: string): Principal => [...CAST, LEE].find((one) => one.id === name) ?? person(name)
const add = (...people: readonly Principal[]) =>
  open.store.transaction(async (tx) => {
    for (const one of people) await tx.people.insert(one, randomBytes(16), tx.now)
  })

beforeEach(async () => {
  database = await testDatabase()
  open = await openStore(database.url, () => undefined)
  await add(...CAST)
  clock = 0
  catalogue = undefined
  guess = undefined
  planned = []
  watching = 0
  keeper = await keepPolicy({ store: open.store, wake: open.wake, monotonic: () => clock, log: () => undefined })
  const shared = { store: open.store, clock: open.clock, cursorKey: randomBytes(32) }
  app = createDocumentUseCases({
    ...shared,
    keeper,
    classifier,
    targets: {
      probe: async (target) =>
        target.host === 'shop.internal'
          ? { ok: true, version: '18.4', account: { role: 'shop', excess: [], schemas: [] } }
          : target.host === 'locked.internal'
            ? { ok: false, message: 'locked.internal:5432 cannot be used: it asks for a password that was not given' }
            : { ok: false, message: 'nobody listens there' },
      estimate: async (_target, _database, text) => {
        planned.push(text)
        return guess
      },
    },
    catalogue: {
      watch: async () => {
        if (catalogue === undefined) throw new Error('nobody listens there')
        const found = catalogue
        watching++
        return { current: () => found, refresh: async () => undefined, release: () => void watching-- }
      },
      close: async () => undefined,
    },
    reader: { read: async (files) => loadDocuments(files), close: async () => undefined },
    openTarget: async (profile) => done({ ...profile.target }),
    gateway: { host: 'localhost', port: 7432 },
  })
  requests = createRequestUseCases({
    ...shared,
    policy: () => keeper.current(),
    baseUrl: () => 'http://localhost:7400',
    refreshPolicy: () => keeper.refresh(),
    applyApproved,
  })
})
afterEach(async () => {
  await keeper.stop()
  await open.close()
  await database.close()
})

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.refusal}: ${result.detail ?? ''}`)
  return result.value
}
const files = (text: string, path = 'policy.yaml') => [{ path, text }]
const apply = (text: string, as = SAM, options: { prune?: boolean; base?: Revision; reason?: string } = {}) =>
  app.applyDocuments(caller(as), files(text), { prune: false, ...options })

const SHOP = `kind: Resource
name: shop-db
connect: postgres://shop.internal/shop
env: prod
classification: internal
owners: [{layer: service, team: payments, decides: [write, delete]}]
`
const BASE = `${SHOP}---
kind: Team
name: payments
members: [mia, dev]
---
kind: Team
name: security
members: [sam]
---
kind: Rule
name: prod-writes
on: {env: prod, verbs: [write, delete]}
hold: {reviews: [{from: owners}], scope: once}
---
kind: Rule
name: reads
on: {env: prod, verbs: [read, connect]}
allow: {}
`

test('a target that asks for a password nobody gave: told how to give one', async () => {
  const applied = value(await apply('kind: Resource\nname: ledger\nconnect: postgres://locked.internal/ledger\n'))
  expect(applied.kind === 'applied' && applied.notes[0]).toBe(
    'ledger: not reachable: locked.internal:5432 cannot be used: it asks for a password that was not given; ' +
      'seal one with `hp secret set ledger`, and add to the resource `credential: { from: secret, name: ledger }`',
  )
})

test('three lines: applied, and told what people need to know next', async () => {
  const applied = value(await apply('kind: Resource\nname: ledger\nconnect: postgres://ledger.internal/ledger\n'))
  expect(applied).toMatchObject({
    kind: 'applied',
    revision: 1,
    difference: { base: 0, changes: [{ kind: 'Resource', name: 'ledger', change: 'added' }] },
  })
  expect(applied.kind === 'applied' && applied.notes).toEqual([
    'ledger: not reachable: nobody listens there',
    'ledger: type postgres, inferred from connect',
    'ledger: incomplete; everything on it is held for team security until an owner and a classification are set',
    'ledger: nobody can answer: no team security exists; an administrator names one with hp apply',
    'ledger: connect with psql "host=localhost port=7432 dbname=ledger user=sam"',
  ])
  expect(keeper.current()?.resources.get('ledger' as ResourceName)).toMatchObject({
    incomplete: true,
    classification: 'restricted',
    revision: 1,
  })
})

test('every revision is kept; a profile keeps the revision in which it last changed; nothing changed is no revision', async () => {
  value(await apply(BASE))
  expect(value(await apply(BASE))).toEqual({ kind: 'unchanged', revision: 1 })
  expect(value(await apply(BASE.replace('scope: once', 'timeout: 5m'), SAM, { reason: 'INC-9' }))).toMatchObject({
    kind: 'applied',
    revision: 2,
  })
  expect(keeper.current()?.revision).toBe(2)
  expect(keeper.current()?.resources.get('shop-db' as ResourceName)?.revision).toBe(1)
  const second = value(await app.exportDocuments(caller(SAM)))
  const first = value(await app.exportDocuments(caller(SAM), 1 as Revision))
  expect(first.documents).toHaveLength(5)
  expect(first.documents.find((one) => one['name'] === 'prod-writes')).toMatchObject({ hold: { scope: 'once' } })
  expect(second.documents.find((one) => one['name'] === 'prod-writes')).toMatchObject({ hold: { timeout: '5m' } })
  expect(value(await app.listRevisions(caller(SAM))).items).toMatchObject([
    {
      revision: 2,
      by: 'sam',
      summary: ['Rule prod-writes: hold.scope: once → (none)', 'Rule prod-writes: hold.timeout: (none) → 5m'],
    },
    { revision: 1, by: 'sam' },
  ])
  await expect(database.query("UPDATE document SET body = '{}'")).rejects.toThrow(/keeps its history/)
  await expect(database.query('DELETE FROM revision')).rejects.toThrow(/keeps its history/)
  await expect(database.query('UPDATE revision_head SET number = 1')).rejects.toThrow(/count up by one/)
})

test('prune removes what the files do not name; without it they only add and change', async () => {
  value(await apply(BASE))
  const rule = BASE.split('---\n').slice(-1).join('')
  expect(value(await app.diffDocuments(caller(SAM), files(rule), { prune: false })).changes).toEqual([])
  expect(
    value(await app.diffDocuments(caller(SAM), files(rule), { prune: true })).changes.map(
      ({ name, change }) => `${name} ${change}`,
    ),
  ).toEqual(['shop-db removed', 'prod-writes removed', 'payments removed', 'security removed'])
  value(await apply(rule, SAM, { prune: true }))
  expect(keeper.current()?.resources.size).toBe(0)
  expect(value(await app.exportDocuments(caller(SAM))).documents).toHaveLength(1)
})

test('an invalid or half-written set changes nothing: the old revision stays in force', async () => {
  value(await apply(BASE))
  for (const bad of [
    `${BASE}---\nkind: Rule\nname: x\nhold: {reviews: [{from: "team:payments", count: 5}]}\n`,
    `${BASE}---\nkind: Rule\nname: x\nwhen: action.nothing == 1\ndeny: x\n`,
    BASE.slice(0, BASE.indexOf('owners:') + 20),
    `${BASE}---\n${SHOP}`,
  ]) {
    expect(await apply(bad)).toMatchObject({
      ok: false,
      refusal: 'documents_invalid',
      detail: expect.stringContaining('policy.yaml:'),
    })
  }
  // What is there already counts too: the new rule alone is valid, together with the team it is not.
  expect(await apply('kind: Rule\nname: x\nhold: {reviews: [{from: "team:payments", count: 5}]}\n')).toMatchObject({
    ok: false,
    refusal: 'documents_invalid',
  })
  expect(await apply(SHOP, SAM, { base: 7 as Revision })).toMatchObject({ ok: false, refusal: 'stale_base' })
  expect(await open.store.documents.currentRevision()).toBe(1)
  expect(keeper.current()?.rules.map((rule) => rule.name)).toEqual(['prod-writes', 'reads'])
})

test('ten who apply at once make ten revisions, one after the other', async () => {
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, index) => apply(`kind: Team\nname: team-${index}\nmembers: [mia]\n`)),
  )
  expect(
    results
      .map((result) => value(result))
      .map((one) => (one.kind === 'applied' ? one.revision : 0))
      .toSorted((a, b) => a - b),
  ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(keeper.current()?.teams.size).toBe(10)
})

test('the record has the revision and each document, the profile on its own timeline', async () => {
  value(await apply(BASE))
  const entries = await open.store.recorded.after(undefined, 100)
  expect(entries.map(({ kind, resource }) => `${kind} ${resource ?? ''}`.trim())).toEqual([
    'profile.changed shop-db',
    'rule.changed',
    'rule.changed',
    'team.changed',
    'team.changed',
    'revision.applied',
  ])
  expect(entries.at(-1)).toMatchObject({
    subject: 'revision',
    actor: 'sam',
    body: { revision: 1, base: 0, unreviewed: true, documents: 5 },
  })
})

test('who must agree to a change reads all of it: what an added rule says, what a removed one said, nothing cut off', async () => {
  value(await apply(BASE))
  await add(LEE)
  await keeper.refresh()
  const words = 'x'.repeat(400)
  const kept = BASE.split('---\n').slice(0, -1).join('---\n')
  const rule = `kind: Rule\nname: everything\non: {env: prod}\ndeny: ${words}\n`
  const held = value(await apply(`${kept}---\n${rule}`, SAM, { prune: true }))
  if (held.kind !== 'held') throw new Error('not held')
  const { request } = value(await requests.getRequest(caller(LEE), held.request))
  if (request.subject.kind !== 'change') throw new Error('not a change')
  expect(request.subject.summary).toEqual(
    expect.arrayContaining([
      'Rule everything: added',
      `    deny: ${words}`,
      'Rule reads: removed',
      '    on.verbs: [read, connect]',
    ]),
  )
})

test('with a second administrator nobody applies alone: another one agrees, and then it is in force', async () => {
  value(await apply(BASE))
  await add(LEE)
  await keeper.refresh()
  const held = value(await apply(SHOP.replace('internal\nowners', 'restricted\nowners'), SAM, { reason: 'audit' }))
  if (held.kind !== 'held') throw new Error('not held')
  expect(await open.store.documents.currentRevision()).toBe(1)
  const view = value(await requests.getRequest(caller(LEE), held.request))
  expect(view.request).toMatchObject({
    requester: 'sam',
    resource: 'holdpoint',
    state: 'pending',
    subject: { kind: 'change', base: 1, summary: ['Resource shop-db: classification: internal → restricted'] },
  })
  const digest = view.request.digest
  expect(await requests.review(caller(SAM), held.request, { verdict: 'approve', digest })).toMatchObject({
    ok: false,
    refusal: 'self_review',
  })
  expect(await requests.review(caller(named('mia')), held.request, { verdict: 'approve', digest })).toMatchObject({
    ok: false,
  })
  expect(value(await requests.review(caller(LEE), held.request, { verdict: 'approve', digest })).request.state).toBe(
    'approved',
  )
  await expect.poll(() => keeper.current()?.revision).toBe(2)
  expect(keeper.current()?.resources.get('shop-db' as ResourceName)?.classification).toBe('restricted')
  const [last] = (await open.store.recorded.after(undefined, 100, { subject: 'revision' })).slice(-1)
  expect(last).toMatchObject({
    actor: 'sam',
    body: { revision: 2, unreviewed: false, request: held.request, approvedBy: ['lee'] },
  })
})

test('a proposal that another revision overtook is not applied', async () => {
  value(await apply(BASE))
  const held = value(await apply(SHOP.replace('env: prod', 'env: dev'), CI))
  if (held.kind !== 'held') throw new Error('not held')
  value(await apply(SHOP.replace('internal', 'confidential')))
  await open.store.transaction(async (tx) => {
    const request = await tx.requests.lockRequest(held.request)
    expect(request && (await applyApproved(tx, request))).toMatchObject({ ok: false, refusal: 'stale_base' })
  })
  expect(await open.store.documents.currentRevision()).toBe(2)
})

test('owners, agents and machines propose; requesters, reviewers and auditors do not', async () => {
  value(await apply(BASE))
  const change = SHOP.replace('internal', 'confidential')
  for (const who of [named('mia'), BOT, CI]) expect(value(await apply(change, who))).toMatchObject({ kind: 'held' })
  expect(await app.applyDocuments(caller(CI, ['policy']), files(change), { prune: false })).toMatchObject({ ok: true })
  for (const who of [named('ana'), OLU])
    expect(await apply(change, who)).toMatchObject({ ok: false, refusal: 'not_permitted' })
  expect(await app.applyDocuments(caller(SAM, ['read']), files(change), { prune: false })).toMatchObject({
    ok: false,
    refusal: 'scope_too_narrow',
  })
  expect(await open.store.documents.currentRevision()).toBe(1)
})

test('the keeper gives the same object until something changes, and nothing when it is older than two seconds', async () => {
  value(await apply(BASE))
  const before = keeper.current()
  await keeper.refresh()
  expect(keeper.current()).toBe(before)
  clock += 2_001
  expect(keeper.current()).toBeUndefined()
  await keeper.refresh()
  expect(keeper.current()).toBe(before)
  // Another replica's change arrives by itself.
  await open.store.transaction(async (tx) => {
    await tx.people.update({ ...named('dev'), disabled: true })
    await tx.record.append({ kind: 'account.updated', subject: 'account/dev', body: {} })
  })
  await expect.poll(() => keeper.current()?.people.get('dev' as PrincipalId)?.disabled).toBe(true)
  expect(keeper.current()).not.toBe(before)
})

test('explain gives the decision, every rule with what it saw, and what would flip it', async () => {
  value(
    await apply(
      `${BASE}---\nkind: Rule\nname: big\non: {verbs: [write, delete]}\nwhen: action.estimate.rows > 1000 || !action.sql.hasWhere\nhold: {reviews: [{from: "team:security"}]}\n`,
    ),
  )
  const ask = { as: 'ana', on: 'shop-db', sql: 'DELETE FROM carts WHERE id = 1', estimate: { rows: 5 } }
  const told = value(await app.explain(caller(named('ana')), ask))
  expect(told).toMatchObject({
    verb: 'delete',
    decision: 'hold',
    rules: ['prod-writes'],
    reviews: [{ key: 'team:payments', count: 1, people: ['dev', 'mia'] }],
    cause: 'rule',
    revision: 1,
  })
  expect(told.trace.map(({ rule, matched }) => `${rule} ${matched}`)).toEqual([
    'prod-writes true',
    'reads false',
    'big false',
  ])
  expect(told.trace.find((one) => one.rule === 'big')).toMatchObject({
    path: 'policy.yaml',
    line: 26,
    clauses: [
      { text: 'verbs: write, delete', holds: true, saw: 'verbs = delete' },
      { text: 'action.estimate.rows > 1000', holds: false, saw: 'action.estimate.rows = 5' },
      { text: '!action.sql.hasWhere', holds: false, saw: 'action.sql.hasWhere = true' },
    ],
  })
  const { estimate: _estimate, ...unplanned } = ask
  expect(value(await app.explain(caller(named('ana')), unplanned))).toMatchObject({
    cause: 'expression_failed',
    message:
      'shop-db was not asked (it cannot be reached): assumed to have nothing of its own; rule big: action.estimate: not known',
    rules: ['prod-writes'],
  })
  expect(value(await app.explain(caller(named('ana')), { as: 'ana', on: 'shop-db', sql: 'SELEC 1' }))).toMatchObject({
    verb: 'unknown',
    decision: 'hold',
    cause: 'unknown_action',
    reviews: [{ people: ['sam'] }],
  })
  expect(value(await app.explain(caller(named('ana')), { as: 'ana', on: 'shop-db', sql: 'SELECT 1' })).flip).toBe(
    'Without rule reads it would be: hold.',
  )
  // Any user for anybody; agents and services for themselves and their sponsor.
  expect(await app.explain(caller(named('mia')), ask)).toMatchObject({ ok: true })
  expect(await app.explain(caller(BOT), ask)).toMatchObject({ ok: true })
  expect(await app.explain(caller(BOT), { ...ask, as: 'mia' })).toMatchObject({ ok: false, refusal: 'not_permitted' })
  expect(await app.explain(caller(CI), ask)).toMatchObject({ ok: false, refusal: 'not_permitted' })
  expect(await app.explain(caller(OLU), ask)).toMatchObject({ ok: true })
  expect(await app.explain(caller(named('ana')), { ...ask, on: 'nowhere' })).toMatchObject({
    ok: false,
    refusal: 'not_found',
  })
  expect(await app.explainRequest(caller(named('ana')), 'HP-999')).toMatchObject({ ok: false, refusal: 'not_found' })
})

const EMPTY: TargetCatalogue = {
  version: '1',
  functions: new Set(),
  operators: new Set(),
  relations: new Map(),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
}

test('explain asks the target for what it has and what it would plan, as the gateway does', async () => {
  const BIG = `---
kind: Rule
name: big
on: {verbs: [write, delete]}
when: action.estimate.rows > 1000
hold: {reviews: [{from: "team:security"}]}
`
  value(await apply(`${BASE}${BIG}`))
  catalogue = { ...EMPTY, functions: new Set(['lower']) }
  guess = { rows: 5_000, cost: 10 }
  const as = async (who: string, sql: string, more: object = {}) =>
    value(await app.explain(caller(named(who)), { as: 'ana', on: 'shop-db', sql, ...more }))

  const DELETE = 'DELETE FROM carts WHERE id = 1'
  expect(await as('ana', DELETE)).toMatchObject({ rules: ['big', 'prod-writes'], cause: 'rule', estimate: guess })
  expect(planned).toEqual([DELETE])
  // What somebody gives counts instead; what no rule reads is not asked for, nor what might run code when it is planned.
  expect((await as('ana', DELETE, { estimate: { rows: 5 } })).rules).toEqual(['prod-writes'])
  expect((await as('ana', 'SELECT 1')).message).toBeUndefined()
  expect(await as('ana', `DELETE FROM carts WHERE note = lower('A')`)).toMatchObject({
    verb: 'exec',
    verbs: ['delete', 'exec'],
  })
  expect(planned).toEqual([DELETE])
  // The strongest verb stands for all.
  expect(await as('ana', 'WITH d AS (DELETE FROM carts RETURNING *) SELECT * FROM d')).toMatchObject({ verb: 'delete' })
  expect(await as('ana', '')).toMatchObject({ decision: 'allow', verb: 'connect', verbs: [] })
  expect(await as('ana', "SET client_encoding = 'SJIS'")).toMatchObject({ decision: 'deny' })
  // A planner that gives nothing leaves the rule in doubt, and the answer says so.
  guess = undefined
  expect(await as('ana', DELETE)).toMatchObject({
    cause: 'expression_failed',
    message: 'the planner gave no estimate; rule big: action.estimate: not known',
  })
  expect(watching).toBe(0)
})

test('explaining stays cheap where a thousand rules match', async () => {
  const many = Array.from(
    { length: 1_000 },
    (_, n) =>
      `---\nkind: Rule\nname: r${n}\non: {verbs: [write]}\nwhen: action.sql.hasWhere || ${n} > 2000\nhold: {reviews: [{from: owners}]}\n`,
  ).join('')
  value(await apply(`${BASE}${many}`))
  const ask = { as: 'ana', on: 'shop-db', sql: 'UPDATE carts SET note = 1 WHERE id = 1' }
  const one = value(await app.explain(caller(named('ana')), ask))
  expect(one.rules).toHaveLength(1_001)
  expect(one.trace.length).toBeLessThanOrEqual(500)
  const [first] = await app.explainAll(caller(named('ana')), [ask, ask])
  expect(first?.ok === true && first.value.trace.length).toBe(20)
  expect(first?.ok === true && first.value.trace.every((rule) => rule.matched)).toBe(true)
})

test('a batch is answered in order, by one look at each target', async () => {
  value(await apply(BASE))
  catalogue = EMPTY
  const questions = Array.from({ length: 300 }, (_, n) => ({
    as: n % 7 === 0 ? 'nobody' : 'ana',
    on: 'shop-db',
    sql: n % 2 === 0 ? 'SELECT 1' : `DELETE FROM carts WHERE id = ${n}`,
  }))
  const answers = await app.explainAll(caller(named('ana')), questions)
  expect(answers.map((answer) => (answer.ok ? answer.value.verb : answer.refusal))).toEqual(
    questions.map(({ as }, n) => (as === 'nobody' ? 'not_found' : n % 2 === 0 ? 'read' : 'delete')),
  )
  expect(watching).toBe(0)
})

test('tests run against the files, or against what is in force, and say what differed', async () => {
  const given = `${BASE}---
kind: Test
name: a small delete needs its owner
given: {principal: ana, resource: shop-db, sql: DELETE FROM carts WHERE id = 1, estimate: {rows: 1}}
expect: {decision: hold, rules: [prod-writes], reviewers: [mia, dev], scope: once, verb: delete}
---
kind: Test
name: wrong on purpose
given: {principal: mia, resource: shop-db, verb: delete}
expect: {decision: allow, rules: [reads], reviewers: [mia]}
---
kind: Test
name: nobody
given: {principal: nobody, resource: shop-db, verb: read}
expect: {decision: allow}
`
  const outcomes = value(await app.testDocuments(caller(SAM), files(given)))
  expect(outcomes.map(({ name, passed, differences }) => ({ name, passed, differences }))).toEqual(
    [
      { name: 'a small delete needs its owner', passed: true, differences: [] },
      { name: 'nobody', passed: false, differences: ['principal: nobody is called nobody'] },
      {
        name: 'wrong on purpose',
        passed: false,
        differences: [
          'decision: expected allow, got hold',
          'rules: expected [reads], got [prod-writes]',
          'reviewers: expected [mia], got [dev]',
        ],
      },
    ].toSorted((a, b) => given.indexOf(`name: ${a.name}\n`) - given.indexOf(`name: ${b.name}\n`)),
  )
  value(await apply(given))
  expect(value(await app.testDocuments(caller(SAM), undefined)).filter((one) => one.passed)).toHaveLength(1)
  expect(await app.testDocuments(caller(SAM), files('kind: Rule\n'))).toMatchObject({
    ok: false,
    refusal: 'documents_invalid',
  })
})

test('resources and teams as people see them', async () => {
  value(
    await apply(
      `${BASE}---\nkind: Resource\nname: copy\nconnect: postgres://u@shop.internal/shop\naudit: {last: 2020-01-01, every: 90d}\n`,
    ),
  )
  const [copy, shop] = value(await app.listResources(caller(named('ana'))))
  expect(shop).toMatchObject({
    profile: { name: 'shop-db' },
    openGrants: 0,
    pendingRequests: 0,
    clientLine: 'psql "host=localhost port=7432 dbname=shop-db user=ana"',
  })
  expect(copy?.warnings).toEqual([
    expect.stringContaining('restricted'),
    expect.stringContaining('shop-db is the same database'),
    expect.stringContaining('overdue'),
  ])
  expect(await app.getResource(caller(named('ana')), 'nowhere')).toMatchObject({ ok: false, refusal: 'not_found' })
  expect(value(await app.listTeams(caller(BOT))).map((team) => team.name)).toEqual(['payments', 'security'])
  clock += 2_001
  expect(await app.listTeams(caller(BOT))).toMatchObject({ ok: false, refusal: 'policy_unavailable' })
})

test('the policy of the demo has no error, and its tests pass', async () => {
  await add(LEE)
  const folder = new URL('../../../demo/policy/', import.meta.url)
  const set = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((path) => ({ path, text: readFileSync(new URL(path, folder), 'utf8') }))
  expect(value(await app.checkDocuments(caller(SAM), set)).filter((finding) => finding.severity === 'error')).toEqual(
    [],
  )
  expect(value(await app.testDocuments(caller(SAM), set)).filter((one) => !one.passed)).toEqual([])
})
