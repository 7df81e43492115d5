import type { Classifier } from '../../classify/postgres/shape.ts'
import type { Context } from '../../domain/action.ts'
import type { PrincipalId, ResourceName } from '../../domain/ids.ts'
import type { PolicySnapshot } from '../../domain/policy/build-snapshot.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { DocumentOf } from '../../domain/policy/documents.ts'
import { eligiblePeople } from '../../domain/policy/requirements.ts'
import type { TestBody } from '../../domain/policy/schema.ts'
import type { Principal } from '../../domain/principal.ts'
import type { TestOutcome } from '../app.ts'
import { strongest } from '../../domain/verb.ts'
import { decideActions, NOTHING, withEstimate } from '../gateway/work.ts'
import { classifyText } from './classify-text.ts'

/** A Monday, at noon in UTC: tests that do not say when give the same answer every day. */
const A_MONDAY = Date.parse('2026-01-05T12:00:00Z')

/** Run every test against a set of documents, giving way to sessions in between. Never rejects on what a test says. */
export async function runTests(
  snapshot: PolicySnapshot,
  tests: readonly DocumentOf<'Test'>[],
  classifier: Classifier,
): Promise<readonly TestOutcome[]> {
  const outcomes: TestOutcome[] = []
  for (const { name, body, path, line } of tests) {
    const differences = await runTest(snapshot, body, classifier)
    outcomes.push({
      name,
      ...(path === undefined ? {} : { path }),
      ...(line === undefined ? {} : { line }),
      passed: differences.length === 0,
      differences,
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
  return outcomes
}

async function runTest(
  snapshot: PolicySnapshot,
  { given, expect }: TestBody,
  classifier: Classifier,
): Promise<readonly string[]> {
  const principal = snapshot.people.get(given.principal as PrincipalId)
  if (principal === undefined) return [`principal: nobody is called ${given.principal}`]
  const resource = given.resource as ResourceName
  const scope = snapshot.scope(principal, resource)
  if (scope === undefined) return [`resource: there is no ${given.resource}`]
  const estimate =
    given.estimate === undefined ? undefined : { rows: given.estimate.rows, cost: given.estimate.cost ?? 0 }
  const { actions, because } =
    given.sql === undefined
      ? {
          actions: [{ resource, verb: given.verb ?? ('connect' as const), facts: {} }],
          because: undefined,
        }
      : await classifyText(classifier, resource, given.sql)
  const context: Context = {
    now: given.at === undefined ? A_MONDAY : Date.parse(given.at),
    sourceAddress: '127.0.0.1',
    sessionStatements: 0,
  }
  const decision = decideActions(withEstimate(actions, estimate), scope, context) ?? NOTHING
  const differences: string[] = []
  const compare = (what: string, wanted: string, got: string): void => {
    if (wanted !== got) differences.push(`${what}: expected ${wanted}, got ${got}`)
  }
  compare('decision', expect.decision, decision.outcome)
  if (expect.verb !== undefined)
    compare('verb', expect.verb, strongest(actions.map((action) => action.verb)) ?? 'connect')
  if (expect.rules !== undefined) compare('rules', names(expect.rules), names(decision.rules))
  if (expect.reviewers !== undefined)
    compare('reviewers', names(expect.reviewers), names(reviewersOf(snapshot, principal, decision)))
  if (expect.scope !== undefined)
    compare('scope', expect.scope, decision.outcome === 'hold' ? decision.terms.scope : '(none)')
  if (differences.length > 0) {
    for (const failure of decision.failures) differences.push(`rule ${failure.rule} failed: ${failure.message}`)
    if (because !== undefined) differences.push(`classified as unknown: ${because}`)
  }
  return differences
}

const names = (list: readonly string[]): string => `[${[...new Set(list)].toSorted().join(', ')}]`

const reviewersOf = (snapshot: PolicySnapshot, principal: Principal, decision: Decision): readonly string[] =>
  decision.outcome === 'hold'
    ? decision.requirements.flatMap(({ pool }) => eligiblePeople(snapshot, principal, pool))
    : []
