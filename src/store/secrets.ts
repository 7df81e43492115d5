import { sql } from 'kysely'
import type { SecretStore } from '../app/ports/secrets.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

/** Sealed values by name; see SecretStore for the contract of each. */
export function secretStore(executor: Executor): SecretStore {
  return {
    async put(name, { keyId, bytes }, by, now) {
      const values = { key_id: keyId, sealed: bytes, updated_at: now, updated_by: by }
      await executor
        .insertInto('secret')
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute()
    },
    async get(name) {
      const row = await executor
        .selectFrom('secret')
        .select(['key_id', 'sealed'])
        .where('name', '=', name)
        .executeTakeFirst()
      return row && { keyId: row.key_id, bytes: row.sealed }
    },
    async list() {
      const rows = await executor.selectFrom('secret').select(['name', 'updated_at']).orderBy('name').execute()
      return rows.map((row) => ({ name: row.name, updatedAt: instant(row.updated_at) }))
    },
    async delete(name) {
      const { numDeletedRows } = await executor.deleteFrom('secret').where('name', '=', name).executeTakeFirst()
      return numDeletedRows === 1n
    },
    async keysInUse() {
      return (await executor.selectFrom('secret').select('key_id').distinct().execute()).map((row) => row.key_id)
    },
    async claimedKey() {
      const { rows } = await sql<{ key_id: string }>`SELECT key_id FROM sealing_key`.execute(executor)
      return rows[0]?.key_id
    },
    async claimKey(keyId, from) {
      const { rows } = await (
        from === undefined
          ? sql`INSERT INTO sealing_key (key_id) VALUES (${keyId}) ON CONFLICT DO NOTHING RETURNING key_id`
          : sql`UPDATE sealing_key SET key_id = ${keyId} WHERE key_id = ${from} RETURNING key_id`
      ).execute(executor)
      return rows.length === 1
    },
  }
}
