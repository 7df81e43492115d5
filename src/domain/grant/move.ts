import { accept, reject } from '../transition.ts'
import type { Transition } from '../transition.ts'
import { after } from '../time.ts'
import type { Instant, Millis } from '../time.ts'
import type { EndReason, Grant } from './grant.ts'

type Moved = Transition<Grant, 'not_active'>

/** The access stands. */
export function activate(grant: Grant): Moved {
  if (grant.state !== 'provisioning') return reject('not_active')
  return accept({ ...grant, state: 'active' })
}

/** Authority ends now; what hangs on it is cut until the target confirms. `expired` never comes early. */
export function end(grant: Grant, why: EndReason, now: Instant): Moved {
  if (grant.state !== 'provisioning' && grant.state !== 'active') return reject('not_active')
  if (why === 'expired' && now < grant.expiresAt) return reject('not_active')
  return accept({ ...grant, state: 'ending', why, since: now })
}

/** The target has confirmed that nothing of it is left. */
export function confirmEnded(grant: Grant, now: Instant): Moved {
  if (grant.state !== 'ending') return reject('not_active')
  const { since: _, ...rest } = grant
  return accept({ ...rest, state: 'ended', at: now })
}

/**
 * More time for a live grant: `by` beyond its end, and never further than `atMost` from now, which is what policy
 * would give a new one. Never shortens, never revives.
 */
export function extend(grant: Grant, by: Millis, atMost: Millis, now: Instant): Moved {
  if (grant.state !== 'active' || now >= grant.expiresAt) return reject('not_active')
  const until = Math.min(after(grant.expiresAt, by), after(now, atMost))
  return accept({ ...grant, expiresAt: Math.max(until, grant.expiresAt) as Instant })
}
