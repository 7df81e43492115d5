import { heirRole } from '../../domain/profile/role-names.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { after, millis } from '../../domain/time.ts'
import type { App, Caller } from '../app.ts'
import { openTargetOf } from '../gateway/open-target.ts'
import type { Leftover } from '../ports/roles.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import type { RoleDeps } from './deps.ts'
import { roleEntry } from './entries.ts'

export interface LeftoverDeps extends Omit<RoleDeps, 'ledger'> {
  readonly policy: () => Snapshot | undefined
}

const LONGEST_REASON = 500
const LONGEST_MS = 90 * 24 * 3_600_000
const REMOVE_WITHIN_MS = 10_000

/** Roles on targets that no grant stands for: shown, and never touched before somebody says so. */
export function createLeftoverUseCases(
  deps: LeftoverDeps,
): Pick<App, 'listLeftovers' | 'revokeLeftover' | 'adoptLeftover' | 'ignoreLeftover'> {
  const { store, clock } = deps
  const found = async (
    caller: Caller,
    resource: string,
    name: string,
    reason: string,
  ): Promise<Result<{ readonly leftover: Leftover; readonly profile: Profile }>> => {
    if (!mayManage(caller)) return notPermitted()
    if (reason.trim() === '' || reason.length > LONGEST_REASON)
      return refuse('invalid_input', `a reason of 1 to ${LONGEST_REASON} characters is needed`)
    const snapshot = deps.policy()
    if (snapshot === undefined) return refuse('policy_unavailable')
    const profile = [...snapshot.resources.values()].find((one) => one.name === resource)
    const leftover = (await store.roles.leftovers()).find((one) => one.resource === resource && one.found.name === name)
    return profile === undefined || leftover === undefined ? refuse('not_found') : done({ leftover, profile })
  }
  const noted = (caller: Caller, { resource, found: { name } }: Leftover, what: string, body: object) =>
    roleEntry(`leftover.${what}`, { name, resource }, { ...body }, caller.principal.id)

  return {
    async listLeftovers(caller) {
      if (!mayManage(caller)) return notPermitted()
      const [leftovers, inventories, removing] = await Promise.all([
        store.roles.leftovers(),
        store.roles.inventories(),
        store.roles.rolesToRemove(clock.now(), 1_000),
      ])
      return done({ leftovers, inventories, removing })
    },
    async revokeLeftover(caller, resource, name, { reason }) {
      const of = await found(caller, resource, name, reason)
      if (!of.ok) return of
      const { leftover, profile } = of.value
      const target = await openTargetOf(deps, profile)
      if (!target.ok) return target
      // The decision first: a crash behind it leaves a leftover, which the next inventory shows again.
      await store.transaction((tx) => tx.record.append(noted(caller, leftover, 'revoked', { reason })))
      try {
        if (looksMade(leftover)) {
          const role = { name, tag: undefined, heir: heirRole(profile.name) }
          const removed = await deps.roles.remove(target.value, role, REMOVE_WITHIN_MS)
          if (removed.kind !== 'gone') return refuse('target_unreachable', `${name} is still there`)
        } else await deps.roles.expel(target.value, name, leftover.found.groups)
      } catch (error) {
        // What PostgreSQL says of its own roles holds no secret: no SQL of ours has one in it.
        const why = error instanceof Error ? error.message.slice(0, 300) : 'it failed'
        return refuse('target_unreachable', `the target refuses: ${why}`)
      }
      await store.transaction((tx) => tx.roles.forgetLeftover(profile.name, name))
      return done(undefined)
    },
    async adoptLeftover(caller, resource, name, { reason, length }) {
      if (!Number.isSafeInteger(length) || length < 1_000 || length > LONGEST_MS)
        return refuse('invalid_input', 'the time is one second to 90 days')
      const of = await found(caller, resource, name, reason)
      if (!of.ok) return of
      const { leftover, profile } = of.value
      if (!looksMade(leftover))
        return refuse('invalid_input', `${name} is somebody's own role: revoke what it was given, or ignore it`)
      const { target, credential } = profile
      return store.transaction(async (tx) => {
        if ((await tx.roles.lockLeftover(resource, name)) === undefined) return refuse('not_found')
        const until = after(tx.now, millis(length))
        const role = {
          name,
          resource: profile.name,
          target: { target, ...(credential === undefined ? {} : { credential }) },
          needs: { groups: [], tables: [], signsIn: false },
          until,
        }
        await tx.roles.adoptRole(role, caller.principal.id, reason)
        await tx.roles.forgetLeftover(profile.name, name)
        await tx.record.append(noted(caller, leftover, 'adopted', { reason, until }))
        return done(undefined)
      })
    },
    async ignoreLeftover(caller, resource, name, { reason }) {
      const of = await found(caller, resource, name, reason)
      if (!of.ok) return of
      const { leftover } = of.value
      await store.transaction(async (tx) => {
        await tx.roles.ignoreLeftover(leftover.resource, name, caller.principal.id, reason)
        await tx.record.append(noted(caller, leftover, 'ignored', { reason }))
      })
      return done(undefined)
    },
  }
}

/** Of some Holdpoint, by its name or its comment: its end is the role's. Of any other role only what it was given. */
const looksMade = ({ found }: Leftover): boolean =>
  found.name.startsWith('hp_') || found.comment?.startsWith('holdpoint ') === true

const mayManage = (caller: Caller): boolean => caller.principal.roles.includes('admin') && caller.scopes.includes('all')
const notPermitted = () => refuse('not_permitted', 'leftovers are handled by administrators')
