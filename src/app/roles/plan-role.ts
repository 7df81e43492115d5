import { roleNeeds } from '../../domain/grant/role-needs.ts'
import type { RoleNeeds } from '../../domain/grant/role-needs.ts'
import { grantRole } from '../../domain/profile/role-names.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Tx } from '../ports/store.ts'
import { whyNoRole } from './why-no-role.ts'

export interface PlannedRole {
  readonly name: string
  readonly needs: RoleNeeds
  /** Why there can be none. */
  readonly why?: string
}

/** Names this installation on its targets, for as long as its store lives: 16 hexadecimal digits. */
export const installationTag = async (tx: Pick<Tx, 'people'>): Promise<string> =>
  (await tx.people.installationKey('roles on targets')).subarray(0, 8).toString('hex')

/** The role that this approval's grant is used through; undefined where that is the standing account. */
export async function planRole(
  tx: Pick<Tx, 'people'>,
  request: Extract<AccessRequest, { state: 'approved' }>,
  profile: Profile | undefined,
): Promise<PlannedRole | undefined> {
  if (profile?.access !== 'ephemeral' || request.subject.kind === 'change') return undefined
  const name = grantRole(await installationTag(tx), request.grant)
  const needs = roleNeeds(request)
  return needs.ok
    ? { name, needs: needs.value }
    : { name, needs: { groups: [], tables: [], signsIn: false }, why: whyNoRole(request.verbs) }
}
