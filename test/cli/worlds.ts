import { fakeApp, pendingView } from '../support/fake-app.ts'
import type { App, ExplainInput, RequestView, ResourceView } from '../../src/app/app.ts'
import type { JobView } from '../../src/app/ports/jobs.ts'
import type { Webhook } from '../../src/app/ports/webhooks.ts'
import { done, refuse } from '../../src/app/result.ts'
import type {
  Digest,
  GrantId,
  PrincipalId,
  RequestId,
  ResourceName,
  Revision,
  RuleName,
  TeamName,
  TokenId,
} from '../../src/domain/ids.ts'
import type { OpenRequirement } from '../../src/domain/request/request.ts'
import { instant, millis } from '../../src/domain/time.ts'

/** 2026-11-18T11:11:40Z: what every transcript's clock shows, five minutes after its requests were opened. */
export const NOW = 1_795_000_300_000

const shop: ResourceView = {
  profile: {
    name: 'shop-db' as ResourceName,
    revision: 3 as Revision,
    type: 'postgres',
    target: { host: 'shop.internal', port: 5432, user: 'holdpoint', database: 'shop', sslmode: 'require' },
    env: 'prod',
    classification: 'confidential',
    criticality: 'tier-2',
    purpose: 'Orders, carts and vouchers of the shop',
    compliance: ['soc2'],
    owners: [
      { layer: 'service', team: 'payments' as TeamName, decides: ['write', 'delete'] },
      { layer: 'platform', team: 'database' as TeamName, decides: ['schema', 'admin'] },
    ],
    audit: { last: '2026-08-14', every: millis(90 * 86_400_000) },
    labels: { part: 'checkout' },
    timezone: 'UTC',
    incomplete: false,
  },
  openGrants: 1,
  pendingRequests: 2,
  clientLine: 'psql "host=localhost port=7432 dbname=shop-db user=ana"',
  warnings: [],
}
const bare: ResourceView = {
  profile: {
    name: 'ledger-db' as ResourceName,
    revision: 4 as Revision,
    type: 'postgres',
    target: { host: 'ledger.internal', port: 5432, user: 'holdpoint', database: 'ledger', sslmode: 'prefer' },
    classification: 'restricted',
    compliance: [],
    owners: [],
    labels: {},
    timezone: 'UTC',
    incomplete: true,
  },
  openGrants: 0,
  pendingRequests: 0,
  clientLine: 'psql "host=localhost port=7432 dbname=ledger-db user=ana"',
  warnings: [],
}

const lane = (team: string, count: number, eligible: readonly string[], rule: string): OpenRequirement => ({
  key: `team:${team}`,
  pool: { kind: 'team', team: team as TeamName },
  count,
  distinct: true,
  rules: [rule as RuleName],
  eligible: eligible as readonly PrincipalId[],
})

const big = pendingView({
  rules: ['big-writes' as RuleName, 'prod-writes' as RuleName],
  requirements: [lane('payments', 1, ['dev', 'mia'], 'prod-writes'), lane('database', 1, ['dev'], 'big-writes')],
})
const statement = big.request.subject
if (statement.kind !== 'statement') throw new Error('the support view is a statement')

/** A text that is made to mislead: a right-to-left override, a Cyrillic a, a tab, an escape, a line that pretends. */
const hostile: RequestView = {
  ...big,
  request: {
    ...big.request,
    id: 'HP-143' as RequestId,
    requester: 'bot' as PrincipalId,
    sponsor: 'ana' as PrincipalId,
    reason: 'clean\u001b]52;c;cm0gLXJm\u0007 up',
    digest: 'b'.repeat(64) as Digest,
    subject: {
      ...statement,
      text: "DELETE FROM c\u0430rts\n\tWHERE note = '\u202etxet' AND id = $1; -- \u001b[2Kharmless\u200b \nSELECT 1",
      parameters: [
        { kind: 'text', text: '4\u00a02' },
        { kind: 'null' },
        { kind: 'masked', bytes: 16 },
        { kind: 'binary', hex: '00ff' },
      ],
      actions: [
        {
          resource: 'shop-db' as ResourceName,
          verb: 'delete',
          facts: {
            sql: {
              statements: ['DELETE', 'SELECT'],
              tables: ['public.carts'],
              columns: ['note'],
              hasWhere: false,
              functions: [],
            },
          },
        },
      ],
      state: { ...statement.state, inTransaction: true, temporaryObjects: ['pg_temp.carts'] },
      locks: {
        held: [{ object: 'public.orders', mode: 'RowExclusiveLock' }],
        waiters: 2,
        waiting: [
          { pid: 4711, user: 'app', application: 'we\u202eb', forMs: 12_000, statement: 'UPDATE orders SET note = ?' },
          { pid: 4712 },
        ],
      },
      notCovered: ['the rows that COPY FROM STDIN will send'],
    },
  },
}
/** A declared run inside a transaction, that was rolled back with it. */
const ran: RequestView = {
  ...big,
  request: {
    ...big.request,
    id: 'HP-144' as RequestId,
    scope: 'session',
    subject: {
      ...statement,
      text: 'UPDATE carts SET age_days = 0 WHERE id = 5',
      run: ['write', 'schema'],
      notCovered: ['the other statements of the run (write, schema)'],
    },
    verbs: ['write'],
    state: 'approved',
    grant: 'G-2' as GrantId,
    at: instant(NOW),
  },
  execution: {
    request: 'HP-144' as RequestId,
    grant: 'G-2' as GrantId,
    state: 'failed',
    done: {
      outcome: 'failed',
      rows: 1,
      sqlstate: '40000',
      durationMicros: 35_730,
      touched: [{ object: 'public.carts', within: [], inserted: 0, updated: 1, deleted: 0 }],
    },
  } as unknown as NonNullable<RequestView['execution']>,
}
const all = new Map<string, RequestView>([
  ['HP-142', big],
  ['HP-143', hostile],
])

/** What `review` last got, so that a later look shows it. */
function shopApp(): Partial<App> {
  const views = new Map([...all, ['HP-144', ran] as const])
  return {
    listResources: async () => done([shop, bare]),
    getResource: async (_, name) => {
      const found = [shop, bare].find((one) => one.profile.name === name)
      return found === undefined ? refuse('not_found') : done(found)
    },
    getRequest: async (_, id) => {
      const found = views.get(id)
      return found === undefined ? refuse('not_found') : done(found)
    },
    inbox: async () =>
      done({ needsMe: [...all.keys()].flatMap((id) => views.get(id) ?? []), waiting: [], granted: [], afterwards: [] }),
    review: async (caller, id, input) => {
      const found = views.get(id)
      if (found === undefined) return refuse('not_found')
      if (caller.principal.id === found.request.requester) return refuse('self_review')
      if (input.digest !== found.request.digest) return refuse('changed')
      const by = caller.principal.id
      const at = instant(NOW)
      const reviews = [
        ...found.request.reviews,
        {
          by,
          verdict: input.verdict,
          digest: found.request.digest,
          at,
          ...(input.words === undefined ? {} : { words: input.words }),
        },
      ]
      const people = new Set(reviews.map((one) => one.by))
      const met = found.request.requirements.every((one) => one.eligible.some((person) => people.has(person)))
      const request =
        input.verdict === 'deny'
          ? { ...found.request, reviews, state: 'denied' as const, by, words: input.words ?? '', at }
          : met
            ? { ...found.request, reviews, state: 'approved' as const, grant: 'G-1' as GrantId, at }
            : { ...found.request, reviews, state: 'pending' as const }
      const next = { ...found, request }
      views.set(id, next)
      return done(next)
    },
    requestWindow: async (caller, input) => {
      if (input.reason === undefined) return refuse('reason_required')
      if (input.verbs.includes('read')) return refuse('nothing_to_approve')
      return done(
        pendingView({
          requester: caller.principal.id,
          verbs: input.verbs,
          subject: { kind: 'window', verbs: input.verbs, length: input.length },
          requirements: [lane('payments', 1, ['dev', 'mia'], 'prod-writes')],
          rules: ['prod-writes' as RuleName],
        }),
      )
    },
    issueToken: async (caller, input) =>
      done({
        id: 'T-9' as TokenId,
        principal: caller.principal.id,
        kind: input.kind,
        scopes: input.kind === 'gateway' ? ['gateway'] : (input.scopes ?? ['all']),
        label: input.label ?? '',
        createdAt: instant(NOW),
        expiresAt: instant(NOW + (input.lifetime ?? 3_600_000)),
        text: 'hpg_not-a-real-token',
      }),
    updatePerson: async (caller, name, input) => {
      const own = name === caller.principal.id
      if (own && input.currentPassword !== 'the one until now') return refuse('wrong_credentials', 'that is another')
      if (input.password !== 'the one from now on' || (!own && input.currentPassword !== undefined))
        return refuse('invalid_input', 'another value came')
      return done({ ...caller.principal, id: name as PrincipalId })
    },
    setSecret: async (_, name, value) =>
      value === 'hunter2' && name === 'shop' ? done(undefined) : refuse('invalid_input', 'another value came'),
    checkDocuments: async (_, files) =>
      done(
        (files ?? []).flatMap(({ path, text }) =>
          text.includes('hodl')
            ? [
                {
                  severity: 'error' as const,
                  code: 'unknown_key',
                  message: "unknown key 'hodl'",
                  path,
                  line: 4,
                  column: 1,
                },
              ]
            : [],
        ),
      ),
    applyDocuments: async (_, files) => {
      if (files.some(({ text }) => text.includes('hodl'))) return refuse('documents_invalid')
      const difference = {
        base: 3 as Revision,
        findings: [],
        changes: [
          {
            kind: 'Resource',
            name: 'ledger-db',
            change: 'added' as const,
            fields: [{ path: 'connect', after: 'postgres://ledger.internal:5432/ledger' }],
          },
        ],
      }
      return done({
        kind: 'applied' as const,
        revision: 4 as Revision,
        difference,
        notes: [
          'ledger-db: reachable (PostgreSQL 18.4)',
          'ledger-db: type postgres, inferred',
          'ledger-db: incomplete: held for security until an owner and a classification are set',
          'psql "host=localhost port=7432 dbname=ledger-db user=ana"',
        ],
      })
    },
    testDocuments: async () =>
      done([
        { name: 'a small delete needs its owner', path: 'tests.yaml', line: 3, passed: true, differences: [] },
        {
          name: 'reads pass',
          path: 'tests.yaml',
          line: 9,
          passed: false,
          differences: ['decision: expected allow, is hold'],
        },
      ]),
    explain: async (_, input) => explained(input),
    explainAll: async (_, inputs) => inputs.map(explained),
    listPeople: async () => done([]),
    listEntries: async (_, { after, last, limit }) =>
      done({ items: after === undefined ? changes.slice(...(last === undefined ? [0, limit] : [-last])) : [] }),
  }
}

/** Sixty changes of one account, a second apart. */
const changes = Array.from({ length: 60 }, (_, n) => ({
  cursor: `c${n + 1}`,
  at: instant(NOW - 60_000 + n * 1_000),
  kind: 'account.changed',
  subject: 'account/ana',
  actor: 'sam',
  body: { count: n + 1 },
}))

const explained = (input: ExplainInput) =>
  input.on !== 'shop-db'
    ? refuse('not_found', `resource ${input.on}`)
    : done({
        verb: 'delete',
        verbs: ['read', 'delete'],
        decision: 'hold' as const,
        rules: ['prod-writes'],
        reviews: [{ key: 'team:payments', count: 1, people: ['mia', 'dev'] }],
        cause: 'rule',
        trace: [
          {
            rule: 'never-drop',
            effect: 'deny' as const,
            matched: false,
            path: 'rules.yaml',
            line: 12,
            clauses: [
              { text: 'action.sql.statements.exists(s, s == "DROP DATABASE")', holds: false, saw: '["DELETE"]' },
            ],
          },
          {
            rule: 'prod-writes',
            effect: 'hold' as const,
            matched: true,
            path: 'rules.yaml',
            line: 2,
            clauses: [{ text: 'env: prod', holds: true, saw: 'prod' }],
          },
        ],
        flip: 'resource.env were not prod: nothing would match',
        revision: 3 as Revision,
      })

/** Nobody answers HP-142: it has reminded, climbed to Lee, and Dev stands in for Mia. */
function laterApp(): Partial<App> {
  const base = pendingView()
  const lee = 'lee' as PrincipalId
  const waiting: RequestView = {
    ...base,
    request: {
      ...base.request,
      nudge: { at: instant(NOW - 60_000), done: instant(NOW - 60_000) },
      escalations: [
        {
          key: 'team:payments',
          pool: { kind: 'user', user: lee },
          at: instant(NOW - 30_000),
          eligible: [lee],
          done: instant(NOW - 30_000),
        },
        {
          key: 'team:payments',
          pool: { kind: 'user', user: 'sam' as PrincipalId },
          at: instant(NOW + 240_000),
          eligible: ['sam' as PrincipalId],
        },
      ],
      standIns: [{ person: 'dev' as PrincipalId, for: 'mia' as PrincipalId, until: instant(NOW + 7_200_000) }],
    },
  }
  const delegation = {
    person: 'mia' as PrincipalId,
    to: 'dev' as PrincipalId,
    madeAt: instant(NOW),
    until: instant(NOW + 7_200_000),
  }
  const letter: JobView = {
    id: '5f0c2f5e-0d5c-4d55-8f7e-2d6c5b9b7a10',
    queue: 'delivery',
    state: 'failed',
    about: 'siem request.opened request/HP-142',
    attempts: 15,
    createdAt: instant(NOW - 7_200_000),
    dueAt: instant(NOW - 600_000),
    endedAt: instant(NOW - 600_000),
    error: 'the receiver answered 503',
  }
  const step: JobView = {
    id: '0a1b2c3d-0d5c-4d55-8f7e-2d6c5b9b7a10',
    queue: 'request-step',
    state: 'waiting',
    about: 'HP-142',
    attempts: 0,
    createdAt: instant(NOW - 300_000),
    dueAt: instant(NOW + 240_000),
  }
  const webhook: Webhook = {
    name: 'siem',
    url: 'https://siem.example.com/holdpoint',
    events: ['request.opened', 'request.denied'],
    madeAt: instant(NOW - 600_000),
    madeBy: 'sam',
  }
  return {
    getRequest: async () => done(waiting),
    inbox: async () => done({ needsMe: [waiting], waiting: [], granted: [], afterwards: [] }),
    delegate: async (_, { until }) => done({ ...delegation, until: instant(until), requests: 1 }),
    endDelegation: async () => done(undefined),
    listDelegations: async () => done([delegation]),
    listJobs: async (_, { state }) => done(state === 'failed' ? [letter] : [step, letter]),
    retryJob: async (_, id) =>
      letter.id.startsWith(id)
        ? done({ ...letter, state: 'retrying' as const })
        : refuse('not_failed', 'it is waiting'),
    createWebhook: async () => done({ ...webhook, secret: 'whsec_not-a-real-secret' }),
    listWebhooks: async () => done([webhook]),
    deleteWebhook: async () => done(undefined),
    testWebhook: async () => done({ event: 'test_1' }),
  }
}

export const worlds: Readonly<Record<string, () => App>> = {
  shop: () => fakeApp(shopApp()).app,
  later: () => fakeApp({ ...shopApp(), ...laterApp() }).app,
}
