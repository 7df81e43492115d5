import type { PrincipalId } from '../ids.ts'
import type { OpenRequirement } from './request.ts'

type Seat = Pick<OpenRequirement, 'key' | 'count' | 'distinct' | 'eligible'>

export interface Quorum {
  /** Who fills each requirement, by key; at most `count` people, each once. */
  readonly filled: ReadonlyMap<string, readonly PrincipalId[]>
  /** Every place of every requirement is filled. Never true of no requirements at all: nothing approves itself. */
  readonly complete: boolean
}

/**
 * Seat people on the places of the requirements so that as many places as possible are filled. One person fills one
 * place, however often they stand in `approvers`; a requirement with `distinct: false` seats them beside any other.
 * Maximum bipartite matching by augmenting paths (Kuhn): a greedy seating could put the only database engineer on a
 * place that anybody could fill, and wait for ever.
 */
export function seat(requirements: readonly Seat[], approvers: Iterable<PrincipalId>): Quorum {
  const people = [...new Set(approvers)].sort()
  const filled = new Map<string, PrincipalId[]>(requirements.map((r) => [r.key, []]))
  const places: Seat[] = []
  for (const r of requirements) {
    if (!r.distinct) filled.set(r.key, people.filter((p) => r.eligible.includes(p)).slice(0, wanted(r)))
    else for (let n = 0; n < wanted(r); n++) places.push(r)
  }

  const sits = new Map<number, PrincipalId>()
  const augment = (person: PrincipalId, tried: Set<number>): boolean => {
    for (const [n, place] of places.entries()) {
      if (tried.has(n) || !place.eligible.includes(person)) continue
      tried.add(n)
      const sitting = sits.get(n)
      if (sitting === undefined || augment(sitting, tried)) {
        sits.set(n, person)
        return true
      }
    }
    return false
  }
  for (const person of people) augment(person, new Set())
  for (const [n, person] of sits) {
    const place = places[n]
    if (place !== undefined) filled.get(place.key)?.push(person)
  }

  const complete = requirements.length > 0 && requirements.every((r) => (filled.get(r.key)?.length ?? 0) >= wanted(r))
  return { filled, complete }
}

/** A requirement never asks for nobody, whatever number stands in it. */
const wanted = (r: Seat): number => Math.max(1, r.count)
