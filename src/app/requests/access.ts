import type { ResourceName } from '../../domain/ids.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { ReviewAfterwards } from '../../domain/request/divergence.ts'
import { askedOf } from '../../domain/request/eligibility.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Caller, TokenScope } from '../app.ts'
import type { Sight } from '../ports/requests.ts'
import { refuse } from '../result.ts'

/** Undefined when the caller's token is good for this; a person who signed in has `all`. */
export const outOfScope = (caller: Caller, ...any: readonly TokenScope[]) =>
  caller.scopes.includes('all') || any.some((scope) => caller.scopes.includes(scope))
    ? undefined
    : refuse('scope_too_narrow', `this needs the scope ${any.join(' or ')}`)

/** The resources whose owner layers the caller stands in. Agents and services own nothing. */
export function ownedBy(caller: Caller, snapshot: Snapshot | undefined): readonly ResourceName[] {
  if (snapshot === undefined || caller.principal.kind !== 'user') return []
  const mine = new Set(
    [...snapshot.teams.values()].filter((t) => t.members.includes(caller.principal.id)).map((t) => t.name),
  )
  return [...snapshot.resources.values()].filter((r) => r.owners.some((o) => mine.has(o.team))).map((r) => r.name)
}

/** How the caller stands to one request: the columns of the access table. */
export interface Standing {
  readonly requester: boolean
  /** The user whom the requesting agent acts for. */
  readonly sponsor: boolean
  /** Among those who were asked when it was opened. */
  readonly asked: boolean
  readonly owner: boolean
  readonly admin: boolean
  readonly auditor: boolean
}

export function standing(caller: Caller, request: AccessRequest, owned: readonly ResourceName[]): Standing {
  const { id, roles, kind } = caller.principal
  return {
    requester: request.requester === id,
    sponsor: request.sponsor === id,
    asked: kind === 'user' && askedOf(request).includes(id),
    owner: owned.includes(request.resource),
    admin: roles.includes('admin'),
    auditor: roles.includes('auditor'),
  }
}

/** What of a request the caller may read. */
export function sees(s: Standing): 'all' | 'metadata' | 'nothing' {
  if (s.requester || s.sponsor || s.asked || s.owner || s.auditor) return 'all'
  return s.admin ? 'metadata' : 'nothing'
}

export const mayWithdraw = (s: Standing): boolean => s.requester || s.sponsor || s.owner
export const mayRevoke = (s: Standing): boolean => s.requester || s.sponsor || s.asked || s.owner || s.admin

/** Whether they were asked to look afterwards; never at their own. */
export const mayAcknowledge = (caller: Caller, request: AccessRequest, owed: ReviewAfterwards | undefined): boolean =>
  caller.principal.kind === 'user' &&
  request.requester !== caller.principal.id &&
  owed?.asked.includes(caller.principal.id) === true

/** Which requests a list may show the caller at all. */
export const sightOf = (caller: Caller, owned: readonly ResourceName[]): Sight =>
  caller.principal.roles.length > 0 ? { kind: 'all' } : { kind: 'part', of: caller.principal.id, owned }
