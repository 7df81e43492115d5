import { buildSnapshot } from '../src/domain/policy/build-snapshot.ts'
import { loadDocuments } from '../src/domain/policy/documents.ts'
import type { Action, Context } from '../src/domain/action.ts'
import type { PrincipalId, ResourceName, Revision } from '../src/domain/ids.ts'
import type { Principal } from '../src/domain/principal.ts'
import { median, rounded } from './figures.ts'

const RESOURCES = 100_000
const TEAMS = 200
const FILE_DOCUMENTS = 1_000
const ANA: Principal = { id: 'ana' as PrincipalId, kind: 'user', displayName: 'Ana', roles: [], disabled: false }
const CONTEXT: Context = { now: Date.UTC(2026, 10, 23, 12), sourceAddress: '127.0.0.1', sessionStatements: 3 }

/** Microseconds of one `decide`, the median over many batches, with `count` rules and 100,000 resources. */
export function measureDecide(count: number): number {
  const policy = buildSnapshot({ revision: 1 as Revision, documents: documents(count) }, [ANA])
  const actions = ['read', 'write', 'delete'] as const
  const scopes = Array.from({ length: 512 }, (_, i) => {
    const resource = `db-${(i * 7919) % RESOURCES}` as ResourceName
    const scope = policy.scope(ANA, resource)
    if (scope === undefined) throw new Error(`there is no ${resource}`)
    const action: Action = {
      resource,
      verb: actions[i % 3] ?? 'read',
      facts: {
        sql: { statements: ['DELETE'], tables: ['public.carts'], columns: ['age_days'], hasWhere: true, functions: [] },
        estimate: { rows: 1204, cost: 186 },
      },
    }
    return { scope, action }
  })
  const samples: number[] = []
  let held = 0
  for (let round = 0; round < 400; round++) {
    const begun = process.hrtime.bigint()
    for (const { scope, action } of scopes) if (scope.decide(action, CONTEXT).outcome === 'hold') held += 1
    samples.push(Number(process.hrtime.bigint() - begun) / 1_000 / scopes.length)
  }
  if (held === 0) throw new Error('nothing was held: the policy is not what it should be')
  // The first rounds run before the code is compiled.
  return rounded(median(samples.slice(100)))
}

/**
 * A company's policy: a few rules for everything, the others for one resource each, as teams write them. The
 * resources that are asked about come first among those with a rule of their own.
 */
function documents(count: number): ReturnType<typeof loadDocuments>['documents'] {
  const texts: string[] = [
    'kind: Rule\nname: reads\non: {env: prod, verbs: [connect, read], classification: [public, internal, confidential]}\nallow: {sessionAtMost: 8h}',
    'kind: Rule\nname: writes\non: {env: prod, verbs: [write, delete]}\nhold: {reviews: [{from: owners}], timeout: 15m}',
    'kind: Rule\nname: big\non: {env: prod, verbs: [write, delete]}\nwhen: "!action.sql.hasWhere || action.estimate.rows > 10000"\nhold: {reviews: [{from: owners}], scope: once}',
    'kind: Rule\nname: drops\non: {env: prod}\nwhen: action.sql.statements.exists(s, s == "DROP DATABASE")\ndeny: Use the runbook.',
    'kind: Rule\nname: cards\non: {classification: [restricted], verbs: [read, export]}\nhold: {reviews: [{from: owners}], reason: required}',
    'kind: Rule\nname: agents\non: {principal: agent}\nhold: {reviews: [{from: sponsor}], scope: once}',
  ]
  for (let i = texts.length; i < count; i++) {
    texts.push(
      `kind: Rule\nname: own-${i}\non: {resource: db-${(i * 7919) % RESOURCES}, verbs: [write, delete]}\nwhen: action.estimate.rows > ${i}\nhold: {reviews: [{from: "team:team-${i % TEAMS}"}]}`,
    )
  }
  return [...load(texts), ...(resources ??= load(everyResource()))]
}

/** Read once: the same with any number of rules. */
let resources: ReturnType<typeof load> | undefined

function everyResource(): readonly string[] {
  const texts = Array.from({ length: TEAMS }, (_, i) => `kind: Team\nname: team-${i}\nmembers: [mia, dev]`)
  const classes = ['public', 'internal', 'confidential', 'restricted']
  for (let i = 0; i < RESOURCES; i++) {
    texts.push(
      `kind: Resource\nname: db-${i}\nconnect: postgres://app@db-${i}.internal:5432/app\nenv: ${i % 4 === 3 ? 'staging' : 'prod'}\nclassification: ${classes[i % 4]}\nowners: [{layer: service, team: team-${i % TEAMS}, decides: [write, delete]}]`,
    )
  }
  return texts
}

function load(texts: readonly string[]): ReturnType<typeof loadDocuments>['documents'] {
  const all: ReturnType<typeof loadDocuments>['documents'][number][] = []
  for (let from = 0; from < texts.length; from += FILE_DOCUMENTS) {
    const text = texts.slice(from, from + FILE_DOCUMENTS).join('\n---\n')
    const { documents, findings } = loadDocuments([{ path: `${from}.yaml`, text }])
    if (findings.length > 0) throw new Error(JSON.stringify(findings[0]))
    all.push(...documents)
  }
  return all
}
