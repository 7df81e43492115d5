import { randomBytes } from 'node:crypto'
import type {
  Confirmed,
  CutOrder,
  GatewayApp,
  HoldInput,
  HoldNews,
  HoldOutcome,
  SignInRefusal,
  Started,
} from '../../src/app/ports/gateway.ts'
import type { CatalogueSource } from '../../src/app/ports/catalogue.ts'
import type { OpenTarget, TargetControl } from '../../src/app/ports/target.ts'
import type { Classifier, TargetCatalogue } from '../../src/classify/postgres/shape.ts'
import { createClassifier } from '../../src/classify/postgres/classifier.ts'
import type { Action } from '../../src/domain/action.ts'
import type {
  GrantId,
  PrincipalId,
  RequestId,
  ResourceName,
  Revision,
  RuleName,
  SessionId,
  TeamName,
} from '../../src/domain/ids.ts'
import type { Decision } from '../../src/domain/policy/decision.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { Done } from '../../src/domain/request/divergence.ts'
import type { Profile } from '../../src/domain/profile/profile.ts'
import type { Backend, CloseReason, StatementEntry } from '../../src/domain/session/session.ts'
import { instant, millis } from '../../src/domain/time.ts'
import { startPostgresGateway } from '../../src/gateway/postgres/listen.ts'
import type { Gateway, GatewayLimits } from '../../src/gateway/postgres/listen.ts'
import { generatedCertificate } from '../../src/gateway/tls.ts'
import { deriveScramKeys } from '../../src/wire/postgres/auth/scram-keys.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import pg from 'pg'

/** Thin fakes of the ports around a real gateway: policy is a function, requests live in memory, the target is real. */
export interface GatewayWorld {
  readonly gateway: Gateway
  readonly app: FakeGatewayApp
  readonly password: string
  readonly caFile: string
  /** For pg and postgres. */
  readonly connection: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password: string
    readonly database: string
  }
  close(): Promise<void>
}

const RESOURCE = 'shop-db' as ResourceName
const ANA: Principal = { id: 'ana' as PrincipalId, kind: 'user', displayName: 'Ana', roles: [], disabled: false }
const person = (name: string): Principal => ({ ...ANA, id: name.toLowerCase() as PrincipalId, displayName: name })

export type Verdict = 'allow' | 'hold' | 'deny' | Decision
const base = { cause: 'rule' as const, failures: [], recording: 'standard' as const }
export const ALLOW: Decision = { ...base, outcome: 'allow', rules: ['reads' as RuleName], waived: [] }
export const DENY: Decision = { ...base, outcome: 'deny', rules: ['never' as RuleName], message: 'Use the runbook.' }
export const HOLD: Extract<Decision, { outcome: 'hold' }> = {
  ...base,
  outcome: 'hold',
  rules: ['prod-writes' as RuleName],
  requirements: [
    {
      key: 'team:payments',
      pool: { kind: 'team', team: 'payments' as TeamName },
      count: 1,
      distinct: true,
      rules: ['prod-writes' as RuleName],
    },
  ],
  terms: { timeout: millis(900_000), grantAtMost: millis(900_000), scope: 'once', reasonRequired: false },
}

export interface Held {
  readonly id: RequestId
  readonly input: HoldInput
  decide(outcome: HoldOutcome): void
  readonly approve: () => void
}

export class FakeGatewayApp implements GatewayApp {
  /** What policy says. */
  rule: (action: Action) => Verdict = (action) =>
    ['connect', 'read'].includes(action.verb) ? 'allow' : action.verb === 'admin' ? 'deny' : 'hold'
  /** The databases that policy was asked about, in order. */
  readonly databases: (string | undefined)[] = []
  wantsEstimate = false
  policyUp = true
  storeUp = true
  /** Why nobody is served, or nobody on a resource. */
  notYet: (resource?: ResourceName) => string | undefined = () => undefined
  readonly entries: StatementEntry[] = []
  readonly finished: (Done & { readonly request: string })[] = []
  readonly withdrawals: { readonly request: string; readonly why: string }[] = []
  readonly refusals: Decision[] = []
  readonly turnedAway: SignInRefusal[] = []
  readonly closed: { readonly session: string; readonly why: CloseReason }[] = []
  readonly sessions: { readonly id: SessionId; backend?: Backend }[] = []
  readonly held: Held[] = []
  onStart: (request: RequestId) => Started = () => ({
    kind: 'go',
    grant: 'G-1' as GrantId,
    expiresAt: instant(Date.now() + 900_000),
  })
  /** Tells the client that waits, once it does. */
  tellNews: ((news: HoldNews) => void) | undefined
  /** What the gateway logged as a fault. */
  readonly faults: { readonly about: object; readonly message: string }[] = []
  sessionExpiresInMs: number | undefined
  covers: ((input: HoldInput) => number | undefined) | undefined
  /** Rows that the reviewers of such a grant set. */
  coversRows: number | undefined
  readonly #target: OpenTarget
  readonly #secret: string
  readonly #salt = randomBytes(16)
  readonly #waiting: ((held: Held) => void)[] = []
  readonly #outcomes = new Map<string, Promise<HoldOutcome>>()
  readonly #cuts = new Map<string, (order: CutOrder) => void>()
  #snapshot: Snapshot
  #sequence = 141

  constructor(target: OpenTarget, secret: string) {
    this.#target = target
    this.#secret = secret
    this.#snapshot = this.#build(1)
  }
  /** A policy change: the same rules, another revision. */
  revise(): void {
    this.#snapshot = this.#build(this.#snapshot.revision + 1)
  }
  #build(revision: number): Snapshot {
    const profile: Profile = {
      name: RESOURCE,
      revision: 1 as Revision,
      type: 'postgres',
      target: this.#target,
      classification: 'internal',
      compliance: [],
      owners: [],
      labels: {},
      timezone: 'UTC',
      incomplete: false,
    }
    return {
      revision: revision as Revision,
      resources: new Map([[RESOURCE, profile]]),
      teams: new Map(),
      people: new Map(['Ana', 'Mia', 'Dev'].map((name) => [person(name).id, person(name)])),
      scope: (principal, resource, database) => {
        this.databases.push(database)
        return resource === RESOURCE
          ? {
              principal,
              profile,
              needsEstimate: () => this.wantsEstimate,
              decide: (action) => {
                const verdict = this.rule(action)
                return verdict === 'allow' ? ALLOW : verdict === 'deny' ? DENY : verdict === 'hold' ? HOLD : verdict
              },
            }
          : undefined
      },
    }
  }
  policy = () => (this.policyUp ? this.#snapshot : undefined)
  now = () => instant(Date.now())
  async verifiers(user: string) {
    const keys = { token: 'T-1', ...deriveScramKeys(this.#secret, this.#salt, 4096) }
    const other = { token: 'T-0', ...deriveScramKeys('another', this.#salt, 4096) }
    return {
      salt: this.#salt,
      iterations: 4096,
      keys: user === 'ana' ? [other, keys] : [],
      ...(user === 'ana' ? { principal: ANA } : {}),
    }
  }
  async openTarget() {
    return { ok: true as const, value: this.#target }
  }
  async signInAs() {
    return { ok: false as const, refusal: 'target_unreachable' as const }
  }
  async openSession() {
    this.#store()
    const id = `S-${this.sessions.length + 1}` as SessionId
    this.sessions.push({ id })
    return {
      session: id,
      ...(this.sessionExpiresInMs === undefined ? {} : { expiresAt: instant(Date.now() + this.sessionExpiresInMs) }),
    }
  }
  async attachBackend(session: SessionId, backend: Backend) {
    const found = this.sessions.find(({ id }) => id === session)
    if (found !== undefined) found.backend = backend
  }
  async closeSession(session: SessionId, why: CloseReason) {
    this.closed.push({ session, why })
  }
  async hold(input: HoldInput) {
    this.#store()
    const covered = await this.covered(input)
    const id = `HP-${++this.#sequence}` as RequestId
    if (covered !== undefined) return covered
    const { promise, resolve } = Promise.withResolvers<HoldOutcome>()
    this.#outcomes.set(id, promise)
    const held: Held = {
      id,
      input,
      decide: resolve,
      approve: () => resolve({ kind: 'approved', by: ['mia' as PrincipalId], grant: 'G-1' as GrantId }),
    }
    this.held.push(held)
    for (const wake of this.#waiting.splice(0)) wake(held)
    return {
      kind: 'held' as const,
      request: id,
      needs: input.decision.requirements.map((need) => ({ ...need, people: ['mia', 'dev'] as PrincipalId[] })),
      expiresAt: instant(Date.UTC(2030, 0, 1, 14, 32)),
      url: `http://localhost:7400/r/${id}`,
    }
  }
  /** As `covers` says; nobody is asked. */
  async covered(input: HoldInput) {
    this.#store()
    const until = this.covers?.(input)
    if (until === undefined) return undefined
    return {
      kind: 'covered' as const,
      grant: 'G-9' as GrantId,
      request: 'HP-9' as RequestId,
      expiresAt: instant(until),
      ...(this.coversRows === undefined ? {} : { rowsAtMost: this.coversRows }),
    }
  }
  /** The next hold that opens, from now on. */
  nextHold(): Promise<Held> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
  outcome(request: RequestId, _: AbortSignal, news?: (news: HoldNews) => void) {
    this.tellNews = (told) => news?.(told)
    return this.#outcomes.get(request) ?? Promise.reject(new Error('no such request'))
  }
  async withdraw(request: RequestId, why: string) {
    this.withdrawals.push({ request, why })
  }
  async start(request: RequestId) {
    this.#store()
    return this.onStart(request)
  }
  async finish(request: RequestId, result: Done) {
    this.finished.push({ request, ...result })
  }
  /** What `confirm` answers. */
  onConfirm: (requests: readonly RequestId[]) => Confirmed | Promise<Confirmed> = () => ({ kind: 'live' })
  readonly confirmed: (readonly RequestId[])[] = []
  async confirm(_session: SessionId, requests: readonly RequestId[]) {
    this.#store()
    this.confirmed.push(requests)
    return this.onConfirm(requests)
  }
  signInRefused(input: SignInRefusal) {
    this.turnedAway.push(input)
  }
  refused(input: { readonly decision: Decision }) {
    this.refusals.push(input.decision)
  }
  async waived() {
    this.#store()
  }
  record(entry: StatementEntry) {
    this.entries.push(entry)
  }
  async recorded() {
    this.#store()
  }
  onCut(session: SessionId, cut: (order: CutOrder) => void) {
    this.#cuts.set(session, cut)
    return () => void this.#cuts.delete(session)
  }
  cut(order: CutOrder): void {
    for (const cut of this.#cuts.values()) cut(order)
  }
  #store(): void {
    if (!this.storeUp) throw new Error('the store is down')
  }
}

/** Control over the real target, with a connection a call. `port`: past a proxy that lies. */
export function plainControl(port?: number): TargetControl {
  const once = async <R extends pg.QueryResultRow>(
    target: OpenTarget,
    text: string,
    values: unknown[] = [],
  ): Promise<R[]> => {
    const client = new pg.Client({
      host: target.host,
      port: port ?? target.port,
      user: target.user,
      password: target.password,
      database: target.database,
    })
    await client.connect()
    try {
      return (await client.query<R>(text, values)).rows
    } finally {
      await client.end()
    }
  }
  const gone = async (target: OpenTarget, backend: Backend) =>
    (
      await once(target, 'SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz', [
        backend.pid,
        backend.startedAt,
      ])
    ).length === 0
  return {
    cancel: async (target, backend) => void (await once(target, 'SELECT pg_cancel_backend($1)', [backend.pid])),
    async terminate(target, backend, withinMs) {
      const until = performance.now() + withinMs
      while (performance.now() < until) {
        await once(target, 'SELECT pg_terminate_backend($1)', [backend.pid])
        if (await gone(target, backend)) return true
      }
      return false
    },
    isGone: gone,
    async estimate(target, _database, text) {
      const [row] = await once<{
        'QUERY PLAN': { Plan: { 'Plan Rows': number; 'Total Cost': number; Plans?: { 'Plan Rows': number }[] } }[]
      }>(target, `EXPLAIN (FORMAT JSON) ${text}`)
      const plan = row?.['QUERY PLAN'][0]?.Plan
      return plan === undefined
        ? undefined
        : { rows: plan.Plans?.[0]?.['Plan Rows'] ?? plan['Plan Rows'], cost: plan['Total Cost'] }
    },
    async locks(target, backend) {
      const rows = await once<{ object: string; mode: string }>(
        target,
        'SELECT relation::regclass::text AS object, mode FROM pg_locks WHERE pid = $1 AND relation IS NOT NULL',
        [backend.pid],
      )
      return { held: rows, waiters: 0 }
    },
    probe: async () => ({
      ok: true,
      version: '18',
      account: { role: 'shop', excess: ['is a superuser'], schemas: [] },
    }),
    close: async () => undefined,
  }
}

const NOTHING: TargetCatalogue = {
  version: '1',
  functions: new Set(),
  operators: new Set(),
  relations: new Map(),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
}
export const emptyCatalogue = (catalogue: () => TargetCatalogue | undefined = () => NOTHING): CatalogueSource => ({
  watch: async () => ({ current: catalogue, refresh: async () => undefined, release: () => undefined }),
  close: async () => undefined,
})

/** A real gateway in front of `target`. */
export async function gatewayWorld(
  target: OpenTarget,
  options: {
    readonly limits?: Partial<GatewayLimits>
    readonly catalogue?: CatalogueSource
    readonly classifier?: Classifier
    readonly host?: string
    readonly control?: TargetControl
    /** In place of a generated certificate. */
    readonly tls?: SecureContextOptions
  } = {},
): Promise<GatewayWorld> {
  const password = `hpg_${randomBytes(12).toString('hex')}`
  const app = new FakeGatewayApp(target, password)
  const dir = await mkdtemp(path.join(tmpdir(), 'hp-gateway-'))
  const tls = options.tls ?? (await generatedCertificate(dir, ['localhost', '127.0.0.1']))
  const classifier = options.classifier ?? (await createClassifier())
  const quiet = {
    info: () => undefined,
    warn: () => undefined,
    error: (about: object, message: string) => app.faults.push({ about, message }),
  }
  const host = options.host ?? '127.0.0.1'
  const gateway = await startPostgresGateway({
    app,
    classifier,
    tls,
    host,
    port: 0,
    log: quiet,
    catalogue: options.catalogue ?? emptyCatalogue(),
    control: options.control ?? plainControl(),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
  return {
    gateway,
    app,
    password,
    caFile: path.join(dir, 'gateway-tls.pem'),
    connection: { host, port: gateway.port, user: 'ana', password, database: 'shop-db' },
    async close() {
      await gateway.close()
      classifier.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
