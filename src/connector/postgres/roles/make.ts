import type pg from 'pg'
import { DatabaseError } from 'pg'
import type { RoleMade, RoleSpec } from '../../../app/ports/target-roles.ts'
import type { TableVerb } from '../../../domain/grant/role-needs.ts'
import { name, text } from './names.ts'

const PRIVILEGES: Readonly<Record<TableVerb, readonly string[]>> = {
  read: ['SELECT'],
  // Changing what one may not see needs no WHERE that reads.
  write: ['SELECT', 'INSERT', 'UPDATE'],
  delete: ['SELECT', 'DELETE', 'TRUNCATE'],
}

/** Cannot be made as it is asked for: something for whoever runs the target. */
class Refused extends Error {}

/**
 * Make the role with everything that it needs, in one transaction. What the account may not do on this target is
 * answered in words; only a target that cannot be asked rejects.
 */
export async function makeRole(client: pg.ClientBase, spec: RoleSpec): Promise<RoleMade> {
  try {
    await client.query('begin; set local statement_timeout = 10000; set local lock_timeout = 5000')
    await make(client, spec)
    // Dies here, or while it commits: the role stands whole or not at all, and carries its tag.
    await client.query('commit')
    return { ok: true }
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    if (error instanceof Refused) return { ok: false, why: error.message }
    if (error instanceof DatabaseError && error.code === '42710')
      return { ok: false, why: `a role ${spec.name} is there already` }
    if (error instanceof DatabaseError && error.code === '42501')
      return { ok: false, why: `Holdpoint's account may not do it (${error.message})` }
    throw error
  }
}

async function make(client: pg.ClientBase, spec: RoleSpec): Promise<void> {
  const role = name(spec.name)
  const needed = [...spec.groups, spec.heir, ...(spec.tables.length > 0 ? [spec.grants] : [])]
  const { rows: missing } = await client.query<{ role: string }>(
    `select needed.role from pg_catalog.unnest($1::text[]) needed (role)
     where not exists (select from pg_catalog.pg_roles r where r.rolname = needed.role)`,
    [needed],
  )
  if (missing.length > 0)
    throw new Refused(`the target has no role ${missing.map((one) => one.role).join(', ')}; run hp connect setup`)
  const { rows } = await client.query<{ modern: boolean; inherits: boolean; superuser: boolean; me: string }>(
    `select pg_catalog.current_setting('server_version_num')::int4 >= 160000 as modern, rolinherit as inherits,
       rolsuper as superuser, rolname::text as me from pg_catalog.pg_roles where rolname = current_user`,
  )
  const [account] = rows
  if (account === undefined) throw new Refused('the account that Holdpoint signs in with cannot be told')
  // Before 16 only an account that inherits nothing can have the role without everybody's session having it.
  if (!account.modern && account.inherits && !account.superuser)
    throw new Refused(`${account.me} inherits what it is a member of; run hp connect setup, or ALTER ROLE NOINHERIT`)
  const assumed = account.modern ? ' with inherit false, set true' : ''
  const inherited = account.modern ? ' with inherit true, set false' : ''
  await client.query(
    `create role ${role} nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls inherit
       connection limit 0 valid until ${text(new Date(spec.until).toISOString())};
     comment on role ${role} is ${text(spec.comment)};
     grant ${role} to ${name(account.me)}${assumed};
     ${spec.groups.map((group) => `grant ${name(group)} to ${role}${inherited};`).join('\n')}`,
  )
  if (spec.tables.length === 0) return
  const privileges = new Map<string, Set<string>>()
  for (const { verb, names } of spec.tables)
    for (const table of names) privileges.set(table, new Set([...(privileges.get(table) ?? []), ...PRIVILEGES[verb]]))
  for (const [table, wanted] of privileges) await grantOn(client, spec, table, [...wanted])
}

interface Table {
  readonly schema: string
  readonly name: string
  readonly sequences: readonly { readonly schema: string; readonly name: string }[]
}

/** The relation of that name, and the sequences that its defaults draw from. */
const TABLE = `
  select n.nspname::text as schema, c.relname::text as name,
    coalesce((select pg_catalog.json_agg(distinct pg_catalog.jsonb_build_object('schema', sn.nspname, 'name', s.relname))
      from pg_catalog.pg_attrdef d
      join pg_catalog.pg_depend p on p.classid = 'pg_catalog.pg_attrdef'::regclass and p.objid = d.oid
        and p.refclassid = 'pg_catalog.pg_class'::regclass
      join pg_catalog.pg_class s on s.oid = p.refobjid and s.relkind = 'S'
      join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
      where d.adrelid = c.oid), '[]') as sequences
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and pg_catalog.concat(n.nspname, '.', c.relname) = $1`

async function grantOn(
  client: pg.ClientBase,
  spec: RoleSpec,
  table: string,
  privileges: readonly string[],
): Promise<void> {
  // Everybody reads those.
  if (/^(pg_catalog|information_schema)\./.test(table)) return
  const { rows } = await client.query<Table>(TABLE, [table])
  const [found] = rows
  if (found === undefined || rows.length > 1)
    throw new Refused(`there is no table ${table} that others than the session see`)
  const role = name(spec.name)
  const of = `${name(found.schema)}.${name(found.name)}`
  const sequences = privileges.includes('INSERT') ? found.sequences : []
  await client.query(
    `set local role ${name(spec.grants)};
     grant ${privileges.join(', ')} on ${of} to ${role};
     ${sequences.map((one) => `grant usage on sequence ${name(one.schema)}.${name(one.name)} to ${role};`).join('\n')}
     set local role none`,
  )
  // INVARIANT: a grant of what the grantor does not have is a warning, and does nothing.
  const { rows: lacking } = await client.query<{ privilege: string }>(
    `select p as privilege from pg_catalog.unnest($3::text[]) p where not pg_catalog.has_table_privilege($1, $2, p)`,
    [spec.name, of, privileges],
  )
  if (lacking.length > 0)
    throw new Refused(
      `${spec.grants} cannot hand on ${lacking.map((one) => one.privilege).join(', ')} on ${table}; run hp connect setup`,
    )
}
