import type { Profile } from '../../domain/profile/profile.ts'
import { NAMED_VERBS } from '../../domain/verb.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { TargetAccount } from '../ports/target.ts'

/** Verbs that a role can be given something for. `admin` is left to people's own accounts. */
const GRANTABLE = ['connect', 'read', 'write', 'delete', 'export', 'exec', 'schema'] as const

/** What the owners of the profile decide about; reading, writing and deleting where they say nothing. */
export function expectedVerbs(profile: Profile): readonly NamedVerb[] {
  const decided = new Set(profile.owners.flatMap((owner) => owner.decides))
  const verbs = decided.size === 0 ? new Set<NamedVerb>(['write', 'delete']) : decided
  return NAMED_VERBS.filter((verb) => verb === 'connect' || verb === 'read' || verbs.has(verb))
}

/** `holdpoint_shop_db`: within the 63 bytes of an identifier. */
export const setupRole = (profile: Profile): string => `holdpoint_${profile.name.replaceAll('-', '_')}`.slice(0, 63)

const name = (text: string): string => `"${text.replaceAll('"', '""')}"`
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
/** In a comment: on one line, whatever it is. */
const said = (value: string): string => value.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')

/**
 * SQL that makes a role for Holdpoint with just what these verbs need, for psql and an administrator of the target. It
 * may be run again. Pure; never holds a password.
 * @param account what is known of the target; undefined when it could not be asked: then the schema `public` is meant.
 */
export function setupSql(profile: Profile, account: TargetAccount | undefined, verbs: readonly NamedVerb[]): string {
  const { target } = profile
  const role = setupRole(profile)
  const to = name(role)
  const can = new Set<NamedVerb>(verbs)
  const given = GRANTABLE.filter((verb) => can.has(verb))
  const schemas = account?.schemas ?? [{ name: 'public', owners: [] }]
  const lines = [
    `-- A role for Holdpoint on ${said(profile.name)}, for: ${given.join(', ')}.`,
    `-- Read it, then run it in psql, in the database ${said(target.database)}, as a superuser or as the owner of what is granted.`,
    '-- It may be run again.',
    ...(account === undefined
      ? ['-- The target could not be asked what schemas it has: this grants what is in public.']
      : []),
    '\\set ON_ERROR_STOP on',
    'BEGIN;',
    // psql runs each row of the answer: CREATE ROLE has no IF NOT EXISTS.
    `SELECT 'CREATE ROLE ' || pg_catalog.quote_ident(${text(role)})`,
    `  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${text(role)}) \\gexec`,
    `ALTER ROLE ${to} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;`,
    '',
    '-- connect',
    `GRANT CONNECT ON DATABASE ${name(target.database)} TO ${to};`,
    ...schemas.flatMap((schema) => ['', ...inSchema(schema, to, can)]),
    ...(can.has('schema') ? ['', ...membership(schemas, to)] : []),
    '',
    'COMMIT;',
    '',
    '-- Not granted, and worth a thought:',
    '--   so that reviewers see who waits behind a lock, and with what:',
    `--     GRANT pg_read_all_stats TO ${to};`,
    ...(can.has('schema')
      ? []
      : [
          `--   \`schema\` needs membership of the owners of the tables: hp connect setup ${profile.name} --verb read,write,schema`,
        ]),
    '--   `admin` is for an account of your own.',
    '--',
    '-- Then give it a password, typed here and kept in no file:',
    `--   \\password ${role}`,
    '-- hand it to Holdpoint:',
    `--   hp secret set ${profile.name}`,
    '-- and name it in the resource:',
    `--   connect: ${said(address(profile, role))}`,
    `--   credential: { from: secret, name: ${profile.name} }`,
  ]
  return `${lines.join('\n')}\n`
}

type Schema = TargetAccount['schemas'][number]

function inSchema(schema: Schema, to: string, can: ReadonlySet<NamedVerb>): readonly string[] {
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
      (owner) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${name(owner.role)} IN SCHEMA ${at} GRANT ${grant} TO ${to};`,
    )
  return [
    `-- in the schema ${said(schema.name)}`,
    `GRANT USAGE${can.has('schema') ? ', CREATE' : ''} ON SCHEMA ${at} TO ${to};`,
    ...(tables === ''
      ? []
      : [
          `GRANT ${tables} ON ALL TABLES IN SCHEMA ${at} TO ${to};`,
          ...later(`${tables} ON TABLES`),
          `GRANT ${sequences} ON ALL SEQUENCES IN SCHEMA ${at} TO ${to};`,
          ...later(`${sequences} ON SEQUENCES`),
        ]),
    ...(can.has('exec')
      ? [`GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${at} TO ${to};`, ...later('EXECUTE ON ROUTINES')]
      : []),
  ]
}

/** Only its owner may alter a table. Nobody becomes a superuser by this. */
function membership(schemas: readonly Schema[], to: string): readonly string[] {
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

function address({ target }: Profile, role: string): string {
  const database = encodeURIComponent(target.database)
  return target.socket === undefined
    ? `postgres://${role}@${target.host}:${target.port}/${database}?sslmode=${target.sslmode}`
    : `postgres://${role}@/${database}?host=${target.socket}&port=${target.port}`
}
