import type { Grant } from './grant.ts'
import { approvers, longestGrant, reviewedRows } from '../request/request.ts'
import type { AccessRequest, OpenRequirement } from '../request/request.ts'
import type { Scope } from '../policy/decision.ts'
import { seat } from '../request/quorum.ts'
import { after, millis } from '../time.ts'
import type { Millis } from '../time.ts'

type Approved = Extract<AccessRequest, { state: 'approved' }>

/** The shortest of what policy, the requester and each reviewer gave. Its clock starts at the approval. */
export function grantedLength(request: Approved): Millis {
  const given = request.reviews.flatMap((r) => (r.verdict === 'approve' && r.atMost !== undefined ? [r.atMost] : []))
  return millis(Math.min(longestGrant(request), ...given))
}

/**
 * The grant that an approval yields, not yet active. Never for an extension, which moves a grant that exists.
 * @param counted the requirements with those whose reviews counted when it was approved (`stillEligible`).
 */
export function provision(
  request: Approved,
  counted: readonly OpenRequirement[],
): Extract<Grant, { state: 'provisioning' }> {
  const { filled } = seat(counted, approvers(request.reviews))
  const rowsAtMost = reviewedRows(request)
  return {
    state: 'provisioning',
    id: request.grant,
    request: request.id,
    principal: request.requester,
    resource: request.resource,
    verbs: request.verbs,
    scope: request.scope,
    ...(request.session === undefined ? {} : { session: request.session }),
    digest: request.digest,
    met: request.requirements.map((r) => ({ key: r.key, count: r.count, by: filled.get(r.key) ?? [] })),
    ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
    revision: request.revision,
    startsAt: request.at,
    expiresAt: after(request.at, grantedLength(request)),
  }
}

/**
 * The scope that an approval of this subject has, within what policy lets it have. A held statement is approved by
 * itself, or for its session where a rule says `scope: session`; it never opens a window, since nobody asked for one.
 */
export function scopeFor(subject: AccessRequest['subject'], widest: Scope): Scope {
  switch (subject.kind) {
    case 'statement':
      // A declared run asks for less than the window that the rules would let it ask for.
      return widest === 'session' || (widest === 'window' && subject.run !== undefined) ? 'session' : 'once'
    case 'connect':
      return 'session'
    case 'window':
    case 'extension':
      return 'window'
    case 'change':
      return 'once'
    default:
      return subject satisfies never
  }
}
