import type { z } from 'zod'
import type { RequestView } from '../../app/app.ts'
import { REFUSALS } from '../../app/refusals.ts'
import type { Refusal } from '../../app/refusals.ts'
import type * as contract from '../../contract/requests.ts'
import type { Action } from '../../domain/action.ts'
import type { Grant } from '../../domain/grant/grant.ts'
import { approvedOf, divergenceWords } from '../../domain/request/divergence.ts'
import { agreedRows } from '../../domain/request/request.ts'
import type { AccessRequest, LockReport, Subject } from '../../domain/request/request.ts'
import { formatDuration } from '../../domain/time.ts'
import { present, time } from './scalars.ts'

type May = z.output<typeof contract.AccessRequest>['may']['approve']

const mayView = (may: true | Refusal): May => {
  if (may === true) return { allowed: true }
  const told: { readonly title: string; readonly hint?: string } = REFUSALS[may]
  return present({ allowed: false as const, code: may, title: told.title, hint: told.hint })
}

export const grantView = (grant: Grant): z.output<typeof contract.Grant> =>
  present({
    id: grant.id,
    state: grant.state,
    scope: grant.scope,
    principal: grant.principal,
    resource: grant.resource,
    verbs: [...grant.verbs],
    session: grant.session,
    role: grant.role,
    startsAt: time(grant.startsAt),
    expiresAt: time(grant.expiresAt),
    why: grant.state === 'ending' || grant.state === 'ended' ? grant.why : undefined,
    at: grant.state === 'ending' ? time(grant.since) : grant.state === 'ended' ? time(grant.at) : undefined,
  })

type StatementSubject = Extract<Subject, { kind: 'statement' }>

const factsView = ({ resource, verb, facts }: Action): StatementView['actions'][number] => ({
  resource,
  verb,
  facts: present({
    sql:
      facts.sql === undefined
        ? undefined
        : {
            statements: [...facts.sql.statements],
            tables: [...facts.sql.tables],
            columns: [...facts.sql.columns],
            hasWhere: facts.sql.hasWhere,
            functions: [...facts.sql.functions],
          },
    estimate:
      facts.estimate === undefined
        ? undefined
        : present({
            rows: facts.estimate.rows,
            cost: facts.estimate.cost,
            cascades: facts.estimate.cascades?.map((one) => ({ ...one })),
          }),
  }),
})

type ExecutionView = NonNullable<z.output<typeof contract.AccessRequest>['execution']>

/** What was approved and what was done. Names of objects are part of what a metadata reader does not see. */
function executionView({ request, execution }: RequestView): ExecutionView | undefined {
  if (execution === undefined || request.subject.kind !== 'statement') return undefined
  const approved = approvedOf(request, agreedRows(request))
  const { done } = execution
  return present({
    state: execution.state,
    approved: present({
      estimate: approved.estimate?.rows,
      rowsAtMost: approved.rows,
      objects: [...approved.objects],
    }),
    done:
      done === undefined
        ? undefined
        : present({
            rows: done.rows,
            touched: done.touched?.map((one) => ({ ...one, within: [...one.within] })),
            durationMicros: done.durationMicros,
            sqlstate: done.sqlstate,
            overCap: done.overCap,
            partly: done.partly,
          }),
  })
}

type AfterwardsView = NonNullable<z.output<typeof contract.AccessRequest>['afterwards']>

const afterwardsView = ({ afterwards, metadataOnly }: RequestView): AfterwardsView | undefined =>
  afterwards &&
  present({
    why: afterwards.why.map((one) => ({
      kind: one.kind,
      words: metadataOnly === true ? 'not shown to you' : divergenceWords(one),
    })),
    asked: [...afterwards.asked],
    dueAt: time(afterwards.dueAt),
    acknowledged:
      afterwards.acknowledged &&
      present({
        by: afterwards.acknowledged.by,
        words: metadataOnly === true ? undefined : afterwards.acknowledged.words,
        at: time(afterwards.acknowledged.at),
      }),
  })

type SubjectView = z.output<typeof contract.Subject>
type StatementView = Extract<SubjectView, { kind: 'statement' }>

const locksView = ({ held, waiters, waiting }: LockReport): StatementView['locks'] =>
  present({ held: [...held], waiters, waiting: waiting?.map((one) => ({ ...one })) })

const statementSubject = (subject: StatementSubject): StatementView =>
  present({
    kind: subject.kind,
    text: subject.text,
    parameters: [...subject.parameters],
    actions: subject.actions.map(factsView),
    state: present({
      ...subject.state,
      temporaryObjects: [...subject.state.temporaryObjects],
      settings: subject.state.settings === undefined ? undefined : { ...subject.state.settings },
    }),
    locks: subject.locks === undefined ? undefined : locksView(subject.locks),
    run: subject.run === undefined ? undefined : [...subject.run],
    notCovered: [...subject.notCovered],
    uncapped: subject.uncapped,
  })

/** One a kind: the compiler asks for a new one when a kind is added. */
const SUBJECTS: { readonly [K in Subject['kind']]: (subject: Extract<Subject, { kind: K }>) => SubjectView } = {
  statement: statementSubject,
  connect: ({ kind, database, client, sourceAddress }) => ({ kind, database, client, sourceAddress }),
  window: ({ kind, verbs, length, credential }) =>
    present({ kind, verbs: [...verbs], length: formatDuration(length), credential }),
  extension: ({ kind, grant, of, verbs, length }) => ({
    kind,
    grant,
    of,
    verbs: [...verbs],
    length: formatDuration(length),
  }),
  change: ({ kind, base, summary }) => ({ kind, base, summary: [...summary] }),
}
const subjectView = <K extends Subject['kind']>(subject: Extract<Subject, { kind: K }>): SubjectView => {
  const view: (subject: Extract<Subject, { kind: K }>) => SubjectView = SUBJECTS[subject.kind]
  return view(subject)
}

function outcomeView(request: AccessRequest): z.output<typeof contract.AccessRequest>['outcome'] {
  if (request.state === 'pending') return undefined
  return present({
    at: time(request.at),
    by: request.state === 'denied' ? request.by : undefined,
    words: request.state === 'denied' ? request.words : undefined,
    why: request.state === 'withdrawn' || request.state === 'voided' ? request.why : undefined,
  })
}

type View = z.output<typeof contract.AccessRequest>

const waitingView = ({
  nudge,
  escalations,
  standIns,
}: AccessRequest): Pick<View, 'nudge' | 'escalations' | 'standIns'> => {
  const done = (at: number | undefined): string | undefined => (at === undefined ? undefined : time(at))
  return present({
    nudge: nudge && present({ at: time(nudge.at), done: done(nudge.done) }),
    escalations: escalations?.map((one) =>
      present({ key: one.key, at: time(one.at), eligible: [...one.eligible], done: done(one.done) }),
    ),
    standIns: standIns?.map((one) => ({ person: one.person, for: one.for, until: time(one.until) })),
  })
}

/** A request as its reader may see it. With `metadataOnly` nothing that a person wrote or that would run is in it. */
export function requestView(view: RequestView): z.output<typeof contract.AccessRequest> {
  const { request, may } = view
  const hidden = view.metadataOnly === true
  const outcome = outcomeView(request)
  return present({
    id: request.id,
    url: view.url,
    state: request.state,
    outcome: hidden && outcome !== undefined ? present({ at: outcome.at, by: outcome.by }) : outcome,
    requester: request.requester,
    sponsor: request.sponsor,
    resource: request.resource,
    verbs: [...request.verbs],
    subject: hidden ? { kind: 'hidden' as const } : subjectView(request.subject),
    digest: request.digest,
    cause: request.cause,
    rules: [...request.rules],
    failures: request.failures.map(({ rule, message }) => ({ rule, message })),
    requirements: request.requirements.map((requirement) =>
      present({
        key: requirement.key,
        count: requirement.count,
        distinct: requirement.distinct,
        rules: [...requirement.rules],
        eligible: [...requirement.eligible],
        climbedFrom: requirement.climbedFrom,
      }),
    ),
    ...waitingView(request),
    unanswerable: view.unanswerable,
    recording: request.recording,
    scope: request.scope,
    grantAtMost: formatDuration(request.grantAtMost),
    rowCap: request.rowCap === undefined ? undefined : { ...request.rowCap },
    revision: request.revision,
    reason: hidden ? undefined : request.reason,
    session: request.session,
    openedAt: time(request.openedAt),
    expiresAt: time(request.expiresAt),
    reviews: request.reviews.map((review) =>
      present({
        by: review.by,
        for: review.for,
        verdict: review.verdict,
        digest: review.digest,
        at: time(review.at),
        words: hidden ? undefined : review.words,
        atMost: review.atMost === undefined ? undefined : formatDuration(review.atMost),
        rowsAtMost: review.rowsAtMost,
      }),
    ),
    grant: view.grant === undefined ? undefined : grantView(view.grant),
    execution: hidden ? undefined : executionView(view),
    afterwards: afterwardsView(view),
    may: {
      approve: mayView(may.approve),
      deny: mayView(may.deny),
      withdraw: mayView(may.withdraw),
      retry: mayView(may.retry),
      extend: mayView(may.extend),
      done: mayView(may.done),
      revoke: mayView(may.revoke),
      acknowledge: mayView(may.acknowledge),
    },
  })
}
