import { hkdfSync, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { PeopleStore } from '../app/ports/people.ts'
import type { PrincipalId } from '../domain/ids.ts'
import type { Principal, Role } from '../domain/principal.ts'
import type { Executor } from './database.ts'
import type { Schema } from './schema.ts'

type Row = Selectable<Schema['principal']>
type Accounts = Pick<
  PeopleStore,
  | 'find'
  | 'list'
  | 'insert'
  | 'lock'
  | 'update'
  | 'lockHolders'
  | 'hasAdministrator'
  | 'passwordHash'
  | 'setPassword'
  | 'setSetupCode'
  | 'takeSetupCode'
  | 'gatewaySalt'
  | 'installationKey'
>

const COLUMNS = ['name', 'kind', 'display_name', 'roles', 'sponsor', 'disabled'] as const

export const readPrincipal = (row: Pick<Row, (typeof COLUMNS)[number]>): Principal => ({
  id: row.name as PrincipalId,
  kind: row.kind,
  displayName: row.display_name,
  // The table allows no other.
  roles: row.roles as Role[],
  ...(row.sponsor === null ? {} : { sponsor: row.sponsor as PrincipalId }),
  disabled: row.disabled,
})

/** Accounts and the installation's own row; see PeopleStore for the contract of each. */
export function accountQueries(executor: Executor): Accounts {
  const byName = (name: string) => executor.selectFrom('principal').where('name', '=', name)
  const installed = () => executor.selectFrom('installation').select('secret').executeTakeFirst()
  const installation = async (): Promise<Buffer> => {
    const found = await installed()
    if (found !== undefined) return found.secret
    // The first of all replicas makes it; the rest read what it made.
    await executor
      .insertInto('installation')
      .values({ secret: randomBytes(32), setup_code: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return (await executor.selectFrom('installation').select('secret').executeTakeFirstOrThrow()).secret
  }
  return {
    async find(name) {
      const row = await byName(name).select(COLUMNS).executeTakeFirst()
      return row && readPrincipal(row)
    },
    async list() {
      return (await executor.selectFrom('principal').select(COLUMNS).orderBy('name').execute()).map(readPrincipal)
    },
    async insert(principal, gatewaySalt, now) {
      const { numInsertedOrUpdatedRows } = await executor
        .insertInto('principal')
        .values({
          name: principal.id,
          kind: principal.kind,
          display_name: principal.displayName,
          roles: [...principal.roles],
          sponsor: principal.sponsor ?? null,
          disabled: principal.disabled,
          password_hash: null,
          gateway_salt: gatewaySalt,
          created_at: now,
        })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirst()
      return numInsertedOrUpdatedRows === 1n
    },
    async lock(name) {
      const row = await byName(name).select(COLUMNS).forUpdate().executeTakeFirst()
      return row && readPrincipal(row)
    },
    async update(principal) {
      await executor
        .updateTable('principal')
        .set({ display_name: principal.displayName, roles: [...principal.roles], disabled: principal.disabled })
        .where('name', '=', principal.id)
        .execute()
    },
    async lockHolders(role) {
      const rows = await executor
        .selectFrom('principal')
        .select('name')
        .where(sql<boolean>`${role} = ANY(roles) AND NOT disabled`)
        // One order for all, so that two who look at once wait instead of locking each other out.
        .orderBy('name')
        .forUpdate()
        .execute()
      return rows.map((row) => row.name as PrincipalId)
    },
    async hasAdministrator() {
      const row = await executor
        .selectFrom('principal')
        .select('name')
        .where(sql<boolean>`'admin' = ANY(roles) AND NOT disabled`)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async passwordHash(name) {
      return (await byName(name).select('password_hash').executeTakeFirst())?.password_hash ?? undefined
    },
    async setPassword(name, hash) {
      await executor.updateTable('principal').set({ password_hash: hash }).where('name', '=', name).execute()
    },
    async setSetupCode(hash) {
      await installation()
      await executor.updateTable('installation').set({ setup_code: hash }).execute()
    },
    async takeSetupCode(hash) {
      const { numUpdatedRows } = await executor
        .updateTable('installation')
        .set({ setup_code: null })
        .where('setup_code', '=', hash)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },
    async gatewaySalt(owner) {
      return (await byName(owner).select('gateway_salt').executeTakeFirst())?.gateway_salt
    },
    async installationKey(purpose) {
      return Buffer.from(hkdfSync('sha256', await installation(), '', `holdpoint ${purpose}`, 32))
    },
  }
}
