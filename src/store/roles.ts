import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { GrantRole, Inventory, Leftover, RoleStore } from '../app/ports/roles.ts'
import type { SessionTarget } from '../app/ports/requests.ts'
import type { FoundRole } from '../app/ports/target-roles.ts'
import type { RoleNeeds } from '../domain/grant/role-needs.ts'
import type { PrincipalId, ResourceName } from '../domain/ids.ts'
import { at, grantId, keyOf, sessionId } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface RoleRow {
  readonly number: Big
  readonly name: string
  readonly grant_of: Big | null
  readonly resource: ResourceName
  readonly target: SessionTarget
  readonly needs: RoleNeeds
  readonly until: Big
  readonly why: string | null
  readonly session: Big | null
  readonly given_at: Big | null
  readonly state: GrantRole['state']
}
const COLUMNS = sql`t.number, t.name, t.grant_of, t.resource, t.target, t.needs, t.until, t.why, t.session, t.given_at, t.state`

const readRole = (row: RoleRow): GrantRole => ({
  number: Number(row.number),
  name: row.name,
  resource: row.resource,
  target: row.target,
  needs: row.needs,
  until: at(row.until),
  state: row.state,
  ...(row.grant_of === null ? {} : { grant: grantId(row.grant_of) }),
  ...(row.why === null ? {} : { why: row.why }),
  ...(row.session === null ? {} : { session: sessionId(row.session) }),
  ...(row.given_at === null ? {} : { givenAt: at(row.given_at) }),
})

interface LeftoverRow {
  readonly resource: ResourceName
  readonly found: FoundRole
  readonly first_seen: Big
  readonly last_seen: Big
  readonly ignored_by: PrincipalId | null
  readonly reason: string | null
}
const readLeftover = (row: LeftoverRow): Leftover => ({
  resource: row.resource,
  found: row.found,
  firstSeen: at(row.first_seen),
  lastSeen: at(row.last_seen),
  ...(row.ignored_by === null ? {} : { ignored: { by: row.ignored_by, reason: row.reason ?? '' } }),
})

/** The queries of roles on targets and of leftovers. */
export function roleStore(db: QueryExecutorProvider): RoleStore {
  const all = async (query: ReturnType<typeof sql<RoleRow>>): Promise<readonly GrantRole[]> =>
    (await query.execute(db)).rows.map(readRole)
  const changed = async (query: ReturnType<typeof sql<{ number: Big }>>): Promise<boolean> =>
    (await query.execute(db)).rows.length > 0

  return {
    async insertRole(role) {
      await sql`INSERT INTO target_role (name, grant_of, resource, target, needs, until, why, state)
        VALUES (${role.name}, ${keyOf(role.grant, 'G')}, ${role.resource}, ${JSON.stringify(role.target)}, ${JSON.stringify(role.needs)},
          ${role.until}, ${role.why ?? null}, 'wanted')`.execute(db)
    },
    async adoptRole(role, by, reason) {
      await sql`INSERT INTO target_role (name, resource, target, needs, until, adopted_by, reason, state)
        VALUES (${role.name}, ${role.resource}, ${JSON.stringify(role.target)}, ${JSON.stringify(role.needs)}, ${role.until}, ${by}, ${reason},
          'made')`.execute(db)
    },
    roleOf: async (grant) =>
      (await all(sql`SELECT ${COLUMNS} FROM target_role t WHERE t.grant_of = ${keyOf(grant, 'G')}`))[0],
    lockRole: async (number) =>
      (await all(sql`SELECT ${COLUMNS} FROM target_role t WHERE t.number = ${number} FOR UPDATE`))[0],
    claimRoles: (now, limit) =>
      all(sql`UPDATE target_role t SET claimed_at = ${now} WHERE t.number IN (
          SELECT w.number FROM target_role w JOIN access_grant g ON g.number = w.grant_of
          WHERE w.state = 'wanted' AND w.claimed_at IS NULL AND g.state = 'provisioning' ORDER BY w.number LIMIT ${limit}
          FOR UPDATE OF w SKIP LOCKED)
        RETURNING ${COLUMNS}`),
    abandonedRoles: (before, limit) =>
      all(sql`SELECT ${COLUMNS} FROM target_role t JOIN access_grant g ON g.number = t.grant_of
        WHERE t.state = 'wanted' AND t.claimed_at < ${before} AND g.state = 'provisioning' ORDER BY t.number LIMIT ${limit}`),
    async roleMade(number) {
      await sql`UPDATE target_role SET state = 'made' WHERE number = ${number}`.execute(db)
    },
    async roleFailed(number, why) {
      await sql`UPDATE target_role SET why = ${why.toWellFormed().replaceAll('\0', '')} WHERE number = ${number}`.execute(
        db,
      )
    },
    async roleGone(number, now) {
      await sql`UPDATE target_role SET state = 'gone', gone_at = ${now} WHERE number = ${number}`.execute(db)
    },
    async prolongRole(number, until) {
      await sql`UPDATE target_role SET until = greatest(until, ${until}::bigint) WHERE number = ${number} AND state <> 'gone'`.execute(
        db,
      )
    },
    rolesToRemove: (now, limit) =>
      all(sql`SELECT ${COLUMNS} FROM target_role t LEFT JOIN access_grant g ON g.number = t.grant_of
        WHERE t.state <> 'gone' AND (g.state IN ('ending', 'ended') OR (g.number IS NULL AND t.until <= ${now}))
        ORDER BY coalesce(g.since, t.until) LIMIT ${limit}`),
    async rolesToProlong(limit) {
      const { rows } = await sql<RoleRow & { expires_at: Big }>`SELECT ${COLUMNS}, g.expires_at FROM target_role t
        JOIN access_grant g ON g.number = t.grant_of
        WHERE t.state = 'made' AND g.state = 'active' AND g.expires_at > t.until ORDER BY t.number LIMIT ${limit}`.execute(
        db,
      )
      return rows.map((row) => ({ ...readRole(row), grantUntil: at(row.expires_at) }))
    },
    noteSignIn: (number, session) =>
      changed(
        sql`UPDATE target_role SET session = ${keyOf(session, 'S')} WHERE number = ${number} AND state = 'made' AND session IS NULL RETURNING number`,
      ),
    signedInAs: async (session) =>
      (await all(sql`SELECT ${COLUMNS} FROM target_role t WHERE t.session = ${keyOf(session, 'S')}`))[0],
    noteGiven: (number, now) =>
      changed(
        sql`UPDATE target_role SET given_at = ${now} WHERE number = ${number} AND state = 'made' AND given_at IS NULL RETURNING number`,
      ),
    rolesThere: (resource) =>
      all(
        sql`SELECT ${COLUMNS} FROM target_role t WHERE t.resource = ${resource} AND t.state <> 'gone' ORDER BY t.number`,
      ),
    async targetsWithRoles() {
      const { rows } = await sql<{ resource: ResourceName; target: SessionTarget }>`
        SELECT DISTINCT ON (resource, target::text) resource, target FROM target_role WHERE state <> 'gone'`.execute(db)
      return rows
    },

    async beginInventory(resource, now, everyMs) {
      const { rows } = await sql`INSERT INTO inventory (resource, begun_at) VALUES (${resource}, ${now})
        ON CONFLICT (resource) DO UPDATE SET begun_at = excluded.begun_at WHERE inventory.begun_at <= ${now - everyMs}
        RETURNING resource`.execute(db)
      return rows.length === 1
    },
    async endInventory(resource, now, why) {
      await sql`UPDATE inventory SET why = ${why ?? null}, done_at = CASE WHEN ${why ?? null}::text IS NULL THEN ${now}::bigint ELSE done_at END
        WHERE resource = ${resource}`.execute(db)
    },
    async inventories() {
      const { rows } = await sql<{ resource: ResourceName; done_at: Big | null; why: string | null }>`
        SELECT resource, done_at, why FROM inventory ORDER BY resource`.execute(db)
      return rows.map((row): Inventory => ({
        resource: row.resource,
        ...(row.done_at === null ? {} : { doneAt: at(row.done_at) }),
        ...(row.why === null ? {} : { why: row.why }),
      }))
    },
    async noteLeftovers(resource, found, now) {
      await sql`DELETE FROM leftover WHERE resource = ${resource} AND NOT name = ANY (${found.map((one) => one.name)}::text[])`.execute(
        db,
      )
      const added: string[] = []
      for (const one of found) {
        const { rows } = await sql<{
          added: boolean
        }>`INSERT INTO leftover (resource, name, found, first_seen, last_seen)
          VALUES (${resource}, ${one.name}, ${JSON.stringify(one)}, ${now}, ${now})
          ON CONFLICT (resource, name) DO UPDATE SET found = excluded.found, last_seen = excluded.last_seen
          RETURNING xmax = 0 AS added`.execute(db)
        if (rows[0]?.added === true) added.push(one.name)
      }
      return added
    },
    async leftovers() {
      const { rows } = await sql<LeftoverRow>`SELECT * FROM leftover ORDER BY resource, name`.execute(db)
      return rows.map(readLeftover)
    },
    async lockLeftover(resource, name) {
      const { rows } =
        await sql<LeftoverRow>`SELECT * FROM leftover WHERE resource = ${resource} AND name = ${name} FOR UPDATE`.execute(
          db,
        )
      return rows.map(readLeftover)[0]
    },
    async ignoreLeftover(resource, name, by, reason) {
      await sql`UPDATE leftover SET ignored_by = ${by}, reason = ${reason} WHERE resource = ${resource} AND name = ${name}`.execute(
        db,
      )
    },
    async forgetLeftover(resource, name) {
      await sql`DELETE FROM leftover WHERE resource = ${resource} AND name = ${name}`.execute(db)
    },
  }
}
