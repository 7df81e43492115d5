import type { PrincipalId } from '../ids.ts'
import type { Requirement, ReviewerPool } from '../policy/decision.ts'
import type { Snapshot } from '../policy/snapshot.ts'
import type { Instant } from '../time.ts'
import type { OpenRequirement, RequestCommon } from './request.ts'

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

/** What of a request says who may answer it. */
type Answerable = Asking & Pick<RequestCommon, 'requirements' | 'escalations'>

/**
 * The requirements as they may be answered now: eligible when it was opened *and* still, less those who changed
 * the request's profile, policy or teams while it was open. Whom an escalation has added stands beside the others.
 */
export function stillEligible(
  request: Answerable,
  staff: Staff,
  meddlers: ReadonlySet<PrincipalId>,
): readonly OpenRequirement[] {
  const still = ({ pool, eligible: then }: Pick<OpenRequirement, 'pool' | 'eligible'>): readonly PrincipalId[] => {
    const now = new Set(eligible({ pool }, request, staff))
    return then.filter((id) => now.has(id) && !meddlers.has(id))
  }
  return request.requirements.map((r) => {
    const added = (request.escalations ?? []).filter((one) => one.key === r.key && one.done !== undefined)
    return { ...r, eligible: [...new Set([r, ...added].flatMap(still))] }
  })
}

/**
 * In whose place somebody would answer: their own, or that of one who handed theirs on to them and may still answer.
 * Undefined when in nobody's. Never in a sponsor's place or an administrator's: those are asked as who they are.
 */
export function placeOf(
  request: Answerable & Pick<RequestCommon, 'standIns'>,
  by: PrincipalId,
  seats: readonly OpenRequirement[],
  world: { readonly staff: Staff; readonly meddlers: ReadonlySet<PrincipalId>; readonly now: Instant },
): PrincipalId | undefined {
  if (seats.some((seat) => seat.eligible.includes(by))) return by
  const handed = request.standIns?.find((one) => one.person === by && world.now < one.until)
  if (handed === undefined || world.meddlers.has(by)) return undefined
  if (!mayAnswer(by, { kind: 'user', user: by }, request, world.staff)) return undefined
  return seats.some((seat) => mayBeHandedOn(seat.pool) && seat.eligible.includes(handed.for)) ? handed.for : undefined
}

const mayBeHandedOn = (pool: ReviewerPool): boolean => pool.kind === 'team' || pool.kind === 'user'

/** Who was asked for a place that they may hand on to somebody else. */
export const mayHandOn = (request: Answerable): readonly PrincipalId[] => {
  const added = (request.escalations ?? []).filter((one) => one.done !== undefined)
  const seats = [...request.requirements, ...added].filter((one) => mayBeHandedOn(one.pool))
  return [...new Set(seats.flatMap((one) => one.eligible))]
}

/** Everybody who was asked, by now. */
export const askedOf = (request: Answerable & Pick<RequestCommon, 'standIns'>): readonly PrincipalId[] => {
  const added = (request.escalations ?? []).filter((one) => one.done !== undefined)
  const people = [...request.requirements, ...added].flatMap((one) => one.eligible)
  return [...new Set([...people, ...(request.standIns ?? []).map((one) => one.person)])]
}

/** Whether somebody could answer in the place of `from`: an enabled user, no auditor, not who asks or answers for them. */
export const mayStandIn = (id: PrincipalId, asking: Asking, staff: Staff): boolean =>
  mayAnswer(id, { kind: 'user', user: id }, asking, staff)
