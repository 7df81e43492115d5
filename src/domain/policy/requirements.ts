import type { PrincipalId, RuleName, TeamName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { OwnerLayer, Profile } from '../profile/profile.ts'
import { eligible } from '../request/eligibility.ts'
import type { Verb } from '../verb.ts'
import type { Requirement, ReviewerPool } from './decision.ts'
import type { Review, ReviewSource } from './rule.ts'
import type { Snapshot } from './snapshot.ts'

type Known = Pick<Snapshot, 'teams' | 'people'>

/** The layers that decide `verb`; a verb that no layer decides belongs to the first layer. Empty without owners. */
export function decidingLayers(owners: readonly OwnerLayer[], verb: Verb): readonly OwnerLayer[] {
  const deciding = owners.filter((owner) => (owner.decides as readonly string[]).includes(verb))
  return deciding.length > 0 ? deciding : owners.slice(0, 1)
}

/** Who may fill a place in `pool` for a request by `requester` (I3), sorted. The one definition is domain/request's. */
export const eligiblePeople = (known: Known, requester: Principal, pool: ReviewerPool): readonly PrincipalId[] =>
  eligible(
    { pool },
    { requester: requester.id, ...(requester.sponsor === undefined ? {} : { sponsor: requester.sponsor }) },
    known,
  )

export interface Asker {
  readonly known: Known
  readonly requester: Principal
  readonly profile: Profile
  readonly verb: Verb
  readonly security: TeamName
}

/** One review of a hold, resolved. A pool that nobody can fill climbs to the security team and says so; it never becomes zero. */
export function resolveReview(asker: Asker, review: Review, rules: readonly RuleName[]): readonly Requirement[] {
  const common = { count: review.count, distinct: review.distinct, rules }
  const pools = poolsOf(asker, review.source)
  if (pools.length === 0) return [climb(asker, nameOf(review.source), common)]
  return pools.map((pool) =>
    eligiblePeople(asker.known, asker.requester, pool).length > 0
      ? { key: keyOf(pool), pool, count: review.count, distinct: review.distinct, rules }
      : climb(asker, keyOf(pool), common),
  )
}

/** The security team, for what is in doubt. */
export function securityRequirement(asker: Asker): Requirement {
  return climb(asker, undefined, { count: 1, distinct: true, rules: [] })
}

function climb(
  asker: Asker,
  from: string | undefined,
  common: Pick<Requirement, 'count' | 'distinct' | 'rules'>,
): Requirement {
  const pool: ReviewerPool = { kind: 'team', team: asker.security }
  const climbed = from === undefined || from === keyOf(pool) ? {} : { climbedFrom: from }
  if (eligiblePeople(asker.known, asker.requester, pool).length > 0)
    return { key: keyOf(pool), pool, ...common, ...climbed }
  const wanted = from ?? keyOf(pool)
  return { key: `nobody:${wanted}`, pool: { kind: 'nobody', wanted, security: asker.security }, ...common, ...climbed }
}

function poolsOf({ profile, verb, requester }: Asker, source: ReviewSource): readonly ReviewerPool[] {
  switch (source.kind) {
    case 'owners': {
      const layers =
        source.layer === undefined
          ? decidingLayers(profile.owners, verb)
          : profile.owners.filter((owner) => owner.layer === source.layer)
      return layers.map((owner) => ({ kind: 'team', team: owner.team, layer: owner.layer }))
    }
    case 'team':
      return [{ kind: 'team', team: source.team as TeamName }]
    case 'user':
      return [{ kind: 'user', user: source.user as PrincipalId }]
    case 'sponsor':
      return requester.kind === 'agent' && requester.sponsor !== undefined
        ? [{ kind: 'sponsor', user: requester.sponsor }]
        : []
    default:
      return source satisfies never
  }
}

/** The pools that an escalation names. One in which nobody may answer adds nobody: it does not climb. */
export const escalationPools = (asker: Asker, source: ReviewSource): readonly ReviewerPool[] => poolsOf(asker, source)

const nameOf = (source: ReviewSource): string => {
  switch (source.kind) {
    case 'owners':
      return source.layer === undefined ? 'owners' : `owners:${source.layer}`
    case 'team':
      return `team:${source.team}`
    case 'user':
      return `user:${source.user}`
    case 'sponsor':
      return 'sponsor'
    default:
      return source satisfies never
  }
}

/** What windows and reviews are matched by: `team:payments`, `user:mia`, `sponsor:ana`, `nobody:owners`. */
export function keyOf(pool: ReviewerPool): string {
  switch (pool.kind) {
    case 'team':
      return `team:${pool.team}`
    case 'user':
    case 'sponsor':
      return `${pool.kind}:${pool.user}`
    case 'role':
      return `role:${pool.role}`
    case 'nobody':
      return `nobody:${pool.wanted}`
    default:
      return pool satisfies never
  }
}

/** Requirements with an equal key merge: the larger count, distinct if any is, all rules. Sorted by key. */
export function mergeRequirements(all: readonly Requirement[]): readonly Requirement[] {
  if (all.length === 1) return all
  const merged = new Map<string, Requirement>()
  for (const one of all) {
    const other = merged.get(one.key)
    merged.set(one.key, other === undefined ? one : merge(other, one))
  }
  return [...merged.values()].toSorted(byKey)
}

function merge(a: Requirement, b: Requirement): Requirement {
  const climbed = [a.climbedFrom, b.climbedFrom].filter((from) => from !== undefined).toSorted()[0]
  // A pool that names its layer says more; which of two layers is shown must not depend on the order.
  const pool = [a.pool, b.pool].toSorted((p, q) => compare(layerOf(p), layerOf(q)))[0] ?? a.pool
  return {
    key: a.key,
    pool,
    count: Math.max(a.count, b.count),
    distinct: a.distinct || b.distinct,
    rules: [...new Set([...a.rules, ...b.rules])].toSorted(),
    ...(climbed === undefined ? {} : { climbedFrom: climbed }),
  }
}

const layerOf = (pool: ReviewerPool): string => (pool.kind === 'team' ? (pool.layer ?? '￿') : '')
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byKey = (a: Requirement, b: Requirement): number => compare(a.key, b.key)
