import type { Context } from '../action.ts'
import { canonical } from '../canonical.ts'
import type { Revision } from '../ids.ts'
import type { Decision, HoldTerms } from '../policy/decision.ts'
import type { Snapshot } from '../policy/snapshot.ts'
import type { CredentialSource, PostgresTarget, Profile } from '../profile/profile.ts'
import { openRequirements } from './eligibility.ts'
import type { Asking, Staff } from './eligibility.ts'

/** What of a decision an approval rests on. When any of it differs, the approval is void (I8). */
export interface Decided {
  readonly requirements: readonly {
    readonly key: string
    readonly count: number
    readonly distinct: boolean
    readonly eligible: readonly string[]
  }[]
  readonly terms: Omit<HoldTerms, 'nudge'>
  readonly recording: string
  /** Approved for this server: a profile that points elsewhere needs a new approval. Absent for a change of documents. */
  readonly target?: PostgresTarget
  readonly credential?: CredentialSource
}

/** Kept with a request, for deciding again. */
export interface Basis {
  readonly decided: Decided
  readonly context?: Context
}

export function decidedBy(
  decision: Extract<Decision, { outcome: 'hold' }>,
  asking: Asking,
  staff: Staff,
  profile: Profile | undefined,
): Decided {
  const requirements = openRequirements(decision.requirements, asking, staff)
  // Nobody agreed to anything because they were reminded of it.
  const { nudge: _, ...terms } = decision.terms
  return {
    requirements: requirements
      .map(({ key, count, distinct, eligible }) => ({ key, count, distinct, eligible }))
      .sort((a, b) => (a.key < b.key ? -1 : 1)),
    terms,
    recording: decision.recording,
    ...(profile === undefined ? {} : { target: profile.target }),
    ...(profile?.credential === undefined ? {} : { credential: profile.credential }),
  }
}

/** The new decision on the same action, by the policy in force. */
export interface Again {
  readonly decision: Decision | undefined
  readonly asking: Asking
  readonly snapshot: Snapshot
  readonly resource: Profile['name']
  /** The revision that the approval rests on. */
  readonly since: Revision
}

/**
 * Why the approval no longer stands, in words that name what changed: `profile of shop-db changed, revision 17 to 18`.
 * Undefined while the new decision is the same in everything that an approval rests on.
 */
export function difference(before: Decided, again: Again): string | undefined {
  const { decision, snapshot, since } = again
  const revisions = `revision ${since} to ${snapshot.revision}`
  const profile = snapshot.resources.get(again.resource)
  if (profile === undefined || decision === undefined) return `${again.resource} is gone, ${revisions}`
  if (decision.outcome === 'hold') {
    const now = decidedBy(decision, again.asking, snapshot, profile)
    if (canonical(now) === canonical(before)) return undefined
    if (profile.revision > since) return `profile of ${again.resource} changed, ${revisions}`
    const moved = before.requirements.filter((r) => {
      const same = now.requirements.find((n) => n.key === r.key)
      return same !== undefined && same.count === r.count && canonical(same.eligible) !== canonical(r.eligible)
    })
    if (now.requirements.length === before.requirements.length && moved.length > 0)
      return `who may review changed (${moved.map((r) => r.key).join(', ')}), ${revisions}`
    return `policy changed, ${revisions}`
  }
  const outcome = decision.outcome === 'deny' ? 'now refuses it' : 'now allows it without a review'
  return profile.revision > since
    ? `profile of ${again.resource} changed and policy ${outcome}, ${revisions}`
    : `policy changed and ${outcome}, ${revisions}`
}
