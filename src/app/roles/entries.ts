import type { PrincipalId } from '../../domain/ids.ts'
import type { Entry } from '../../domain/ledger/entry.ts'
import type { GrantRole } from '../ports/roles.ts'

/** What the record says of a role: `role.made`, `role.failed`, `role.gone`, `role.signed_in`, `role.given`. Never a password. */
export const roleEntry = (
  kind: string,
  role: Pick<GrantRole, 'name' | 'resource' | 'grant'>,
  body: Readonly<Record<string, unknown>> = {},
  actor?: PrincipalId,
): Entry => ({
  kind,
  // What follows a grant hears of its role.
  subject: role.grant === undefined ? `role/${role.name}` : `grant/${role.grant}`,
  ...(actor === undefined ? {} : { actor }),
  resource: role.resource,
  body: { grant: role.grant, role: role.name, ...body },
})
