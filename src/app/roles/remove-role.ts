import { heirRole, roleTag } from '../../domain/profile/role-names.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import type { GrantRole } from '../ports/roles.ts'
import type { RoleDeps } from './deps.ts'
import { roleEntry } from './entries.ts'
import { installationTag } from './plan-role.ts'

/** How long one attempt ends sessions and looks for more. */
const WITHIN_MS = 5_000

/** Somebody should read why: the role is there, and it cannot be removed now. */
export class NotRemoved extends Error {}

/**
 * Remove a role from its target and see it gone; then, and only then, the store is told. May be repeated: a crash
 * anywhere leaves a role that is on the list still.
 * @throws NotRemoved, or the fault of a target that cannot be asked.
 */
export async function removeRoleOf(deps: RoleDeps, role: GrantRole): Promise<void> {
  if (role.state === 'gone') return
  const target = await openTargetOf(deps, role.target)
  if (!target.ok)
    throw new NotRemoved(`the target of ${role.name} cannot be opened: ${target.detail ?? target.refusal}`)
  // An adopted one has the tag of somebody else, or none.
  const tag = role.grant === undefined ? undefined : roleTag(await installationTag(deps.store), role.grant)
  const removed = await deps.roles.remove(
    target.value,
    { name: role.name, tag, heir: heirRole(role.resource) },
    WITHIN_MS,
  )
  if (removed.kind === 'left')
    throw new NotRemoved(`${role.name} is still on the target, with ${removed.backends} sessions`)
  await deps.store.transaction(async (tx) => {
    const now = await tx.roles.lockRole(role.number)
    if (now === undefined || now.state === 'gone') return
    await tx.roles.roleGone(role.number, tx.now)
    await tx.record.append(
      roleEntry('role.gone', role, removed.kind === 'gone' ? { handedOver: removed.handedOver } : { foreign: true }),
    )
  })
}
