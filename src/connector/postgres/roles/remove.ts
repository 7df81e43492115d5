import type pg from 'pg'
import type { RoleRemoved } from '../../../app/ports/target-roles.ts'
import type { WithClient } from '../connect.ts'
import { name } from './names.ts'

/** Looks at pg_stat_activity come this many ms apart. */
const LOOK_MS = 15
/** What was handed over is told up to here. */
const MOST_TOLD = 100
/** Whoever begins a transaction as it between two steps makes DROP ROLE fail: all of it is done so often. */
const ROUNDS = 3

interface Role {
  readonly oid: string
  readonly comment: string | null
}

const ROLE = `select oid::text as oid, pg_catalog.shobj_description(oid, 'pg_authid') as comment
  from pg_catalog.pg_roles where rolname = $1`
const COUNT = `select count(*)::int4 as left from pg_catalog.pg_stat_activity where usesysid = $1::oid`

/**
 * Remove a role. INVARIANT: in this order. A session that is open goes on reading after NOLOGIN and after DROP ROLE, and
 * one that signs in between the terminating and the dropping stays: so nobody signs in first, and none is left twice.
 * @param work a connection to a database of the target.
 * @param look another one, which has done nothing.
 */
export async function removeRole(
  work: (database?: string) => WithClient,
  look: WithClient,
  role: { readonly name: string; readonly tag: string | undefined; readonly heir: string },
  withinMs: number,
): Promise<RoleRemoved> {
  const handedOver: string[] = []
  for (let round = 1; ; round++) {
    const known = await work()(async (client) => (await client.query<Role>(ROLE, [role.name])).rows[0])
    if (known !== undefined) {
      if (role.tag !== undefined && known.comment?.startsWith(role.tag) !== true) return { kind: 'not_ours' }
      const left = await work()((client) => emptied(client, role.name, known.oid, withinMs))
      if (left > 0) return { kind: 'left', backends: left }
      for (const database of await work()((client) => databasesOf(client, known.oid)))
        handedOver.push(...(await work(database)((client) => handOver(client, role, known.oid))))
      const dropped = await work()((client) => drop(client, role.name))
      if (!dropped && round < ROUNDS) continue
      if (!dropped) return { kind: 'left', backends: 0 }
    }
    const still = await look(async (client) => {
      const there = (await client.query<Role>(ROLE, [role.name])).rows.length
      if (there > 0 || known === undefined) return there
      return (await client.query<{ left: number }>(COUNT, [known.oid])).rows[0]?.left ?? 0
    })
    if (still === 0) return { kind: 'gone', handedOver: handedOver.slice(0, MOST_TOLD) }
    if (round === ROUNDS) return { kind: 'left', backends: still }
  }
}

/** Nobody signs in any more, and nobody is left of those who have. Answers how many are. */
async function emptied(client: pg.ClientBase, role: string, oid: string, withinMs: number): Promise<number> {
  await client.query(`alter role ${name(role)} nologin connection limit 0 password null`)
  await joined(client, role)
  const until = performance.now() + withinMs
  let none = 0
  for (;;) {
    // Only who has the role's privileges may end its sessions.
    await client.query(`set role ${name(role)}`)
    await client.query(
      'select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where usesysid = $1::oid and pid <> pg_catalog.pg_backend_pid()',
      [oid],
    )
    await client.query('reset role')
    const left = (await client.query<{ left: number }>(COUNT, [oid])).rows[0]?.left ?? 1
    none = left === 0 ? none + 1 : 0
    if (none === 2) return 0
    if (performance.now() >= until) return Math.max(1, left)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** The standing account can assume it. It was given that when the role was made; somebody may have taken it back. */
async function joined(client: pg.ClientBase, role: string): Promise<void> {
  const { rows } = await client.query<{ me: string; modern: boolean; superuser: boolean }>(
    `select rolname::text as me, pg_catalog.current_setting('server_version_num')::int4 >= 160000 as modern,
       rolsuper as superuser from pg_catalog.pg_roles where rolname = current_user`,
  )
  const [account] = rows
  if (account === undefined || account.superuser) return
  await client.query(
    `grant ${name(role)} to ${name(account.me)}${account.modern ? ' with inherit false, set true' : ''}`,
  )
}

/** Every database in which it owns something or was given something, and the one we are in. */
async function databasesOf(client: pg.ClientBase, oid: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select datname::text as name from pg_catalog.pg_database
     where datname = pg_catalog.current_database() or oid in (
       select dbid from pg_catalog.pg_shdepend
       where refclassid = 'pg_catalog.pg_authid'::regclass and refobjid = $1::oid)`,
    [oid],
  )
  return rows.map((row) => row.name)
}

/** What it owns in this database becomes the heir's; what it was given is taken back. Nothing is dropped that is somebody's data. */
async function handOver(
  client: pg.ClientBase,
  role: { readonly name: string; readonly heir: string },
  oid: string,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ what: string }>(
    `select pg_catalog.concat(pg_catalog.current_database(), ': ', pg_catalog.pg_describe_object(classid, objid, objsubid)) as what
     from pg_catalog.pg_shdepend where refclassid = 'pg_catalog.pg_authid'::regclass and refobjid = $1::oid
       and deptype = 'o' and dbid in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
     limit ${MOST_TOLD}`,
    [oid],
  )
  const own = name(role.name)
  await client.query('begin; set local statement_timeout = 20000; set local lock_timeout = 5000')
  try {
    if (rows.length > 0)
      await client.query(
        `grant ${name(role.heir)} to ${own}; set local role ${own}; reassign owned by ${own} to ${name(role.heir)}`,
      )
    await takeBack(client, own, oid)
    await client.query(`set local role ${own}; drop owned by ${own}; set local role none`)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
  return rows.map((row) => row.what)
}

/** INVARIANT: DROP OWNED takes back only what the one who runs it has given. What was handed on is taken back by the hand. */
async function takeBack(client: pg.ClientBase, own: string, oid: string): Promise<void> {
  const { rows } = await client.query<{ revoke: string; grantor: string }>(
    `select distinct pg_catalog.format('revoke all on %s %I.%I from ', case c.relkind when 'S' then 'sequence' else 'table' end,
        n.nspname, c.relname) as revoke, pg_catalog.pg_get_userbyid(a.grantor)::text as grantor
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
       pg_catalog.aclexplode(c.relacl) a
     where a.grantee = $1::oid and c.relacl is not null and c.oid in (
       select objid from pg_catalog.pg_shdepend
       where refclassid = 'pg_catalog.pg_authid'::regclass and refobjid = $1::oid and deptype = 'a'
         and dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))`,
    [oid],
  )
  for (const { revoke, grantor } of rows)
    await client.query(`set local role ${name(grantor)}; ${revoke}${own}; set local role none`)
}

/** False when something new depends on it. */
async function drop(client: pg.ClientBase, role: string): Promise<boolean> {
  try {
    // Something of it may be in a transaction that is open still.
    await client.query(`begin; set local lock_timeout = 5000; drop role if exists ${name(role)}; commit`)
    return true
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    if ((error as { code?: unknown }).code === '2BP01') return false
    throw error
  }
}
