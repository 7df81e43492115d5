import type { RoleGroup } from '../profile/role-names.ts'
import type { AccessRequest } from '../request/request.ts'
import { accept, reject } from '../transition.ts'
import type { Transition } from '../transition.ts'
import type { Verb } from '../verb.ts'

/** A privilege on single tables. `delete` is DELETE and TRUNCATE; each comes with reading them. */
export const TABLE_VERBS = ['read', 'write', 'delete'] as const
export type TableVerb = (typeof TABLE_VERBS)[number]

/** What the role of a grant must be able to do. */
export interface RoleNeeds {
  readonly groups: readonly RoleGroup[]
  readonly tables: readonly { readonly verb: TableVerb; readonly names: readonly string[] }[]
  /** A session signs in as it; any other is only assumed while a statement runs. */
  readonly signsIn: boolean
}

const GROUPS: Readonly<Partial<Record<Verb, readonly RoleGroup[]>>> = {
  connect: ['connect'],
  read: ['connect', 'read'],
  export: ['connect', 'read'],
  write: ['connect', 'read', 'write'],
  delete: ['connect', 'read', 'delete'],
  exec: ['connect', 'exec'],
  schema: ['connect', 'schema'],
}
const ON_TABLES: Readonly<Partial<Record<Verb, TableVerb>>> = {
  read: 'read',
  export: 'read',
  write: 'write',
  delete: 'delete',
}

/**
 * What an approval of this request comes to on the target. One statement gets its own tables; whatever may run more
 * than the one statement gets its verbs. `no_role`: a verb that no role made for a grant is ever given.
 */
export function roleNeeds(
  request: Pick<AccessRequest, 'subject' | 'verbs' | 'scope'>,
): Transition<RoleNeeds, 'no_role'> {
  const { subject } = request
  if (request.verbs.some((verb) => GROUPS[verb] === undefined)) return reject('no_role')
  // Reads and what else passes without a review go on in a session that was approved.
  if (subject.kind === 'connect') return accept({ groups: ['connect', 'read'], tables: [], signsIn: true })
  if (subject.kind !== 'statement' || request.scope !== 'once')
    return accept({ groups: groupsOf(request.verbs), tables: [], signsIn: false })
  const tables = subject.actions.flatMap(({ verb, facts }) => {
    const on = ON_TABLES[verb]
    const names = facts.sql?.tables ?? []
    return on === undefined || names.length === 0 ? [] : [{ verb: on, names }]
  })
  const whole = request.verbs.filter((verb) => ON_TABLES[verb] === undefined)
  return accept({ groups: groupsOf(['connect', ...whole]), tables, signsIn: false })
}

const groupsOf = (verbs: readonly Verb[]): readonly RoleGroup[] => [
  ...new Set<RoleGroup>(['connect', ...verbs.flatMap((verb) => GROUPS[verb] ?? [])]),
]
