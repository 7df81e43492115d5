import { activate } from '../../domain/grant/move.ts'
import { grantsRole, groupRole, heirRole, roleTag } from '../../domain/profile/role-names.ts'
import { instant } from '../../domain/time.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import type { GrantRole } from '../ports/roles.ts'
import type { RoleMade, RoleSpec } from '../ports/target-roles.ts'
import { grantMoved } from '../requests/entries.ts'
import { voidUnused } from '../requests/steps.ts'
import type { RoleDeps } from './deps.ts'
import { roleEntry } from './entries.ts'
import { installationTag } from './plan-role.ts'

/*
 * Making: a grant is `provisioning` until its role stands on the target, and nothing runs under it before.
 *
 *   the approval            grant `provisioning`, role `wanted`, one transaction
 *   claimed                 by one process, once. Dies here: nobody claims it again, and it is given up after ABANDONED_MS
 *   made on the target      one transaction there: whole or not at all. Dies here: the same, and the removal finds it
 *   recorded                role `made`, grant `active`
 *
 * What cannot be made, or was given up, voids the approval; the removal looks for the role in either case.
 */

/** Longer than any making takes: its connection is given up before. */
const ABANDONED_MS = 15_000
const BATCH = 50

export interface MakingRoles {
  pass(): Promise<void>
  idle(): Promise<void>
}

export function createMakingRoles(deps: RoleDeps): MakingRoles {
  const { store, clock, onFault } = deps
  const busy = new Set<Promise<void>>()
  const spawn = (what: string, work: () => Promise<void>): void => {
    const running = work()
      .catch((error: unknown) => onFault(what, error))
      .finally(() => busy.delete(running))
    busy.add(running)
  }
  return {
    async pass() {
      for (const role of await store.roles.claimRoles(clock.now(), BATCH))
        spawn(`making ${role.name}`, () => makeOne(deps, role))
      for (const role of await store.roles.abandonedRoles(instant(clock.now() - ABANDONED_MS), BATCH))
        await giveUp(deps, role, 'whoever was making its role died')
      for (const role of await store.roles.rolesToProlong(BATCH))
        spawn(`prolonging ${role.name}`, () => prolong(deps, role))
    },
    async idle() {
      while (busy.size > 0) await Promise.all(busy)
    },
  }
}

async function makeOne(deps: RoleDeps, role: GrantRole): Promise<void> {
  const { store, clock } = deps
  if (role.grant === undefined) return
  if (role.why !== undefined) return giveUp(deps, role, role.why)
  let made: RoleMade
  try {
    // INVARIANT (I4): the approval is in the ledger before anything of it is on the target.
    await deps.ledger?.coveredAbout([{ subject: `grant/${role.grant}`, version: 'provisioning' }])
    const target = await openTargetOf(deps, role.target)
    if (!target.ok) return await giveUp(deps, role, target.detail ?? 'the password of the target cannot be had')
    made = await deps.roles.make(target.value, await specOf(deps, role))
  } catch (error) {
    deps.onFault(`making ${role.name}`, error)
    // Whether it is there is not known: the removal looks for it.
    return giveUp(deps, role, 'the target could not be asked (failure)')
  }
  if (!made.ok) return giveUp(deps, role, made.why)
  const late = await store.transaction(async (tx) => {
    const grant = role.grant === undefined ? undefined : await tx.requests.lockGrant(role.grant)
    const now = await tx.roles.lockRole(role.number)
    if (grant === undefined || now === undefined || now.state === 'gone') return true
    const active = activate(grant)
    // Ended meanwhile: the removal has it on its list.
    if (!active.ok || now.state !== 'wanted' || clock.now() >= grant.expiresAt) return false
    await tx.roles.roleMade(role.number)
    await tx.record.append(roleEntry('role.made', role, { needs: role.needs, until: role.until }))
    await tx.requests.moveGrant(active.value)
    await tx.record.append(grantMoved(active.value, undefined))
    return false
  })
  // It was looked for and not found before it was made. Dies here: the next inventory finds it.
  if (late) await removeLate(deps, role)
}

async function specOf(deps: RoleDeps, role: GrantRole): Promise<RoleSpec> {
  const tag = roleTag(await installationTag(deps.store), role.grant ?? '')
  return {
    name: role.name,
    comment: `${tag}: made for this grant alone until ${new Date(role.until).toISOString()}, and dropped with it`,
    until: role.until,
    groups: role.needs.groups.map((group) => groupRole(role.resource, group)),
    tables: role.needs.tables,
    grants: grantsRole(role.resource),
    heir: heirRole(role.resource),
  }
}

/** The approval is void, and the grant ends with it. Nothing ran. */
async function giveUp({ store }: RoleDeps, role: GrantRole, why: string): Promise<void> {
  await store.transaction(async (tx) => {
    const grant = role.grant === undefined ? undefined : await tx.requests.findGrant(role.grant)
    const request = grant && (await tx.requests.lockRequest(grant.request))
    if (grant === undefined || request === undefined) return
    const now = await tx.requests.lockGrant(grant.id)
    if (now?.state !== 'provisioning') return
    await tx.roles.roleFailed(role.number, why)
    await tx.record.append(roleEntry('role.failed', role, { why }))
    await voidUnused(tx, request, `its role on the target could not be made: ${why}`)
  })
}

async function removeLate(deps: RoleDeps, role: GrantRole): Promise<void> {
  const target = await openTargetOf(deps, role.target)
  if (!target.ok) return
  const tag = roleTag(await installationTag(deps.store), role.grant ?? '')
  await deps.roles.remove(target.value, { name: role.name, tag, heir: heirRole(role.resource) }, 5_000)
}

/** The end of its grant has moved. */
async function prolong(
  deps: RoleDeps,
  role: Awaited<ReturnType<RoleDeps['store']['roles']['rolesToProlong']>>[number],
): Promise<void> {
  const target = await openTargetOf(deps, role.target)
  if (!target.ok) return
  await deps.roles.prolong(target.value, role.name, role.grantUntil)
  await deps.store.transaction((tx) => tx.roles.prolongRole(role.number, role.grantUntil))
}
