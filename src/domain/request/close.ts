import { accept, reject } from '../transition.ts'
import type { Transition } from '../transition.ts'
import type { Instant } from '../time.ts'
import type { AccessRequest } from './request.ts'

type Closed = Transition<AccessRequest, 'not_pending'>

/** The asking side gives up: the requester, the owner of the resource, or the client that went away. */
export function withdraw(request: AccessRequest, why: string, now: Instant): Closed {
  if (request.state !== 'pending') return reject('not_pending')
  const { state: _, ...common } = request
  return accept({ ...common, state: 'withdrawn', why, at: now })
}

/** Nobody decided in time. Refused as `not_pending` while time is left, too: expiry never comes early. */
export function expire(request: AccessRequest, now: Instant): Closed {
  if (request.state !== 'pending' || now < request.expiresAt) return reject('not_pending')
  const { state: _, ...common } = request
  return accept({ ...common, state: 'expired', at: now })
}

/** A new decision differs from the one that was shown (I8). The only way out of `approved`, and only before use. */
export function voidRequest(request: AccessRequest, why: string, now: Instant): Closed {
  if (request.state !== 'pending' && request.state !== 'approved') return reject('not_pending')
  // What an approval made is in the grant; the request keeps its reviews and says why they no longer count.
  const { state: _, ...common } = request
  return accept({ ...withoutGrant(common), state: 'voided', why, at: now })
}

function withoutGrant<T extends object>(common: T): Omit<T, 'grant'> {
  const { grant: _, ...rest } = common as T & { grant?: unknown }
  return rest
}
