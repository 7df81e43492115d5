import { loadDocuments } from '../../src/domain/policy/documents.ts'
import { createHash, randomUUID } from 'node:crypto'
import type { App } from '../../src/app/app.ts'
import { applyApproved } from '../../src/app/documents/apply-approved.ts'
import { createDocumentUseCases } from '../../src/app/documents/create-document-use-cases.ts'
import { keepPolicy } from '../../src/app/documents/keeper.ts'
import { createGatewayApp } from '../../src/app/gateway/create-gateway-app.ts'
import { createReplica } from '../../src/app/reconcile/replica.ts'
import { createLedgerUseCases } from '../../src/app/ledger/create-ledger-use-cases.ts'
import { createRequestUseCases } from '../../src/app/requests/use-cases.ts'
import { createJobUseCases } from '../../src/app/jobs/create-job-use-cases.ts'
import { createWebhookUseCases } from '../../src/app/webhooks/webhooks.ts'
import { checkWebhookUrl } from '../../src/integration/webhooks/send.ts'
import { done } from '../../src/app/result.ts'
import { createClassifier } from '../../src/classify/postgres/classifier.ts'
import type { Action } from '../../src/domain/action.ts'
import type { Digest, PrincipalId, RequestId, ResourceName, SessionId } from '../../src/domain/ids.ts'
import { jsonSchemas } from '../../src/domain/policy/schema.ts'
import type { SessionState, Subject } from '../../src/domain/request/request.ts'
import type { TestGround } from './app.ts'
import { accepted, ADDRESS, PASSWORD, testGround } from './app.ts'
import type { TestHttp } from './http.ts'
import { startHttp } from './http.ts'
import { signedAtOnce } from './signed-at-once.ts'
import { createLeftoverUseCases } from '../../src/app/roles/create-leftover-use-cases.ts'
import { giveCredential } from '../../src/app/roles/give-credential.ts'
import { noRoles } from './no-roles.ts'

/**
 * The shop belongs to Mia, and Dev's team is asked as well; the other resource belongs to Lee and is nobody else's
 * business. Ana asks, Sam and Lee administer, Olu audits, `ci` is a machine and `bot` is Ana's agent.
 */
const DOCUMENTS = `
kind: Resource
name: shop-db
connect: postgres://shop@127.0.0.1:5432/shop
env: prod
classification: internal
owners: [{layer: service, team: shop, decides: [connect, read, write, delete]}]
---
kind: Resource
name: other-db
connect: postgres://other@127.0.0.1:5432/other
env: prod
classification: internal
owners: [{layer: service, team: other, decides: [connect, read, write, delete]}]
---
kind: Team
name: shop
members: [mia]
---
kind: Team
name: other
members: [lee]
---
kind: Team
name: database
members: [dev]
---
kind: Rule
name: shop-writes
on: {env: prod, verbs: [write, delete], resource: shop-db}
hold: {reviews: [{from: owners}, {from: "team:database"}], timeout: 15m, grantAtMost: 1h}
---
kind: Rule
name: shop-admin
on: {env: prod, verbs: [admin], resource: shop-db}
hold: {reviews: [{from: "team:database"}], timeout: 15m, grantAtMost: 1h}
---
kind: Rule
name: other-writes
on: {env: prod, verbs: [write, delete], resource: other-db}
hold: {reviews: [{from: owners}], timeout: 15m, grantAtMost: 1h}
`

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

export const HTTP_CAST = ['ana', 'mia', 'dev', 'sam', 'olu', 'lee', 'ci', 'bot', 'nora'] as const
export type Name = (typeof HTTP_CAST)[number]

/** The real application over a real store, behind the real HTTP server. */
export interface HttpWorld {
  readonly http: TestHttp
  readonly ground: TestGround
  readonly token: Readonly<Record<Name, string>>
  /** A session of somebody on the resource, with one statement that ran and one that is held. */
  session(principal: Name, resource: string): Promise<{ readonly session: SessionId; readonly request: RequestId }>
  close(): Promise<void>
}

export async function httpWorld(): Promise<HttpWorld> {
  const ground = await testGround()
  const { store, clock, wake, idempotency } = ground.open
  const cursorKey = Buffer.alloc(32, 7)
  const keeper = await keepPolicy({ store, wake, monotonic: () => performance.now(), log: () => undefined })
  const classifier = await createClassifier()
  const documents = createDocumentUseCases({
    store,
    clock,
    keeper,
    classifier,
    targets: {
      probe: async () => ({ ok: false, message: 'nobody is asked in this test' }),
      estimate: async () => undefined,
    },
    catalogue: { watch: () => Promise.reject(new Error('nobody is asked in this test')), close: async () => undefined },
    reader: { read: async (files) => loadDocuments(files), close: async () => undefined },
    openTarget: async (profile) => done(profile.target),
    gateway: { host: 'localhost', port: 7432 },
    cursorKey,
  })
  const requests = createRequestUseCases({
    store,
    clock,
    policy: () => keeper.current(),
    refreshPolicy: () => keeper.refresh(),
    cursorKey,
    baseUrl: () => 'http://localhost:7400',
    applyApproved: (tx, request) => applyApproved(tx, request),
  })
  const replica = createReplica(store, randomUUID)
  await replica.start()
  const gateway = createGatewayApp({
    store,
    clock,
    wake,
    ledger: signedAtOnce,
    roles: noRoles,
    gate: { closed: () => undefined },
    replica,
    timer: {
      after(ms, run) {
        const handle = setTimeout(run, ms)
        return () => clearTimeout(handle)
      },
    },
    policy: () => keeper.current(),
    refreshPolicy: () => keeper.refresh(),
    readCredential: async () => done('none'),
    onFault: (what, error) => {
      throw new Error(what, { cause: error })
    },
    verifiers: () => Promise.reject(new Error('nobody signs in here')),
    baseUrl: () => 'http://localhost:7400',
  })
  const readiness: App['readiness'] = async () => {
    const checks = await ground.open.readiness()
    return { ready: checks.every((check) => check.ok), checks }
  }
  const ledger = createLedgerUseCases({ store, policy: () => keeper.current(), origin: 'holdpoint/test' })
  const later = {
    ...createJobUseCases({ store, jobs: ground.open.jobs }),
    ...createWebhookUseCases({ store, sealer: ground.sealer, checkWebhookUrl: checkWebhookUrl({ allowed: [] }) }),
  }
  const faultless = {
    store,
    clock,
    roles: noRoles,
    policy: () => keeper.current(),
    readCredential: async () => done('none'),
    onFault: (what: string, error: unknown) => {
      throw new Error(what, { cause: error })
    },
  }
  const leftovers = createLeftoverUseCases(faultless)
  const credential = giveCredential({
    ...faultless,
    cursorKey,
    refreshPolicy: () => keeper.refresh(),
    baseUrl: () => 'http://localhost:7400',
    applyApproved: (tx, request) => applyApproved(tx, request),
  })
  const roles = { ...leftovers, giveCredential: credential }
  const app: App = { ...ground.app, ...documents, ...requests, ...ledger, ...later, ...roles, readiness }

  const signIn = async (name: string): Promise<string> =>
    accepted(await ground.app.signIn({ name, password: PASSWORD, sourceAddress: ADDRESS })).text
  const machine = async (name: string): Promise<string> =>
    accepted(await ground.app.issueToken(ground.sam, { kind: 'api', for: name })).text
  for (const name of ['ana', 'mia', 'dev', 'nora'] as const) await ground.caller(name)
  await ground.caller('lee')
  await ground.caller('olu', { roles: ['auditor'] })
  await ground.caller('ci', { kind: 'service' })
  await ground.caller('bot', { kind: 'agent', sponsor: 'ana' })
  await keeper.refresh()
  accepted(await documents.applyDocuments(ground.sam, [{ path: 'world.yaml', text: DOCUMENTS }], { prune: false }))
  // From here on a change of documents needs two.
  accepted(await ground.app.updatePerson(ground.sam, 'lee', { roles: ['admin'] }))
  await keeper.refresh()
  ground.policy = keeper.current()

  const http = await startHttp(app, { idempotency, now: () => clock.now(), documentSchemas: jsonSchemas() })
  const people = Object.fromEntries(
    await Promise.all(
      HTTP_CAST.filter((name) => name !== 'ci' && name !== 'bot').map(
        async (name) => [name, await signIn(name)] as const,
      ),
    ),
  ) as Record<Name, string>
  return {
    http,
    ground,
    token: { ...people, ci: await machine('ci'), bot: await machine('bot') },
    async session(name, resourceName) {
      const resource = resourceName as ResourceName
      const snapshot = keeper.current()
      const principal = snapshot?.people.get(name as PrincipalId)
      if (snapshot === undefined || principal === undefined) throw new Error(`there is no ${name}`)
      const scope = snapshot.scope(principal, resource)
      const context = { now: clock.now(), sourceAddress: '127.0.0.1', sessionStatements: 0 }
      const actions: Action[] = [{ resource, verb: 'write', facts: {} }]
      const decision = scope?.decide({ resource, verb: 'write', facts: {} }, context)
      if (decision?.outcome !== 'hold') throw new Error('policy does not hold a write')
      const { revision } = snapshot
      const from = { principal, resource, decision, revision }
      // Nothing else beats for this process, and one that was not heard for a while opens nothing.
      await replica.beat()
      const { session } = await gateway.openSession({
        ...from,
        token: 'T-0',
        database: 'shop',
        client: 'psql',
        sourceAddress: '127.0.0.1',
      })
      const subject: Subject = {
        kind: 'statement',
        text: 'DELETE FROM carts',
        parameters: [],
        actions,
        state: STATE,
        notCovered: [],
      }
      const digest = createHash('sha256').update(session).digest('hex') as Digest
      const held = await gateway.hold({ ...from, session, subject, digest, decision })
      gateway.record({
        session,
        number: 1,
        at: clock.now(),
        verbs: ['read'],
        decision: 'allow',
        rules: [],
        text: 'SELECT ?',
        objects: [],
        durationMicros: 10,
        outcome: 'succeeded',
      })
      return { session, request: held.request }
    },
    async close() {
      await http[Symbol.asyncDispose]()
      await gateway.close()
      await replica.stop()
      await keeper.stop()
      classifier.close()
      await ground.close()
    },
  }
}
