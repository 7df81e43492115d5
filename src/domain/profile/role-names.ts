import type { GrantId, ResourceName } from '../ids.ts'

/**
 * What a role made for one grant can be given whole. Each is a role of the target's own that cannot sign in, made by
 * `hp connect setup`: whoever runs the target sees in it, and decides there, what a verb comes to.
 */
export const ROLE_GROUPS = ['connect', 'read', 'write', 'delete', 'exec', 'schema'] as const
export type RoleGroup = (typeof ROLE_GROUPS)[number]

/** `holdpoint_shop_db`: the account that Holdpoint signs in with. Within the 63 bytes of an identifier. */
export const standingRole = (resource: string): string => `holdpoint_${resource.replaceAll('-', '_')}`.slice(0, 63)

const beside = (resource: string, what: string): string =>
  `${standingRole(resource).slice(0, 62 - what.length)}_${what}`

/** `holdpoint_shop_db_write` */
export const groupRole = (resource: ResourceName, group: RoleGroup): string => beside(resource, group)
/** Holds the privileges on single tables that Holdpoint hands on. */
export const grantsRole = (resource: ResourceName): string => beside(resource, 'grants')
/** Owns what was made under a grant once that has ended. It can do nothing, and so can code that runs as its owner. */
export const heirRole = (resource: ResourceName): string => beside(resource, 'heir')

/**
 * `hp_g_12_3f9a1c`: the grant and the installation. Roles belong to the whole server, where another installation may
 * have a grant of the same number.
 */
export const grantRole = (installation: string, grant: GrantId): string =>
  `hp_${grant.toLowerCase().replace('-', '_')}_${installation.slice(0, 6)}`

/** The beginning of the comment by which a role is known as ours, whatever the store knows of it. */
export const roleTag = (installation: string, grant: string): string => `holdpoint ${installation} ${grant}`

/** Whose a role is by its comment; undefined where it says nothing of the kind. */
export function readRoleTag(
  comment: string | undefined,
): { readonly installation: string; readonly grant: GrantId } | undefined {
  const found = /^holdpoint ([0-9a-f]{16}) (G-[1-9][0-9]*)(?:[ :]|$)/.exec(comment ?? '')
  return found?.[1] === undefined || found[2] === undefined
    ? undefined
    : { installation: found[1], grant: found[2] as GrantId }
}
