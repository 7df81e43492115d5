import type { z } from 'zod'
import type { Applied, Difference, Explained, Finding, ResourceView, TestOutcome } from '../../app/app.ts'
import type * as contract from '../../contract/documents.ts'
import { formatDuration } from '../../domain/time.ts'
import { present } from './scalars.ts'

export const findingView = (finding: Finding): z.output<typeof contract.Finding> => ({ ...finding })

export const differenceView = (difference: Difference): z.output<typeof contract.Difference> => ({
  base: difference.base,
  changes: difference.changes.map((change) => ({ ...change, fields: change.fields.map((field) => ({ ...field })) })),
  findings: difference.findings.map(findingView),
})

export function appliedView(applied: Applied): z.output<typeof contract.Applied> {
  if (applied.kind === 'unchanged') return { kind: applied.kind, revision: applied.revision }
  const difference = differenceView(applied.difference)
  return applied.kind === 'held'
    ? { kind: applied.kind, request: applied.request, difference }
    : { kind: applied.kind, revision: applied.revision, difference, notes: [...applied.notes] }
}

export const testReportView = (tests: readonly TestOutcome[]): z.output<typeof contract.TestReport> => {
  const passed = tests.filter((test) => test.passed).length
  return {
    tests: tests.map((test) => ({ ...test, differences: [...test.differences] })),
    passed,
    failed: tests.length - passed,
  }
}

export const explainedView = (explained: Explained): z.output<typeof contract.Explained> =>
  present({
    verb: explained.verb,
    verbs: [...explained.verbs],
    decision: explained.decision,
    rules: [...explained.rules],
    reviews: explained.reviews.map(({ key, count, people }) => ({ key, count, people: [...people] })),
    cause: explained.cause,
    message: explained.message,
    trace: explained.trace.map((rule) => ({ ...rule, clauses: rule.clauses.map((clause) => ({ ...clause })) })),
    flip: explained.flip,
    estimate:
      explained.estimate === undefined ? undefined : { rows: explained.estimate.rows, cost: explained.estimate.cost },
    rowCap: explained.rowCap === undefined ? undefined : { ...explained.rowCap },
    rowsAtMost: explained.rowsAtMost,
    revision: explained.revision,
  })

/** A profile as people read it. Where the password comes from stays inside. */
export const resourceView = ({
  profile,
  openGrants,
  pendingRequests,
  clientLine,
  warnings,
}: ResourceView): z.output<typeof contract.Resource> =>
  present({
    name: profile.name,
    type: profile.type,
    target: {
      host: profile.target.socket ?? profile.target.host,
      port: profile.target.port,
      database: profile.target.database,
      user: profile.target.user,
      sslmode: profile.target.sslmode,
    },
    env: profile.env,
    classification: profile.classification,
    criticality: profile.criticality,
    purpose: profile.purpose,
    compliance: [...profile.compliance],
    owners: profile.owners.map(({ layer, team, decides }) => ({ layer, team, decides: [...decides] })),
    audit:
      profile.audit === undefined
        ? undefined
        : { last: profile.audit.last, every: formatDuration(profile.audit.every) },
    labels: { ...profile.labels },
    timezone: profile.timezone,
    incomplete: profile.incomplete,
    revision: profile.revision,
    openGrants,
    pendingRequests,
    clientLine,
    warnings: [...warnings],
  })
