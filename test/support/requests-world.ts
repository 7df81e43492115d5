import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Caller, RequestView, TokenScope } from '../../src/app/app.ts'
import { createGatewayApp } from '../../src/app/gateway/create-gateway-app.ts'
import type { GatewayPart } from '../../src/app/gateway/create-gateway-app.ts'
import type { HoldInput } from '../../src/app/ports/gateway.ts'
import type { Store } from '../../src/app/ports/store.ts'
import type { OpenTarget, TargetControl } from '../../src/app/ports/target.ts'
import type { TargetRoles } from '../../src/app/ports/target-roles.ts'
import { startHeartbeat } from '../../src/app/reconcile/heartbeat.ts'
import { createReplica } from '../../src/app/reconcile/replica.ts'
import type { Replica } from '../../src/app/reconcile/replica.ts'
import { startReconciler } from '../../src/app/reconcile/start-reconciler.ts'
import type { Reconciler } from '../../src/app/reconcile/start-reconciler.ts'
import { createRequestUseCases } from '../../src/app/requests/use-cases.ts'
import type { Result } from '../../src/app/result.ts'
import { done } from '../../src/app/result.ts'
import type { Action } from '../../src/domain/action.ts'
import { statementDigest } from '../../src/domain/digest.ts'
import type { PrincipalId, ResourceName, Revision, SessionId, TokenId } from '../../src/domain/ids.ts'
import { buildSnapshot } from '../../src/domain/policy/build-snapshot.ts'
import { combine } from '../../src/domain/policy/combine.ts'
import { loadDocuments } from '../../src/domain/policy/documents.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import type { Principal, PrincipalKind, Role } from '../../src/domain/principal.ts'
import type { SessionState, Subject } from '../../src/domain/request/request.ts'
import type { Backend } from '../../src/domain/session/session.ts'
import type { Verb } from '../../src/domain/verb.ts'
import { openStore } from '../../src/store/open-store.ts'
import { testDatabase } from './database.ts'
import { severedLine } from './severed-line.ts'
import type { SeveredLine } from './severed-line.ts'
import { signedAtOnce } from './signed-at-once.ts'
import { noRoles } from './no-roles.ts'

/*
 * The requests' part of the application on a real store and real policy, with two processes' worth of gateways and
 * reconcilers where wanted. The target of sessions is the test's own database: its backends are real.
 */

const person = (name: string, kind: PrincipalKind = 'user', more: Partial<Principal> = {}): Principal => ({
  id: name as PrincipalId,
  kind,
  displayName: name[0]?.toUpperCase() + name.slice(1),
  roles: [],
  disabled: false,
  ...more,
})
const role = (name: string, ...roles: Role[]): Principal => person(name, 'user', { roles })

export const CAST: readonly Principal[] = [
  person('ana'),
  person('mia'),
  person('dev'),
  role('sam', 'admin'),
  role('olu', 'auditor'),
  person('lee'),
  person('bot', 'agent', { sponsor: 'ana' as PrincipalId }),
  person('ci', 'service'),
]

/** Mia owns the shop, Dev its platform; writes are held for the owner, agents for their sponsor as well. */
export const DOCUMENTS = `
kind: Resource
name: shop-db
connect: postgres://shop@127.0.0.1:5432/shop
env: prod
classification: internal
owners:
  - {layer: service, team: shop, decides: [write, delete]}
  - {layer: platform, team: database, decides: [schema, admin, connect]}
---
kind: Team
name: shop
members: [mia, ana]
---
kind: Team
name: database
members: [dev]
---
kind: Team
name: security
members: [sam, lee]
---
kind: Rule
name: reads
on: {env: prod, verbs: [connect, read]}
allow: {sessionAtMost: 8h}
---
kind: Rule
name: prod-writes
on: {env: prod, verbs: [write, delete]}
hold: {reviews: [{from: owners}], timeout: 15m, grantAtMost: 1h}
---
kind: Rule
name: one-by-one
on: {env: prod, verbs: [schema]}
hold: {reviews: [{from: owners}], scope: once}
---
kind: Rule
name: agents
on: {principal: agent, verbs: [write, delete]}
hold: {reviews: [{from: sponsor}]}
---
kind: Rule
name: never
on: {env: prod, verbs: [export]}
deny: Ask for a report instead.
`

/** A small amount of real time that a wait may take before the test fails. */
const PATIENCE_MS = 15_000

export interface Process {
  readonly gateway: GatewayPart
  readonly reconciler: Reconciler
  readonly replica: Replica
  readonly faults: string[]
  /** As if it had been killed: nothing is closed, nothing is said. */
  kill(): Promise<void>
  stop(): Promise<void>
}

export interface RequestsWorld {
  /** The test's own database, which is the target too. */
  readonly url: string
  readonly store: Store
  readonly app: ReturnType<typeof createRequestUseCases>
  caller(name: string, scopes?: readonly TokenScope[]): Caller
  /** The way to the store; `query` does not use it. */
  readonly line: SeveredLine
  /** Puts other documents, people or both in force, under the next revision. */
  change(to: { readonly documents?: string; readonly people?: readonly Principal[] }): void
  snapshot(): Snapshot
  /** @param roles what makes and removes roles; refuses to when left out. */
  startProcess(roles?: TargetRoles): Promise<Process>
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Moves the database's clock (Holdpoint's) forward. */
  advance(ms: number): Promise<void>
  /** Entry kinds recorded about a subject, in order. */
  kinds(subject: string): Promise<readonly string[]>
  close(): Promise<void>
}

const timer = {
  after(ms: number, run: () => void) {
    const handle = setTimeout(run, ms)
    handle.unref()
    return () => clearTimeout(handle)
  },
}

export async function requestsWorld(): Promise<RequestsWorld> {
  const database = await testDatabase()
  const line = await severedLine(database.target)
  const storeUrl = new URL(database.url)
  storeUrl.hostname = '127.0.0.1'
  storeUrl.port = String(line.port)
  const opened = await openStore(storeUrl.href, () => undefined)
  const { store, clock, wake } = opened
  let people = CAST
  let documents = DOCUMENTS
  let revision = 1
  const build = (): Snapshot => {
    const loaded = loadDocuments([{ path: 'world.yaml', text: documents }])
    const wrong = loaded.findings.filter((f) => f.severity === 'error')
    if (wrong.length > 0) throw new Error(wrong.map((f) => f.message).join('\n'))
    // Only what a change touches has its number, as with the keeper: here, every resource at the last change of documents.
    return buildSnapshot({ revision: revision as Revision, documents: loaded.documents }, people)
  }
  let snapshot = build()
  const policy = (): Snapshot => snapshot
  const refreshPolicy = (): Promise<void> => Promise.resolve()
  const baseUrl = (): string => 'http://localhost:7400'
  const processes = new Set<Process>()

  const app = createRequestUseCases({
    store,
    clock,
    policy,
    refreshPolicy,
    cursorKey: Buffer.alloc(32, 7),
    baseUrl,
    applyApproved: () => Promise.resolve(done(undefined)),
  })
  const readCredential = (): Promise<Result<string, 'target_unreachable'>> => Promise.resolve(done('none'))

  return {
    url: database.url,
    store,
    app,
    line,
    snapshot: policy,
    caller(name, scopes = ['all']) {
      const principal = people.find((p) => p.id === name)
      if (principal === undefined) throw new Error(`there is no ${name}`)
      return { principal, token: 'T-1' as TokenId, scopes, sourceAddress: '127.0.0.1' }
    },
    change(to) {
      documents = to.documents ?? documents
      people = to.people ?? people
      revision++
      snapshot = build()
    },
    async startProcess(roles = noRoles) {
      const faults: string[] = []
      const onFault = (what: string, error: unknown): void => void faults.push(`${what}: ${String(error)}`)
      const replica = createReplica(store, () => randomUUID())
      const verifiers = () => Promise.reject(new Error('nobody signs in here'))
      const gate = { closed: () => undefined }
      const shared = { store, clock, wake, timer, gate, policy, refreshPolicy, readCredential, replica, onFault }
      const gateway = createGatewayApp({ ...shared, roles, ledger: signedAtOnce, verifiers, baseUrl })
      const say = (message: string): void => void faults.push(message)
      const target = targetControl(database.url)
      const heartbeat = await startHeartbeat({ ...shared, cuts: gateway.cuts })
      const reconciler = startReconciler({ ...shared, roles, target, say })
      const process: Process = {
        gateway,
        reconciler,
        replica,
        faults,
        async kill() {
          processes.delete(process)
          await heartbeat.stop()
          await reconciler.stop()
          await gateway.close()
        },
        async stop() {
          await process.kill()
          await replica.stop()
        },
      }
      processes.add(process)
      return process
    },
    query: (text, values) => database.query(text, values),
    async advance(ms) {
      await database.query('UPDATE clock SET ahead = ahead + $1', [ms])
      const before = clock.now()
      await until(() => Promise.resolve(clock.now() >= before + ms - 50))
    },
    async kinds(subject) {
      const entries = await store.recorded.after(undefined, 1_000, { subject })
      return entries.map((e) => e.kind)
    },
    async close() {
      for (const process of processes) await process.stop()
      await opened.close()
      await line.close()
      await database.close()
    },
  }
}

/** Real backends of the test's database; the target's own coordinates are not looked at. */
function targetControl(url: string): Pick<TargetControl, 'terminate' | 'isGone'> {
  const ask = async (text: string, backend: Backend): Promise<boolean> => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      return (await client.query(text, [backend.pid])).rowCount !== 0
    } finally {
      await client.end()
    }
  }
  const isGone = async (_: OpenTarget, backend: Backend): Promise<boolean> =>
    !(await ask('SELECT FROM pg_stat_activity WHERE pid = $1', backend))
  return {
    isGone,
    async terminate(target, backend, withinMs) {
      await ask('SELECT pg_terminate_backend($1)', backend)
      const end = performance.now() + withinMs
      while (performance.now() < end) if (await isGone(target, backend)) return true
      return false
    },
  }
}

/** Asks until it is so. */
export async function until(holds: () => Promise<boolean>, what = 'the condition'): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what} did not come true in ${PATIENCE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The value, or a failure that names the refusal. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${result.refusal} ${result.detail ?? ''}`)
  return result.value
}
export const refusal = <T>(result: Result<T>): string => (result.ok ? 'ok' : result.refusal)

const STATE: SessionState = {
  database: 'shop',
  role: 'shop',
  searchPath: 'public',
  encoding: 'UTF8',
  timeZone: 'UTC',
  standardConformingStrings: true,
  inTransaction: false,
  temporaryObjects: [],
}

/** A client behind a gateway: its session, and what it wants to run. */
export interface Client {
  readonly session: SessionId
  input(text: string, verbs?: readonly Verb[]): HoldInput
}

export async function connectClient(
  world: RequestsWorld,
  process: Process,
  name: string,
  backend?: Backend,
): Promise<Client> {
  const { principal } = world.caller(name)
  const resource = 'shop-db' as ResourceName
  const scope = world.snapshot().scope(principal, resource)
  if (scope === undefined) throw new Error('no scope')
  const context = { now: 0, sourceAddress: '::1', sessionStatements: 0 }
  const { session } = await process.gateway.openSession({
    principal,
    token: 'T-1',
    resource,
    database: 'shop',
    client: 'psql',
    sourceAddress: '::1',
    decision: scope.decide({ resource, verb: 'connect', facts: {} }, context),
    revision: world.snapshot().revision,
  })
  if (backend !== undefined) await process.gateway.attachBackend(session, backend)
  return {
    session,
    input(text, verbs = ['write']) {
      const now = world.snapshot()
      const actions: Action[] = verbs.map((verb) => ({
        resource,
        verb,
        facts: {
          sql: { statements: ['DELETE'], tables: ['public.carts'], columns: [], hasWhere: true, functions: [] },
        },
      }))
      const decision = combine(actions.map((a) => now.scope(principal, resource)?.decide(a, context) ?? missing()))
      if (decision.outcome !== 'hold') throw new Error(`policy says ${decision.outcome}`)
      const subject: Subject = { kind: 'statement', text, parameters: [], actions, state: STATE, notCovered: [] }
      const digest = statementDigest({
        resource,
        principal: principal.id,
        text: Buffer.from(text),
        protocol: 'simple',
        parameters: [],
        parameterTypes: [],
        state: STATE,
      })
      return { session, principal, resource, subject, digest, decision, revision: now.revision }
    },
  }
}

const missing = (): never => {
  throw new Error('no decision')
}

/** The one view's approval by somebody who looked at it. */
export const approve = (world: RequestsWorld, who: string, view: Pick<RequestView, 'request'>) =>
  world.app.review(world.caller(who), view.request.id, { verdict: 'approve', digest: view.request.digest })
