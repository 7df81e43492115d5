import type pg from 'pg'
import type { FoundRole } from '../../../app/ports/target-roles.ts'
import { instant } from '../../../domain/time.ts'

/** More than any target should have; the rest is found when these are gone. */
const MOST = 1_000

const ROLES = `
  select r.rolname::text as name, r.comment, r.rolcanlogin as "canLogin",
    case when pg_catalog.isfinite(r.rolvaliduntil) then pg_catalog.floor(extract(epoch from r.rolvaliduntil) * 1000)::float8 end as until,
    (select count(*)::int4 from pg_catalog.pg_stat_activity a where a.usesysid = r.oid) as sessions,
    array(select g.rolname::text from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
      where m.member = r.oid and g.rolname = any($1) order by 1) as groups
  from (select *, pg_catalog.shobj_description(oid, 'pg_authid') as comment from pg_catalog.pg_roles) r
  where not r.rolname = any($1) and not r.rolname = any($2) and r.rolname <> current_user
    and (r.rolname like 'hp\\_%' or r.comment like 'holdpoint %' or exists (
      select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
      where m.member = r.oid and g.rolname = any($1)))
  order by r.rolname limit ${MOST}`

interface Row {
  readonly name: string
  readonly comment: string | null
  readonly canLogin: boolean
  readonly until: number | null
  readonly sessions: number
  readonly groups: readonly string[]
}

export async function readInventory(
  client: pg.ClientBase,
  groups: readonly string[],
  except: readonly string[],
): Promise<readonly FoundRole[]> {
  const { rows } = await client.query<Row>(ROLES, [groups, except])
  return rows.map(({ comment, until, ...row }) => ({
    ...row,
    ...(comment === null ? {} : { comment }),
    ...(until === null ? {} : { until: instant(until) }),
  }))
}
