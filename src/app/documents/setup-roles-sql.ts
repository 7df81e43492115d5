import { grantsRole, groupRole, heirRole } from '../../domain/profile/role-names.ts'
import type { RoleGroup } from '../../domain/profile/role-names.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { TargetAccount } from '../ports/target.ts'
import { inSchema, membership, name, said, text } from './setup-words.ts'

const ON_ROWS = ['read', 'write', 'delete'] as const

/**
 * What `access: ephemeral` needs beside the account: a role a verb, one that hands on privileges on single tables, and
 * one that owns what is left. None of them can sign in. For psql; may be run again.
 */
export function rolesSql(
  profile: Profile,
  schemas: TargetAccount['schemas'],
  account: string,
  verbs: ReadonlySet<NamedVerb>,
): readonly string[] {
  const to = name(account)
  const role = (group: RoleGroup): string => groupRole(profile.name, group)
  const [grants, heir] = [grantsRole(profile.name), heirRole(profile.name)]
  const onRows = ON_ROWS.filter((verb) => verb === 'read' || verbs.has(verb))
  const groups: readonly RoleGroup[] = [
    'connect',
    ...onRows,
    ...(['exec', 'schema'] as const).filter((verb) => verbs.has(verb)),
  ]
  const all = [...groups.map(role), grants, heir]
  return [
    '-- Roles for single grants: each is made when a grant begins, and dropped when it ends.',
    `-- ${said(account)} makes and drops them (CREATEROLE), and inherits nothing of what it can hand out. From PostgreSQL`,
    '-- 16 on it can hand out only what it is given here WITH ADMIN. On 15 CREATEROLE alone lets it hand out every role that',
    '-- is not a superuser: keep no powerful roles on such a server, or upgrade it.',
    ...all.flatMap(create),
    '',
    "SELECT pg_catalog.current_setting('server_version_num')::int >= 160000 AS modern \\gset",
    '\\if :modern',
    ...[...groups.map(role), heir].map(
      (one) => `GRANT ${name(one)} TO ${to} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;`,
    ),
    `GRANT ${name(grants)} TO ${to} WITH INHERIT FALSE, SET TRUE;`,
    '\\else',
    `GRANT ${name(grants)} TO ${to};`,
    '\\endif',
    '',
    `-- every grant: ${said(role('connect'))}`,
    `GRANT CONNECT ON DATABASE ${name(profile.target.database)} TO ${name(role('connect'))};`,
    ...schemas.map((schema) => `GRANT USAGE ON SCHEMA ${name(schema.name)} TO ${name(role('connect'))};`),
    ...onRows.flatMap((verb) =>
      schemas.flatMap((schema) => ['', ...inSchema(schema, name(role(verb)), new Set([verb]))]),
    ),
    ...(verbs.has('exec')
      ? [
          '',
          '-- exec: what is called does what it likes, as who calls it. Take lines out if your routines need less.',
          ...schemas.flatMap((schema) => inSchema(schema, name(role('exec')), new Set<NamedVerb>(['exec']))),
          ...onRows.map((verb) => `GRANT ${name(role(verb))} TO ${name(role('exec'))};`),
        ]
      : []),
    ...(verbs.has('schema')
      ? [
          '',
          ...schemas.map((schema) => `GRANT USAGE, CREATE ON SCHEMA ${name(schema.name)} TO ${name(role('schema'))};`),
          ...membership(schemas, name(role('schema'))),
        ]
      : []),
    '',
    `-- one statement: ${said(grants)} hands on what it needs on its own tables`,
    ...schemas.flatMap((schema) => [
      ...inSchema(schema, name(grants), new Set<NamedVerb>(onRows), ' WITH GRANT OPTION'),
    ]),
    '',
    `-- what is left: ${said(heir)} owns it, and can do nothing. Give it to who should: REASSIGN OWNED BY ${said(heir)} TO ...`,
    ...schemas.map((schema) => `GRANT USAGE, CREATE ON SCHEMA ${name(schema.name)} TO ${name(heir)};`),
  ]
}

/** psql runs each row of the answer: CREATE ROLE has no IF NOT EXISTS. */
const create = (role: string): readonly string[] => [
  `SELECT 'CREATE ROLE ' || pg_catalog.quote_ident(${text(role)}) || ' NOLOGIN'`,
  `  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${text(role)}) \\gexec`,
]
