import type { PrincipalId, TeamName } from '../ids.ts'
import type { OpenRequirement } from './request.ts'
import { eligible } from './eligibility.ts'
import type { Staff } from './eligibility.ts'
import { seat } from './quorum.ts'

/** How a person is called: a display name where it is known, the id elsewhere. */
export type NameOf = (id: string) => string

/**
 * Whom a key of a requirement names, in words: `team payments`, `Mia`, `Ana (sponsor)`, `role admin`, `the owners`.
 * The one place where such words are made.
 */
export function poolWords(key: string, nameOf: NameOf = (id) => id): string {
  const colon = key.indexOf(':')
  const kind = colon < 0 ? key : key.slice(0, colon)
  const name = colon < 0 ? '' : key.slice(colon + 1)
  switch (kind) {
    case 'team':
    case 'role':
      return `${kind} ${name}`
    case 'user':
      return nameOf(name)
    case 'sponsor':
      return name === '' ? 'the sponsor' : `${nameOf(name)} (sponsor)`
    case 'owners':
      return name === '' ? 'the owners' : `the owners of layer ${name}`
    case 'nobody':
      return poolWords(name, nameOf)
    default:
      return key
  }
}

/** `1 of team payments`, `Ana (sponsor)`: what is needed. */
export function requirementWords({ key, count }: { readonly key: string; readonly count: number }, nameOf?: NameOf) {
  const words = poolWords(key, nameOf)
  return /^(?:user|sponsor|nobody:user|nobody:sponsor)\b/.test(key) ? words : `${count} of ${words}`
}

/** Why nobody of a team may answer, and who can change that. */
function nobodyIn(team: TeamName, staff: Pick<Staff, 'teams'>): string {
  const found = staff.teams.get(team)
  if (found === undefined) return `nobody can answer: no team ${team} exists; an administrator names one with hp apply`
  return found.members.length === 0
    ? `nobody can answer: team ${team} has no members; an administrator names some with hp apply`
    : `nobody can answer: none of team ${team} may; an administrator adds people with hp apply`
}

/** The same for a team as a whole, whoever may ask; undefined when somebody in it may answer. */
export const whyNobodyIn = (team: TeamName, staff: Staff): string | undefined =>
  eligible({ pool: { kind: 'team', team } }, { requester: '' as PrincipalId }, staff).length > 0
    ? undefined
    : nobodyIn(team, staff)

/**
 * Why requirements can never be met by those who may answer them, in one sentence; undefined when they can. Who may
 * answer a request never widens, so whoever asked must ask again once it is mended.
 */
export function whyUnanswerable(
  requirements: readonly OpenRequirement[],
  staff: Pick<Staff, 'teams'>,
  nameOf: NameOf = (id) => id,
): string | undefined {
  const nobody = requirements.find((r) => r.eligible.length === 0)
  if (nobody !== undefined) {
    const { pool } = nobody
    if (pool.kind === 'nobody') return nobodyIn(pool.security, staff)
    if (pool.kind === 'team') return nobodyIn(pool.team, staff)
    return `nobody can answer: ${poolWords(nobody.key, nameOf)} may not`
  }
  const few = requirements.find((r) => r.eligible.length < r.count)
  if (few !== undefined)
    return `too few can answer: ${requirementWords(few, nameOf)} are needed, and only ${few.eligible.map(nameOf).join(', ')} may`
  const everybody = new Set(requirements.flatMap((r): readonly PrincipalId[] => r.eligible))
  return requirements.length > 0 && !seat(requirements, everybody).complete
    ? `too few can answer: ${[...everybody].map(nameOf).join(', ')} cannot fill every place`
    : undefined
}
