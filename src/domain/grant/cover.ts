import type { PrincipalId, ResourceName, SessionId } from '../ids.ts'
import type { Scope } from '../policy/decision.ts'
import { seat } from '../request/quorum.ts'
import type { OpenRequirement } from '../request/request.ts'
import type { Instant } from '../time.ts'
import type { Verb } from '../verb.ts'
import type { Grant } from './grant.ts'

/** One requirement of a held action, and the verbs whose decision asked for it. */
export interface Need {
  readonly requirement: OpenRequirement
  readonly verbs: readonly Verb[]
}

export interface Acting {
  readonly principal: PrincipalId
  readonly resource: ResourceName
  readonly session: SessionId
  /** The narrowest scope over the rules that hold the action: `once` is covered by nothing. */
  readonly scope: Scope
  readonly now: Instant
}

/** A live grant of this very principal: an agent's sponsor is somebody else. */
function isLive(grant: Grant, acting: Acting): boolean {
  if (grant.state !== 'active' || acting.now < grant.startsAt || acting.now >= grant.expiresAt) return false
  if (grant.principal !== acting.principal || grant.resource !== acting.resource) return false
  switch (grant.scope) {
    case 'once':
      return false
    case 'session':
      return acting.scope !== 'once' && grant.session === acting.session
    case 'window':
      return acting.scope === 'window'
    default:
      return grant.scope satisfies never
  }
}

export interface Covered {
  /** Requirements that no live grant meets: these people are asked. Empty when the action may go on. */
  readonly remaining: readonly OpenRequirement[]
  /** The grants that were needed. Their end is the end of what runs under them. */
  readonly grants: readonly Grant[]
}

/**
 * Which needs live grants meet. A grant counts for exactly the requirement keys that its reviews met, for as many
 * people as gave them, on the verbs it names. A requirement is met whole or not at all, and one person's review
 * fills one place here as in a quorum: whoever counted through a grant is not asked again for another place.
 */
export function cover(needs: readonly Need[], grants: readonly Grant[], acting: Acting): Covered {
  const live = grants.filter((g) => isLive(g, acting))
  const usable = (need: Need): readonly Grant[] =>
    live.filter(
      (g) => g.met.some((m) => m.key === need.requirement.key) && need.verbs.every((v) => g.verbs.includes(v)),
    )
  const reviewers = (need: Need): readonly PrincipalId[] =>
    usable(need).flatMap((g) => g.met.filter((m) => m.key === need.requirement.key).flatMap((m) => m.by ?? []))

  const met: { readonly need: Need; readonly seat: OpenRequirement }[] = []
  for (const need of needs) {
    const candidate = { need, seat: { ...need.requirement, eligible: reviewers(need) } }
    const seats = [...met, candidate].map((m) => m.seat)
    if (
      seat(
        seats,
        seats.flatMap((s) => s.eligible),
      ).complete
    )
      met.push(candidate)
  }
  const seats = met.map((m) => m.seat)
  const { filled } = seat(
    seats,
    seats.flatMap((s) => s.eligible),
  )
  const taken = new Set(seats.filter((s) => s.distinct).flatMap((s) => filled.get(s.key) ?? []))
  const remaining = needs
    .filter((need) => !met.some((m) => m.need === need))
    .map((need) => without(need.requirement, taken))
  const used = met.flatMap(({ need, seat }) =>
    usable(need).filter((g) =>
      g.met.some((m) => m.key === seat.key && m.by?.some((id) => filled.get(seat.key)?.includes(id))),
    ),
  )
  return { remaining, grants: [...new Set(used)] }
}

const without = (r: OpenRequirement, taken: ReadonlySet<PrincipalId>): OpenRequirement =>
  r.distinct ? { ...r, eligible: r.eligible.filter((id) => !taken.has(id)) } : r
