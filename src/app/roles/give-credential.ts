import type { App } from '../app.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import { outOfScope } from '../requests/access.ts'
import type { RequestDeps } from '../requests/deps.ts'
import { findGrant } from '../requests/find.ts'
import { done, refuse } from '../result.ts'
import type { RoleDeps } from './deps.ts'
import { roleEntry } from './entries.ts'
import { randomPassword } from './random-password.ts'

/** Sessions at once. */
const SESSIONS = 3

/**
 * The credential of a window that was approved with one: to who asked for it, once. Nobody keeps the password: it is in
 * this answer and, as a verifier, on the target. A crash behind the record and before the answer has given it to nobody;
 * the window is asked for again.
 */
export const giveCredential =
  (deps: Omit<RoleDeps, 'ledger'> & RequestDeps): App['giveCredential'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'request')
    if (narrow !== undefined) return narrow
    const taken = await deps.store.transaction(async (tx) => {
      const found = await findGrant(deps, tx, caller, id)
      if (found === undefined) return refuse('not_found')
      if (!found.where.requester) return refuse('not_permitted', 'only who asked for it is given the credential')
      // An agent uses its grants through the gateway alone.
      if (caller.principal.kind === 'agent') return refuse('not_permitted', 'an agent is given no credential')
      const { subject } = found.request
      if (subject.kind !== 'window' || subject.credential !== true)
        return refuse('not_permitted', 'it was not approved with a credential')
      const grant = found.grant && (await tx.requests.lockGrant(found.grant.id))
      const role = grant && (await tx.roles.roleOf(grant.id))
      if (grant?.state !== 'active' || tx.now >= grant.expiresAt || role?.state !== 'made') return refuse('not_active')
      if (!(await tx.roles.noteGiven(role.number, tx.now)))
        return refuse('already_exists', 'the credential was given already; ask again for another')
      await tx.record.append(roleEntry('role.given', role, { principal: caller.principal.id }, caller.principal.id))
      return done({ role, until: grant.expiresAt })
    })
    if (!taken.ok) return taken
    const { role, until } = taken.value
    const target = await openTargetOf(deps, role.target)
    if (!target.ok) return target
    const password = randomPassword()
    try {
      await deps.roles.open(target.value, role.name, password, SESSIONS)
    } catch (error) {
      deps.onFault(`giving the credential of ${role.name}`, error)
      return refuse('target_unreachable', 'the target could not be asked; ask again for another window')
    }
    const { host, port, database, sslmode } = role.target.target
    return done({ user: role.name, password, host, port, database, sslmode, until })
  }
