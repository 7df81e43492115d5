import type { Profile } from '../../domain/profile/profile.ts'
import { standingRole } from '../../domain/profile/role-names.ts'
import { NAMED_VERBS } from '../../domain/verb.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { TargetAccount } from '../ports/target.ts'
import { rolesSql } from './setup-roles-sql.ts'
import { inSchema, membership, name, said, text } from './setup-words.ts'

/** Verbs that a role can be given something for. `admin` is left to people's own accounts. */
const GRANTABLE = ['connect', 'read', 'write', 'delete', 'export', 'exec', 'schema'] as const

/** What the owners of the profile decide about; reading, writing and deleting where they say nothing. */
export function expectedVerbs(profile: Profile): readonly NamedVerb[] {
  const decided = new Set(profile.owners.flatMap((owner) => owner.decides))
  const verbs = decided.size === 0 ? new Set<NamedVerb>(['write', 'delete']) : decided
  return NAMED_VERBS.filter((verb) => verb === 'connect' || verb === 'read' || verbs.has(verb))
}

/** `holdpoint_shop_db`: within the 63 bytes of an identifier. */
export const setupRole = (profile: Profile): string => standingRole(profile.name)

/**
 * SQL that makes a role for Holdpoint with just what these verbs need, for psql and an administrator of the target. It
 * may be run again. Pure; never holds a password.
 * @param account what is known of the target; undefined when it could not be asked: then the schema `public` is meant.
 */
export function setupSql(profile: Profile, account: TargetAccount | undefined, verbs: readonly NamedVerb[]): string {
  const { target } = profile
  const role = setupRole(profile)
  const to = name(role)
  const ephemeral = profile.access === 'ephemeral'
  const wanted = new Set<NamedVerb>(verbs)
  // Everything but reading is given to the roles of single grants.
  const can = ephemeral ? new Set<NamedVerb>(['connect', 'read']) : wanted
  const given = GRANTABLE.filter((verb) => wanted.has(verb))
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
    // Run again, most of it is so already.
    ...(ephemeral ? ['SET LOCAL client_min_messages = warning;'] : []),
    // psql runs each row of the answer: CREATE ROLE has no IF NOT EXISTS.
    `SELECT 'CREATE ROLE ' || pg_catalog.quote_ident(${text(role)})`,
    `  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${text(role)}) \\gexec`,
    `ALTER ROLE ${to} LOGIN NOSUPERUSER NOCREATEDB ${ephemeral ? 'CREATEROLE NOINHERIT' : 'NOCREATEROLE'} NOREPLICATION NOBYPASSRLS;`,
    '',
    '-- connect',
    `GRANT CONNECT ON DATABASE ${name(target.database)} TO ${to};`,
    ...schemas.flatMap((schema) => ['', ...inSchema(schema, to, can)]),
    ...(can.has('schema') ? ['', ...membership(schemas, to)] : []),
    ...(ephemeral ? ['', ...rolesSql(profile, schemas, role, wanted)] : []),
    '',
    'COMMIT;',
    '',
    '-- Not granted, and worth a thought:',
    '--   so that reviewers see who waits behind a lock, and with what:',
    `--     GRANT pg_read_all_stats TO ${to};`,
    ...(wanted.has('schema')
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

function address({ target }: Profile, role: string): string {
  const database = encodeURIComponent(target.database)
  return target.socket === undefined
    ? `postgres://${role}@${target.host}:${target.port}/${database}?sslmode=${target.sslmode}`
    : `postgres://${role}@/${database}?host=${target.socket}&port=${target.port}`
}
