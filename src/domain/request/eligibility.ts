import type { PrincipalId } from '../ids.ts'
import type { Requirement, ReviewerPool } from '../policy/decision.ts'
import type { Snapshot } from '../policy/snapshot.ts'
import type { OpenRequirement } from './request.ts'

/** The people and teams of one revision: all that eligibility depends on. */
export type Staff = Pick<Snapshot, 'people' | 'teams'>

/** Whose request it is. `sponsor` is set when the requester is an agent. */
export interface Asking {
  readonly requester: PrincipalId
  readonly sponsor?: PrincipalId
}

/** Everybody whom the pool names, before anybody is ruled out. */
function named(pool: ReviewerPool, staff: Staff): readonly PrincipalId[] {
  switch (pool.kind) {
    case 'team':
      return staff.teams.get(pool.team)?.members ?? []
    case 'user':
    case 'sponsor':
      return [pool.user]
    case 'role':
      return [...staff.people.values()].filter((p) => p.roles.includes(pool.role)).map((p) => p.id)
    case 'nobody':
      return []
    default:
      return pool satisfies never
  }
}

/**
 * Whether one person may answer one requirement of a request (I3): an enabled user who is neither the requester
 * nor an auditor. A sponsor answers the `sponsor` requirement of its own agent's request and no other; agents and
 * services answer nothing.
 */
function mayAnswer(id: PrincipalId, pool: ReviewerPool, asking: Asking, staff: Staff): boolean {
  const person = staff.people.get(id)
  if (person === undefined || person.disabled || person.kind !== 'user') return false
  if (person.roles.includes('auditor')) return false
  if (id === asking.requester) return false
  if (pool.kind === 'sponsor') return id === asking.sponsor
  return id !== asking.sponsor
}

/** Who may answer the requirement by these people and teams, sorted, each once. */
export function eligible(requirement: Pick<Requirement, 'pool'>, asking: Asking, staff: Staff): readonly PrincipalId[] {
  const all = named(requirement.pool, staff).filter((id) => mayAnswer(id, requirement.pool, asking, staff))
  return [...new Set(all)].sort()
}

/** The requirements with who may answer each, as they stand now and will never widen (I3). */
export const openRequirements = (
  requirements: readonly Requirement[],
  asking: Asking,
  staff: Staff,
): readonly OpenRequirement[] => requirements.map((r) => ({ ...r, eligible: eligible(r, asking, staff) }))

/**
 * The requirements as they may be answered now: eligible when it was opened *and* still, less those who changed
 * the request's profile, policy or teams while it was open.
 */
export function stillEligible(
  requirements: readonly OpenRequirement[],
  asking: Asking,
  staff: Staff,
  meddlers: ReadonlySet<PrincipalId>,
): readonly OpenRequirement[] {
  return requirements.map((r) => {
    const now = new Set(eligible(r, asking, staff))
    return { ...r, eligible: r.eligible.filter((id) => now.has(id) && !meddlers.has(id)) }
  })
}
