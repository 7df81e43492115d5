import { changeDigest } from '../../domain/digest.ts'
import type { ResourceName, Revision } from '../../domain/ids.ts'
import type { Requirement } from '../../domain/policy/decision.ts'
import { openRequirements } from '../../domain/request/eligibility.ts'
import type { Staff } from '../../domain/request/eligibility.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { after, millis } from '../../domain/time.ts'
import type { Millis } from '../../domain/time.ts'
import type { Caller } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { openRequest } from './steps.ts'

export interface ChangeAsked {
  readonly base: Revision
  /** One line a field that changes, for the reviewers. */
  readonly summary: readonly string[]
  /** JSON values of the whole proposed set: what the approval is bound to. */
  readonly documents: unknown
  readonly staff: Staff
  readonly reason?: string
  /** Any administrator but the proposer when left out. */
  readonly requirements?: readonly Requirement[]
  /** A week when left out. */
  readonly timeout?: Millis
}

const DAY = millis(86_400_000)
const WEEK = millis(7 * DAY)
const ADMINISTRATOR: Requirement = {
  key: 'role:admin',
  pool: { kind: 'role', role: 'admin' },
  count: 1,
  distinct: true,
  rules: [],
}

/**
 * Hold a change of documents until a second person agrees. In the caller's transaction, where the proposed set itself
 * is stored under the request that is returned.
 */
export async function openChange(tx: Tx, caller: Caller, asked: ChangeAsked): Promise<AccessRequest> {
  const requester = caller.principal.id
  const timeout = asked.timeout ?? WEEK
  const decided = openRequirements(asked.requirements ?? [ADMINISTRATOR], { requester }, asked.staff)
  return openRequest(
    tx,
    {
      requester,
      resource: 'holdpoint' as ResourceName,
      verbs: ['apply'],
      subject: { kind: 'change', base: asked.base, summary: asked.summary },
      digest: changeDigest({ principal: requester, base: asked.base, documents: asked.documents }),
      cause: 'default',
      rules: [],
      failures: [],
      requirements: decided,
      recording: 'standard',
      scope: 'once',
      grantAtMost: timeout,
      revision: asked.base,
      ...(asked.reason === undefined ? {} : { reason: asked.reason }),
      openedAt: tx.now,
      expiresAt: after(tx.now, timeout),
    },
    {
      decided: {
        requirements: decided.map(({ key, count, distinct, eligible }) => ({ key, count, distinct, eligible })),
        terms: { timeout, grantAtMost: timeout, scope: 'once', reasonRequired: false },
        recording: 'standard',
      },
    },
    { terms: { nudge: DAY }, staff: asked.staff },
  )
}
