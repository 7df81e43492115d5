import type { Grant } from '../../domain/grant/grant.ts'
import type { PrincipalId } from '../../domain/ids.ts'
import type { Entry } from '../../domain/ledger/entry.ts'
import { divergenceWords, rowsTouched } from '../../domain/request/divergence.ts'
import type { Done, ReviewAfterwards } from '../../domain/request/divergence.ts'
import type { AccessRequest, OpenEscalation, Review } from '../../domain/request/request.ts'
import type { Delegation } from '../ports/waiting.ts'
import type { Session } from '../../domain/session/session.ts'

/*
 * What the record says of each change. Digests, ids, rules and revisions; the words of a denial, since they are part
 * of what was decided; never a statement's text or a bound value, which stand with the request and may hold secrets.
 */

/** JSON has no lone surrogates, and neither has the record. */
const clean = (text: string): string => text.toWellFormed()
const by = (actor: PrincipalId | undefined) => (actor === undefined ? {} : { actor })

export const requestOpened = (r: AccessRequest): Entry => ({
  kind: 'request.opened',
  subject: `request/${r.id}`,
  actor: r.requester,
  resource: r.resource,
  body: {
    request: r.id,
    kind: r.subject.kind,
    digest: r.digest,
    requester: r.requester,
    sponsor: r.sponsor,
    verbs: r.verbs,
    decision: 'hold',
    cause: r.cause,
    rules: r.rules,
    failures: r.failures.map((f) => ({ rule: f.rule, message: clean(f.message) })),
    requirements: r.requirements.map(({ key, count, distinct, eligible }) => ({ key, count, distinct, eligible })),
    escalations: r.escalations?.map(({ key, at, eligible }) => ({ key, at, eligible })),
    scope: r.scope,
    rowCap: r.rowCap,
    revision: r.revision,
    session: r.session,
    expiresAt: r.expiresAt,
  },
})

export const reviewGiven = (r: AccessRequest, review: Review): Entry => ({
  kind: 'review.given',
  subject: `request/${r.id}`,
  actor: review.by,
  resource: r.resource,
  body: {
    request: r.id,
    verdict: review.verdict,
    digest: review.digest,
    for: review.for,
    words: review.words === undefined ? undefined : clean(review.words),
    atMost: review.atMost,
    rowsAtMost: review.rowsAtMost,
  },
})

/** Those who may answer were reminded: nobody has decided for so long. */
export const requestNudged = (r: AccessRequest): Entry => ({
  kind: 'request.nudged',
  subject: `request/${r.id}`,
  resource: r.resource,
  body: { request: r.id, digest: r.digest, openedAt: r.openedAt, expiresAt: r.expiresAt },
})

/** By the rules that it was opened with, others may answer from now on. */
export const requestEscalated = (r: AccessRequest, { key, at, eligible }: OpenEscalation): Entry => ({
  kind: 'request.escalated',
  subject: `request/${r.id}`,
  resource: r.resource,
  body: { request: r.id, digest: r.digest, requirement: key, to: eligible, at, revision: r.revision },
})

/** Who was asked is away, and somebody else answers in their place. */
export const requestHandedOn = (r: AccessRequest, of: Delegation): Entry => ({
  kind: 'request.handed_on',
  subject: `request/${r.id}`,
  actor: of.person,
  resource: r.resource,
  body: { request: r.id, digest: r.digest, for: of.person, to: of.to, until: of.until },
})

/** `delegation.made`, `delegation.ended` */
export const delegationMoved = (
  person: PrincipalId,
  moved: { readonly kind: 'made'; readonly to: PrincipalId; readonly until: number } | { readonly kind: 'ended' },
): Entry => ({
  kind: `delegation.${moved.kind}`,
  subject: `account/${person}`,
  actor: person,
  body: moved.kind === 'made' ? { person, to: moved.to, until: moved.until } : { person },
})

/** `request.approved`, `request.denied`, ...: whatever state the request has come to. */
export const requestSettled = (r: AccessRequest, actor: PrincipalId | undefined): Entry => ({
  kind: `request.${r.state}`,
  subject: `request/${r.id}`,
  ...by(actor),
  resource: r.resource,
  body: {
    request: r.id,
    digest: r.digest,
    revision: r.revision,
    ...(r.state === 'approved' ? { grant: r.grant, by: r.reviews.map((v) => v.by) } : {}),
    ...(r.state === 'denied' ? { by: r.by, words: clean(r.words) } : {}),
    ...(r.state === 'withdrawn' || r.state === 'voided' ? { why: clean(r.why) } : {}),
  },
})

/** `grant.active`, `grant.ending`, `grant.ended`, and `grant.extended` for a live one that moved. */
export const grantMoved = (g: Grant, actor: PrincipalId | undefined, kind = `grant.${g.state}`): Entry => ({
  kind,
  subject: `grant/${g.id}`,
  ...by(actor),
  resource: g.resource,
  body: {
    grant: g.id,
    request: g.request,
    principal: g.principal,
    digest: g.digest,
    scope: g.scope,
    rowsAtMost: g.rowsAtMost,
    verbs: g.verbs,
    session: g.session,
    role: g.role,
    startsAt: g.startsAt,
    expiresAt: g.expiresAt,
    revision: g.revision,
    ...(g.state === 'ending' || g.state === 'ended' ? { why: g.why } : {}),
  },
})

export const executionMoved = (
  r: Pick<AccessRequest, 'id' | 'digest' | 'resource' | 'session'>,
  state: 'started' | 'succeeded' | 'failed' | 'unknown',
  result: Omit<Done, 'outcome'> = {},
): Entry => ({
  kind: `execution.${state}`,
  subject: `request/${r.id}`,
  resource: r.resource,
  body: {
    request: r.id,
    digest: r.digest,
    session: r.session,
    rows: result.rows,
    sqlstate: result.sqlstate,
    durationMicros: result.durationMicros,
    touched: result.touched === undefined ? undefined : rowsTouched(result.touched),
    objects: result.touched
      ?.slice(0, MOST_OBJECTS)
      .map((one) => ({ ...one, object: clean(one.object), within: undefined })),
    overCap: result.overCap,
    partly: result.partly,
  },
})

/** Entries are small: of a run that touched more objects, the record names so many, and their sum covers all. */
const MOST_OBJECTS = 100

/** What was done differs from what was approved: somebody must look. */
export const reviewDue = (r: Pick<AccessRequest, 'id' | 'resource'>, owed: ReviewAfterwards): Entry => ({
  kind: 'review.due',
  subject: `request/${r.id}`,
  resource: r.resource,
  body: {
    request: r.id,
    why: owed.why.map((one) => clean(divergenceWords(one)).slice(0, 2_000)),
    asked: owed.asked,
    dueAt: owed.dueAt,
  },
})

export const acknowledged = (r: Pick<AccessRequest, 'id' | 'resource'>, by: PrincipalId, words: string): Entry => ({
  kind: 'review.acknowledged',
  subject: `request/${r.id}`,
  actor: by,
  resource: r.resource,
  body: { request: r.id, words: clean(words) },
})

export const sessionMoved = (s: Session, body: Readonly<Record<string, unknown>> = {}): Entry => ({
  kind: s.state === 'open' ? 'session.opened' : 'session.closed',
  subject: `session/${s.id}`,
  ...(s.state === 'open' ? { actor: s.principal } : {}),
  resource: s.resource,
  body: {
    session: s.id,
    principal: s.principal,
    database: clean(s.database),
    client: clean(s.client),
    sourceAddress: s.sourceAddress,
    expiresAt: s.expiresAt,
    ...(s.state === 'closed' ? { why: s.why } : {}),
    ...body,
  },
})
