import type { TargetRoles } from '../../src/app/ports/target-roles.ts'

/** Where no resource says `access: ephemeral`: whoever makes a role is in the wrong place. */
export const noRoles: TargetRoles = {
  make: () => refused(),
  lend: () => refused(),
  open: () => refused(),
  shut: () => refused(),
  prolong: () => refused(),
  remove: () => refused(),
  inventory: () => refused(),
  expel: () => refused(),
  close: async () => undefined,
}

const refused = (): Promise<never> => Promise.reject(new Error('no roles are made here'))
