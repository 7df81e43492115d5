import type { NamedVerb } from '../../domain/verb.ts'
import type { TargetAccount } from '../ports/target.ts'

/* The parts that the SQL of `hp connect setup` is made of. */

export const name = (text: string): string => `"${text.replaceAll('"', '""')}"`
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
/** In a comment: on one line, whatever it is. */
export const said = (value: string): string => value.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')

type Schema = TargetAccount['schemas'][number]

/** @param how behind every grant on tables and sequences: ` WITH GRANT OPTION`. */
export function inSchema(schema: Schema, to: string, can: ReadonlySet<NamedVerb>, how = ''): readonly string[] {
  const at = name(schema.name)
  const tables = [
    // Changing what one may not see needs no WHERE that reads: every verb on rows comes with reading them.
    ...((['read', 'export', 'write', 'delete'] as const).some((verb) => can.has(verb)) ? ['SELECT'] : []),
    ...(can.has('write') ? ['INSERT', 'UPDATE'] : []),
    ...(can.has('delete') ? ['DELETE', 'TRUNCATE'] : []),
  ].join(', ')
  const sequences = can.has('write') ? 'USAGE, SELECT, UPDATE' : 'SELECT'
  const later = (grant: string): readonly string[] =>
    schema.owners.map(
      (owner) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${name(owner.role)} IN SCHEMA ${at} GRANT ${grant} TO ${to}${how};`,
    )
  return [
    `-- in the schema ${said(schema.name)}`,
    `GRANT USAGE${can.has('schema') ? ', CREATE' : ''} ON SCHEMA ${at} TO ${to};`,
    ...(tables === ''
      ? []
      : [
          `GRANT ${tables} ON ALL TABLES IN SCHEMA ${at} TO ${to}${how};`,
          ...later(`${tables} ON TABLES`),
          `GRANT ${sequences} ON ALL SEQUENCES IN SCHEMA ${at} TO ${to}${how};`,
          ...later(`${sequences} ON SEQUENCES`),
        ]),
    ...(can.has('exec')
      ? [`GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${at} TO ${to};`, ...later('EXECUTE ON ROUTINES')]
      : []),
  ]
}

/** Only its owner may alter a table. Nobody becomes a superuser by this. */
export function membership(schemas: readonly Schema[], to: string): readonly string[] {
  const owners = new Map(schemas.flatMap((schema) => schema.owners.map((owner) => [owner.role, owner.superuser])))
  return [
    '-- schema: what exists is altered by its owners alone, so the role becomes a member of them',
    ...[...owners].map(([owner, superuser]) =>
      superuser
        ? `-- not of ${said(owner)}, which is a superuser: give its tables to a role of their own first (REASSIGN OWNED)`
        : `GRANT ${name(owner)} TO ${to};`,
    ),
  ]
}
