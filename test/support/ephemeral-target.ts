import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { OpenTarget } from '../../src/app/ports/target.ts'
import { setupSql } from '../../src/app/documents/setup-sql.ts'
import { createTargetControl } from '../../src/connector/postgres/target-control.ts'
import type { ResourceName, Revision } from '../../src/domain/ids.ts'
import { grantsRole, groupRole, heirRole, ROLE_GROUPS, standingRole } from '../../src/domain/profile/role-names.ts'
import { readProfile } from '../../src/domain/profile/read-profile.ts'
import type { NamedVerb } from '../../src/domain/verb.ts'
import type { TestDatabase } from './database.ts'

export const hasPsql = spawnSync('psql', ['--version']).status === 0

/** A database set up for roles of single grants, as `hp connect setup` says. Roles are the server's: its name is its own. */
export interface EphemeralTarget {
  readonly resource: ResourceName
  /** As the standing account. */
  readonly target: OpenTarget
  readonly connect: string
  readonly groups: Readonly<Record<(typeof ROLE_GROUPS)[number], string>>
  /** What was printed, as it was run. */
  readonly sql: string
  /** Drops every role of it, and those that are named. */
  close(...more: readonly string[]): Promise<void>
}

export async function ephemeralTarget(
  db: TestDatabase,
  options: { readonly verbs?: readonly NamedVerb[]; readonly others?: readonly TestDatabase[] } = {},
): Promise<EphemeralTarget> {
  const resource = `r${randomBytes(4).toString('hex')}-db` as ResourceName
  const { host, port, database } = db.target
  const standing = standingRole(resource)
  const connect = `postgres://${standing}@${host}:${port}/${database}?sslmode=disable`
  const profile = readProfile({ kind: 'Resource', name: resource, access: 'ephemeral', connect }, 1 as Revision)
  const control = createTargetControl()
  const probed = await control.probe({ ...profile.target, user: db.target.user, password: db.target.password })
  await control.close()
  if (!probed.ok) throw new Error(probed.message)
  const verbs = options.verbs ?? ['connect', 'read', 'write', 'delete', 'exec', 'schema']
  const sql = setupSql(profile, probed.account, verbs)
  // It may be run again.
  const ran = spawnSync('psql', ['-X', '-q', db.url, '-f', '-'], { input: sql + sql, encoding: 'utf8' })
  if (ran.status !== 0 || ran.stderr !== '') throw new Error(`the setup failed: ${ran.stderr}`)
  const password = randomBytes(12).toString('hex')
  await db.query(`ALTER ROLE ${standing} PASSWORD '${password}'`)
  const groups = Object.fromEntries(
    ROLE_GROUPS.map((group) => [group, groupRole(resource, group)]),
  ) as unknown as EphemeralTarget['groups']
  return {
    resource,
    target: { ...profile.target, password },
    connect,
    groups,
    sql,
    async close(...more) {
      const names = [...more, ...Object.values(groups), grantsRole(resource), heirRole(resource), standing]
      const there = await db.query<{ name: string }>('SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1)', [
        names,
      ])
      for (const { name } of there)
        for (const each of [...(options.others ?? []), db]) await each.query(`DROP OWNED BY ${name} CASCADE`)
      for (const { name } of there) await db.query(`DROP ROLE ${name}`)
    },
  }
}
