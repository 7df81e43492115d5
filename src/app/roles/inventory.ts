import type { GrantId, ResourceName } from '../../domain/ids.ts'
import {
  grantRole,
  grantsRole,
  groupRole,
  heirRole,
  readRoleTag,
  ROLE_GROUPS,
  roleTag,
} from '../../domain/profile/role-names.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import type { OpenTarget } from '../ports/target.ts'
import type { SessionTarget } from '../ports/requests.ts'
import type { FoundRole } from '../ports/target-roles.ts'
import type { RoleDeps } from './deps.ts'
import { roleEntry } from './entries.ts'
import { installationTag } from './plan-role.ts'

/*
 * What the targets really have, against what the grants say (J16). A role that carries our tag and has no live grant is
 * removed, whatever the store knows of it: it was made just before a crash, or before a backup was restored. Everything
 * else that looks like a role of some Holdpoint, or is a member of what only grants should have, is shown to people and
 * left alone.
 */

/** One look at each target so often, by whichever process comes first: what is ours is gone within a minute. */
const EVERY_MS = 30_000
const REMOVE_WITHIN_MS = 5_000
/** Targets looked at at once. */
const MOST = 8

export interface InventoryDeps extends RoleDeps {
  readonly policy: () => Snapshot | undefined
  readonly say: (message: string) => void
}

export interface Inventories {
  /** Looks at what is due, in the background. */
  pass(): Promise<void>
  idle(): Promise<void>
}

export function createInventories(deps: InventoryDeps, everyMs = EVERY_MS): Inventories {
  const { store, clock, onFault } = deps
  const busy = new Map<ResourceName, Promise<void>>()
  return {
    async pass() {
      const targets = new Map<ResourceName, SessionTarget[]>()
      for (const { resource, target } of await store.roles.targetsWithRoles())
        targets.set(resource, [...(targets.get(resource) ?? []), target])
      for (const profile of deps.policy()?.resources.values() ?? [])
        if (profile.access === 'ephemeral') {
          const { target, credential } = profile
          const here = { target, ...(credential === undefined ? {} : { credential }) }
          const others = (targets.get(profile.name) ?? []).filter(
            (one) => JSON.stringify(one.target) !== JSON.stringify(target),
          )
          targets.set(profile.name, [here, ...others])
        }
      for (const [resource, all] of targets) {
        if (busy.has(resource) || busy.size >= MOST) continue
        if (!(await store.roles.beginInventory(resource, clock.now(), everyMs))) continue
        const looking = look(deps, resource, all)
          .catch((error: unknown) => onFault(`the inventory of ${resource}`, error))
          .finally(() => busy.delete(resource))
        busy.set(resource, looking)
      }
    },
    async idle() {
      while (busy.size > 0) await Promise.all(busy.values())
    },
  }
}

async function look(deps: InventoryDeps, resource: ResourceName, targets: readonly SessionTarget[]): Promise<void> {
  const { store, clock } = deps
  const ours = await installationTag(store)
  const foreign: FoundRole[] = []
  try {
    for (const of of targets) {
      const target = await openTargetOf(deps, of)
      if (!target.ok) throw new Error(target.detail ?? 'the password of the target cannot be had')
      for (const found of await inventoryOf(deps, target.value, resource)) {
        const grant = ownGrant(ours, found)
        if (grant === undefined) foreign.push(found)
        else await settle(deps, target.value, { resource, grant, name: found.name })
      }
    }
  } catch (error) {
    const why = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 200) : 'it failed'
    await store.transaction((tx) => tx.roles.endInventory(resource, tx.now, why))
    return
  }
  const known = new Set((await store.roles.rolesThere(resource)).map((role) => role.name))
  const left = foreign.filter((one) => !known.has(one.name))
  await store.transaction(async (tx) => {
    for (const name of await tx.roles.noteLeftovers(resource, left, clock.now())) {
      deps.say(`${resource}: the role ${name} is on its target, and no grant stands for it: hp leftovers`)
      await tx.record.append(roleEntry('leftover.found', { name, resource }))
    }
    await tx.roles.endInventory(resource, tx.now)
  })
}

const inventoryOf = (
  { roles }: Pick<InventoryDeps, 'roles'>,
  target: OpenTarget,
  resource: ResourceName,
): Promise<readonly FoundRole[]> =>
  roles.inventory(
    target,
    ROLE_GROUPS.map((group) => groupRole(resource, group)),
    [grantsRole(resource), heirRole(resource), target.user],
  )

/** Its tag and its name both say that it is ours: one alone may be somebody's wish to have it removed. */
function ownGrant(ours: string, found: FoundRole): GrantId | undefined {
  const tag = readRoleTag(found.comment)
  return tag?.installation === ours && found.name === grantRole(ours, tag.grant) ? tag.grant : undefined
}

/** Ours: it stays while its grant lives, and while somebody removes it already. */
async function settle(
  deps: InventoryDeps,
  target: OpenTarget,
  of: { readonly resource: ResourceName; readonly grant: GrantId; readonly name: string },
): Promise<void> {
  const { store } = deps
  const grant = await store.requests.findGrant(of.grant)
  if (grant !== undefined && grant.role === of.name && grant.state !== 'ended') return
  const tag = roleTag(await installationTag(store), of.grant)
  const resource = grant?.resource ?? of.resource
  const removed = await deps.roles.remove(target, { name: of.name, tag, heir: heirRole(resource) }, REMOVE_WITHIN_MS)
  if (removed.kind === 'left') throw new Error(`${of.name} could not be removed: ${removed.backends} sessions`)
  deps.say(`${resource}: the role ${of.name} had no live grant, and was removed`)
  await store.transaction((tx) =>
    tx.record.append(
      roleEntry(
        'leftover.removed',
        { ...of, resource },
        removed.kind === 'gone' ? { handedOver: removed.handedOver } : {},
      ),
    ),
  )
}
