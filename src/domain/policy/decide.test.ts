import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Action, Context } from '../action.ts'
import type { PrincipalId, ResourceName, Revision } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { Verb } from '../verb.ts'
import { buildSnapshot, type PolicySnapshot } from './build-snapshot.ts'
import { combine } from './combine.ts'
import type { Decision } from './decision.ts'
import { readBody, type Document } from './documents.ts'
import type { ExpressionCache } from './rule.ts'
import { decideWindow } from './window.ts'

const user = (id: string, more: Partial<Principal> = {}): Principal => ({
  id: id as PrincipalId,
  kind: 'user',
  displayName: id,
  roles: [],
  disabled: false,
  ...more,
})
const ANA = user('ana')
const BOT = user('bot', { kind: 'agent', sponsor: ANA.id })
const PEOPLE = [ANA, BOT, user('mia'), user('dev'), user('sam'), user('lee'), user('olu', { roles: ['auditor'] })]
const CONTEXT: Context = { now: Date.UTC(2026, 10, 23, 12), sourceAddress: '127.0.0.1', sessionStatements: 0 }
const SQL = { statements: ['DELETE'], tables: ['public.carts'], columns: [], hasWhere: true, functions: [] }

const cache: ExpressionCache = new Map()
function documentOf(body: Readonly<Record<string, unknown>>): Document {
  const document = readBody(body)
  if (document === undefined) throw new Error(`not valid: ${JSON.stringify(body)}`)
  return document
}
const snapshotOf = (bodies: readonly Readonly<Record<string, unknown>>[], people = PEOPLE): PolicySnapshot =>
  buildSnapshot({ revision: 1 as Revision, documents: bodies.map(documentOf) }, people, { expressions: cache })

const SHOP = {
  kind: 'Resource',
  name: 'shop-db',
  connect: 'postgres://shop.internal/shop',
  env: 'prod',
  classification: 'internal',
  owners: [{ layer: 'service', team: 'payments', decides: ['write', 'delete'] }],
}
const TEAMS = [
  { kind: 'Team', name: 'payments', members: ['mia', 'dev'] },
  { kind: 'Team', name: 'security', members: ['sam'] },
  { kind: 'Team', name: 'database', members: ['dev', 'lee'] },
]
const action = (verb: Verb, facts: Action['facts'] = { sql: SQL }): Action => ({
  resource: 'shop-db' as ResourceName,
  verb,
  facts,
})
function decideOn(
  bodies: readonly Readonly<Record<string, unknown>>[],
  asked: Action = action('delete'),
  principal = ANA,
  people = PEOPLE,
): Decision {
  const scope = snapshotOf(bodies, people).scope(principal, asked.resource)
  if (scope === undefined) throw new Error('no scope')
  return scope.decide(asked, CONTEXT)
}
const keys = (decision: Decision): readonly string[] =>
  decision.outcome === 'hold' ? decision.requirements.map((requirement) => requirement.key) : []

// The abstract space. A rule is one effect and one way its expression comes out.
const WAYS = {
  match: 'resource.name == "shop-db"',
  no: 'resource.name == "other"',
  error: 'action.estimate.rows > 1',
} as const
type Way = keyof typeof WAYS
type Effect = 'deny' | 'hold' | 'allow' | 'waive_first' | 'waive_all'
interface Abstract {
  readonly effect: Effect
  readonly way: Way
}
interface World {
  readonly rules: readonly Abstract[]
  readonly verb: Verb
  readonly incomplete: boolean
  readonly fallback: 'hold' | 'deny'
}
const EFFECTS: readonly Effect[] = ['deny', 'hold', 'allow', 'waive_first', 'waive_all']
const KINDS: readonly Abstract[] = EFFECTS.flatMap((effect) =>
  (Object.keys(WAYS) as Way[]).map((way) => ({ effect, way })),
)

const TEAM_OF = ['database', 'payments', 'third'] as const
const nameOf = (index: number): string => `rule-${index}`
const holdNames = (rules: readonly Abstract[]): readonly string[] =>
  rules.flatMap((rule, index) => (rule.effect === 'hold' ? [nameOf(index)] : []))

function build(world: World): readonly Readonly<Record<string, unknown>>[] {
  const holds = holdNames(world.rules)
  const rules = world.rules.map((rule, index) => {
    const base = { kind: 'Rule', name: nameOf(index), when: WAYS[rule.way] }
    if (rule.effect === 'deny') return { ...base, deny: 'No.' }
    if (rule.effect === 'hold') return { ...base, hold: { reviews: [{ from: `team:${TEAM_OF[index % 3]}` }] } }
    const waives = rule.effect === 'allow' ? [] : rule.effect === 'waive_first' ? holds.slice(0, 1) : holds
    return { ...base, allow: waives.length === 0 ? {} : { waives, reviewAfter: '24h' } }
  })
  const { owners: _owners, ...bare } = SHOP
  return [
    world.incomplete ? bare : SHOP,
    ...TEAMS,
    { kind: 'Team', name: 'third', members: ['lee'] },
    { kind: 'Settings', default: world.fallback },
    ...rules,
  ]
}

/** The rules of combination restated: slow, obvious, unlike the code under test. */
function oracle({ rules, verb, incomplete, fallback }: World): {
  outcome: string
  cause: string
  keys: readonly string[]
} {
  const matched = (effect: Effect): readonly number[] =>
    rules.flatMap((rule, index) => (rule.effect === effect && rule.way === 'match' ? [index] : []))
  if (matched('deny').length > 0) return { outcome: 'deny', cause: 'rule', keys: [] }
  const holds = matched('hold')
  const teams = holds.map((index) => `team:${TEAM_OF[index % 3]}`)
  const broken = rules.some((rule) => rule.way === 'error' && (rule.effect === 'deny' || rule.effect === 'hold'))
  const security = [...new Set([...teams, 'team:security'])].toSorted()
  if (verb === 'unknown') return { outcome: 'hold', cause: 'unknown_action', keys: security }
  if (broken) return { outcome: 'hold', cause: 'expression_failed', keys: security }
  if (incomplete)
    return holds.length === 0 && fallback === 'deny'
      ? { outcome: 'deny', cause: 'default', keys: [] }
      : { outcome: 'hold', cause: 'incomplete_profile', keys: security }
  const every = holdNames(rules)
  const covers = (waived: readonly string[]): boolean => holds.every((index) => waived.includes(nameOf(index)))
  const allowed =
    (matched('allow').length > 0 && covers([])) ||
    (matched('waive_first').length > 0 && covers(every.slice(0, 1))) ||
    (matched('waive_all').length > 0 && covers(every))
  if (allowed) return { outcome: 'allow', cause: 'rule', keys: [] }
  if (holds.length > 0) return { outcome: 'hold', cause: 'rule', keys: [...new Set(teams)].toSorted() }
  return fallback === 'deny'
    ? { outcome: 'deny', cause: 'default', keys: [] }
    : { outcome: 'hold', cause: 'default', keys: ['team:payments'] }
}

const summary = (decision: Decision) => ({ outcome: decision.outcome, cause: decision.cause, keys: keys(decision) })

test('every combination of up to two rules agrees with the oracle', () => {
  const sets: readonly (readonly Abstract[])[] = [
    [],
    ...KINDS.map((one) => [one]),
    ...KINDS.flatMap((a) => KINDS.map((b) => [a, b])),
  ]
  for (const rules of sets) {
    for (const verb of ['delete', 'unknown'] as const) {
      for (const incomplete of [false, true]) {
        for (const fallback of ['hold', 'deny'] as const) {
          const world: World = { rules, verb, incomplete, fallback }
          expect({ world, ...summary(decideOn(build(world), action(verb))) }).toEqual({ world, ...oracle(world) })
        }
      }
    }
  }
})

const worlds = fc.record({
  rules: fc.array(fc.constantFrom(...KINDS), { maxLength: 6 }),
  verb: fc.constantFrom<Verb>('delete', 'unknown'),
  incomplete: fc.boolean(),
  fallback: fc.constantFrom('hold', 'deny'),
})

test('more rules agree with the oracle, in whatever order they and their files come', () => {
  fc.assert(
    fc.property(worlds, fc.infiniteStream(fc.nat()), (world, noise) => {
      const bodies = build(world)
      const decision = decideOn(bodies, action(world.verb))
      expect(summary(decision)).toEqual(oracle(world))
      const shuffled = bodies.map((body) => ({ body, at: noise.next().value ?? 0 })).toSorted((a, b) => a.at - b.at)
      expect(
        decideOn(
          shuffled.map(({ body }) => body),
          action(world.verb),
        ),
      ).toEqual(decision)
    }),
    { numRuns: 400 },
  )
})

test('adding a deny or a hold never loosens, and adding an allow never tightens', () => {
  const rank = { allow: 0, hold: 1, deny: 2 }
  fc.assert(
    fc.property(
      worlds,
      fc.constantFrom<Effect>('deny', 'hold', 'allow'),
      fc.constantFrom<Way>('match', 'no', 'error'),
      (world, effect, way) => {
        // A default of deny steps back as soon as a rule speaks, so it is no part of this promise.
        fc.pre(world.fallback === 'hold' && world.rules.every((rule) => !rule.effect.startsWith('waive')))
        const before = rank[decideOn(build(world), action(world.verb)).outcome]
        const after =
          rank[decideOn(build({ ...world, rules: [...world.rules, { effect, way }] }), action(world.verb)).outcome]
        expect(effect === 'allow' ? after <= before : after >= before).toBe(true)
      },
    ),
    { numRuns: 200 },
  )
})

const hold = (
  name: string,
  effect: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) => ({ kind: 'Rule', name, ...more, hold: { reviews: [{ from: 'owners' }], ...effect } })

test('holds add up to the shortest time, the narrowest scope, the strictest recording and the larger count', () => {
  const decision = decideOn([
    SHOP,
    ...TEAMS,
    hold('a', { timeout: '30m', scope: 'session', grantAtMost: '2h' }),
    hold('b', { timeout: '5m', record: 'full', grantAtMost: '20m' }),
    hold('c', {
      reviews: [{ from: 'team:payments', count: 2 }, { from: 'owners' }],
      scope: 'window',
      reason: 'required',
    }),
  ])
  expect(decision).toEqual({
    outcome: 'hold',
    cause: 'rule',
    rules: ['a', 'b', 'c'],
    failures: [],
    recording: 'full',
    requirements: [
      {
        key: 'team:payments',
        pool: { kind: 'team', team: 'payments', layer: 'service' },
        count: 2,
        distinct: true,
        rules: ['a', 'b', 'c'],
      },
    ],
    terms: { timeout: 300_000, nudge: 300_000, grantAtMost: 1_200_000, scope: 'session', reasonRequired: true },
  })
})

test('a requirement that nobody can fill climbs to the security team and says so, and never becomes zero', () => {
  const asked = hold('a', { reviews: [{ from: 'team:payments' }, { from: 'sponsor' }, { from: 'owners:nowhere' }] })
  const mine = [SHOP, { kind: 'Team', name: 'payments', members: ['ana'] }, TEAMS[1] ?? {}, asked]
  const decision = decideOn(mine)
  expect(decision.outcome === 'hold' && decision.requirements).toEqual([
    {
      key: 'team:security',
      pool: { kind: 'team', team: 'security' },
      count: 1,
      distinct: true,
      rules: ['a'],
      climbedFrom: 'owners:nowhere',
    },
  ])
  expect(keys(decideOn(mine.filter((body) => body !== TEAMS[1])))).toEqual([
    'nobody:owners:nowhere',
    'nobody:sponsor',
    'nobody:team:payments',
  ])
  // Disabled accounts, agents and auditors fill no place.
  const weak = [
    { ...user('mia'), disabled: true },
    user('dev', { kind: 'agent', sponsor: ANA.id }),
    user('olu', { roles: ['auditor'] }),
    ANA,
    user('sam'),
  ]
  expect(
    keys(
      decideOn(
        [SHOP, { kind: 'Team', name: 'payments', members: ['mia', 'dev', 'olu'] }, ...TEAMS.slice(1), hold('b', {})],
        action('delete'),
        ANA,
        weak,
      ),
    ),
  ).toEqual(['team:security'])
})

test('an agent needs its sponsor where a rule says so, and the sponsor fills no other place', () => {
  const rule = { kind: 'Rule', name: 'agents', on: { principal: 'agent' }, hold: { reviews: [{ from: 'sponsor' }] } }
  const docs = [SHOP, { kind: 'Team', name: 'payments', members: ['ana'] }, ...TEAMS.slice(1), rule, hold('owners', {})]
  expect(keys(decideOn(docs, action('delete'), BOT))).toEqual(['sponsor:ana', 'team:security'])
  expect(keys(decideOn(docs, action('delete'), user('mia')))).toEqual(['team:payments'])
})

test('a verb that no layer decides belongs to the first layer, and a layer that decides it is asked', () => {
  const owners = [
    { layer: 'service', team: 'payments', decides: ['write'] },
    { layer: 'platform', team: 'database', decides: ['schema'] },
  ]
  const docs = [{ ...SHOP, owners }, ...TEAMS]
  expect(keys(decideOn(docs, action('schema')))).toEqual(['team:database'])
  expect(keys(decideOn(docs, action('admin')))).toEqual(['team:payments'])
})

test('a waiver is an exception: named, bounded, and never over a deny', () => {
  const waive = { kind: 'Rule', name: 'w', allow: { waives: ['a'], reviewAfter: '24h', record: 'full' } }
  const decision = decideOn([SHOP, ...TEAMS, hold('a', {}), waive])
  expect(decision).toMatchObject({
    outcome: 'allow',
    rules: ['w'],
    waived: ['a'],
    reviewAfter: 86_400_000,
    recording: 'full',
  })
  expect(decideOn([SHOP, ...TEAMS, hold('a', {}), hold('b', {}), waive]).outcome).toBe('hold')
  expect(decideOn([SHOP, ...TEAMS, hold('a', {}), waive, { kind: 'Rule', name: 'd', deny: 'No.' }]).outcome).toBe(
    'deny',
  )
})

test('opening a session sends no statement, so a rule about statements does not fail on it; another verb without facts does', () => {
  const drop = {
    kind: 'Rule',
    name: 'drop',
    on: { env: 'prod' },
    when: 'action.sql.statements.exists(s, s == "DROP DATABASE")',
    deny: 'No.',
  }
  const connect = { kind: 'Rule', name: 'connect', on: { verbs: 'connect' }, allow: { sessionAtMost: '8h' } }
  expect(decideOn([SHOP, ...TEAMS, drop, connect], action('connect', {}))).toMatchObject({
    outcome: 'allow',
    sessionAtMost: 28_800_000,
  })
  expect(decideOn([SHOP, ...TEAMS, drop, connect], action('read', {}))).toMatchObject({
    outcome: 'hold',
    cause: 'expression_failed',
  })
})

test('two profiles of one target: whichever name is used, the strictest answer counts', () => {
  const twin = { ...SHOP, name: 'shop-copy', connect: 'postgres://SHOP.internal:5432/shop', env: 'dev' }
  const docs = [
    SHOP,
    twin,
    ...TEAMS,
    { kind: 'Rule', name: 'dev', on: { env: 'dev' }, allow: {} },
    hold('prod', {}, { on: { env: 'prod' } }),
  ]
  for (const resource of ['shop-db', 'shop-copy'] as ResourceName[])
    expect(decideOn(docs, { ...action('delete'), resource })).toMatchObject({ outcome: 'hold', rules: ['prod'] })
  expect(
    decideOn(
      docs.filter((body) => body !== SHOP),
      { ...action('delete'), resource: 'shop-copy' as ResourceName },
    ).outcome,
  ).toBe('allow')
})

test('over several actions the strictest outcome counts, and all of its requirements', () => {
  const docs = [
    SHOP,
    ...TEAMS,
    { kind: 'Rule', name: 'reads', on: { verbs: 'read' }, allow: {} },
    hold('deletes', { timeout: '1m' }, { on: { verbs: 'delete' } }),
    hold('schemas', { reviews: [{ from: 'team:database' }], scope: 'once' }, { on: { verbs: 'schema' } }),
  ]
  const [read, del, schema] = (['read', 'delete', 'schema'] as const).map((verb) => decideOn(docs, action(verb)))
  if (read === undefined || del === undefined || schema === undefined) throw new Error('three')
  const all = combine([schema, read, del])
  expect(all).toEqual(combine([read, del, schema]))
  expect(all).toMatchObject({
    outcome: 'hold',
    rules: ['deletes', 'schemas'],
    terms: { timeout: 60_000, scope: 'once' },
  })
  expect(keys(all)).toEqual(['team:database', 'team:payments'])
  expect(combine([read, read]).outcome).toBe('allow')
  expect(() => combine([])).toThrow(RangeError)
})

test('a window is decided without what only a statement has; those rules are named', () => {
  const docs = [
    SHOP,
    ...TEAMS,
    hold('big', { reviews: [{ from: 'team:database' }] }, { when: 'action.estimate.rows > 1000' }),
    hold('prod', {}),
    hold('one', { scope: 'once' }, { on: { verbs: 'delete' } }),
  ]
  const scope = snapshotOf(docs).scope(ANA, 'shop-db' as ResourceName)
  if (scope === undefined) throw new Error('no scope')
  const window = decideWindow(scope, ['write', 'delete'], CONTEXT)
  expect(window).toMatchObject({
    outcome: 'hold',
    rules: ['one', 'prod'],
    deferred: ['big'],
    narrower: ['one'],
    terms: { scope: 'once' },
  })
  expect(keys(window)).toEqual(['team:payments'])
  expect(scope.needsEstimate('write')).toBe(true)
})

test('an incomplete profile counts as restricted', () => {
  const { owners: _owners, ...bare } = SHOP
  const decision = decideOn([
    bare,
    ...TEAMS,
    { kind: 'Rule', name: 'r', on: { classification: 'restricted' }, hold: { reviews: [{ from: 'team:database' }] } },
    { kind: 'Rule', name: 'all', on: { verbs: 'delete' }, allow: {} },
  ])
  expect(keys(decision)).toEqual(['team:database', 'team:security'])
})

test('a session in another database of the server is decided under the profile of that database too', () => {
  const cards = { ...SHOP, name: 'cards-db', connect: 'postgres://shop.internal/cards', classification: 'restricted' }
  const docs = [SHOP, cards, ...TEAMS, { kind: 'Rule', name: 'low', on: { classification: 'internal' }, allow: {} }]
  const snapshot = snapshotOf(docs)
  const outcome = (database?: string) =>
    snapshot.scope(ANA, 'shop-db' as ResourceName, database)?.decide(action('read'), CONTEXT).outcome
  expect([outcome(), outcome('shop'), outcome('nobody-knows'), outcome('cards')]).toEqual([
    'allow',
    'allow',
    'allow',
    'hold',
  ])
})
