import type { GrantId, SessionId } from '../../domain/ids.ts'
import type { GatewayApp } from '../ports/gateway.ts'
import { done, refuse } from '../result.ts'
import { roleEntry } from '../roles/entries.ts'
import { randomPassword } from '../roles/random-password.ts'
import type { GatewayDeps } from './deps.ts'
import { openTargetOf } from './open-target.ts'

/** A sign-in that a server does not take is tried again another way, while the first is still on its way out. */
const SIGN_INS = 2

/**
 * Let this session sign in to the target as the role of its grant, once. The password is made for this sign-in, is kept
 * by nobody, and stops working with `shut`. Dies before that: nobody knows it, and the role goes with its grant.
 */
export const signInAs =
  (deps: GatewayDeps): GatewayApp['signInAs'] =>
  async (session, grant) => {
    const role = await deps.store.roles.roleOf(grant)
    if (role?.state !== 'made') return refuse('target_unreachable', 'the role of its grant is not there')
    const target = await openTargetOf(deps, role.target)
    if (!target.ok) return target
    const noted = await deps.store.transaction(async (tx) => {
      await tx.requests.lockSession(session)
      if (!(await tx.roles.noteSignIn(role.number, session))) return false
      await tx.record.append(roleEntry('role.signed_in', role, { session }))
      return true
    })
    if (!noted) return refuse('target_unreachable', 'the role of its grant is used already')
    const password = randomPassword()
    await deps.roles.open(target.value, role.name, password, SIGN_INS)
    return done({
      target: { ...target.value, user: role.name, password },
      control: { ...target.value, actAs: role.name },
      shut: () => deps.roles.shut(target.value, role.name),
    })
  }

/** A session that signed in as one role may assume another. Every other session signs in with the account that makes them, and may. */
export async function lendTo(
  deps: Pick<GatewayDeps, 'store' | 'roles' | 'readCredential'>,
  session: SessionId,
  role: string | undefined,
): Promise<void> {
  const own = role === undefined ? undefined : await deps.store.roles.signedInAs(session)
  if (own === undefined || role === undefined || own.name === role) return
  const target = await openTargetOf(deps, own.target)
  if (!target.ok) throw new Error(`${role} cannot be lent: ${target.detail ?? target.refusal}`)
  await deps.roles.lend(target.value, role, own.name)
}

/** What becomes of the role of a grant that was just approved: `wait` while it is made. */
export async function roleReady(deps: Pick<GatewayDeps, 'store'>, grant: GrantId): Promise<'ready' | 'wait'> {
  return (await deps.store.requests.findGrant(grant))?.state === 'provisioning' ? 'wait' : 'ready'
}
