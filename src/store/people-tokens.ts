import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { TokenInfo, TokenScope } from '../app/app.ts'
import type { PeopleStore } from '../app/ports/people.ts'
import type { PrincipalId, TokenId } from '../domain/ids.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'
import { readPrincipal } from './people-accounts.ts'
import type { Schema } from './schema.ts'

type Tokens = Pick<
  PeopleStore,
  | 'insertToken'
  | 'bearer'
  | 'isLive'
  | 'noteTokenUse'
  | 'liveTokens'
  | 'findToken'
  | 'revokeToken'
  | 'revokeTokens'
  | 'gatewayKeys'
>

const COLUMNS = [
  'token.id',
  'token.principal',
  'token.kind',
  'token.scopes',
  'token.label',
  'token.created_at',
  'token.expires_at',
  'token.last_used_at',
] as const
type Row = Pick<
  Selectable<Schema['token']>,
  'id' | 'principal' | 'kind' | 'scopes' | 'label' | 'created_at' | 'expires_at' | 'last_used_at'
>

/** By the database's clock, so that all replicas agree on the moment. */
const LIVE = sql<boolean>`token.revoked_at IS NULL AND token.expires_at > holdpoint_now()`
/** A sponsor who is disabled takes their agents along. */
const ENABLED = sql<boolean>`NOT principal.disabled AND NOT EXISTS (
  SELECT FROM principal sponsor WHERE sponsor.name = principal.sponsor AND sponsor.disabled)`
/** The last use is noted to the minute: not a write for every call. */
const USE_NOTED_EVERY_MS = 60_000

const readToken = (row: Row): TokenInfo => ({
  id: row.id as TokenId,
  principal: row.principal as PrincipalId,
  kind: row.kind,
  scopes: row.scopes as TokenScope[],
  label: row.label,
  createdAt: instant(row.created_at),
  expiresAt: instant(row.expires_at),
  ...(row.last_used_at === null ? {} : { lastUsedAt: instant(row.last_used_at) }),
})

/** Tokens; see PeopleStore for the contract of each. */
export function tokenQueries(executor: Executor): Tokens {
  const live = () =>
    executor.selectFrom('token').innerJoin('principal', 'principal.name', 'token.principal').where(LIVE).where(ENABLED)
  return {
    async insertToken({ scram, ...token }) {
      await executor
        .insertInto('token')
        .values({
          id: token.id,
          principal: token.principal,
          kind: token.kind,
          hash: token.hash,
          scopes: [...token.scopes],
          label: token.label,
          created_at: token.createdAt,
          expires_at: token.expiresAt,
          last_used_at: null,
          revoked_at: null,
          stored_key: scram?.storedKey ?? null,
          server_key: scram?.serverKey ?? null,
        })
        .execute()
    },
    async bearer(hash) {
      const row = await live()
        .where('token.hash', '=', hash)
        .select(COLUMNS)
        .select([
          'principal.name',
          'principal.kind as owner_kind',
          'principal.display_name',
          'principal.roles',
          'principal.sponsor',
          'principal.disabled',
        ])
        .executeTakeFirst()
      return row && { token: readToken(row), principal: readPrincipal({ ...row, kind: row.owner_kind }) }
    },
    async isLive(token) {
      return (await live().where('token.id', '=', token).select('token.id').executeTakeFirst()) !== undefined
    },
    async noteTokenUse(token) {
      await sql`UPDATE token SET last_used_at = holdpoint_now()
        WHERE id = ${token} AND coalesce(last_used_at, 0) < holdpoint_now() - ${USE_NOTED_EVERY_MS}::bigint`.execute(
        executor,
      )
    },
    async liveTokens(owner) {
      return (
        await live()
          .where('token.principal', '=', owner)
          .select(COLUMNS)
          .orderBy('token.created_at')
          .orderBy('token.id')
          .execute()
      ).map(readToken)
    },
    async findToken(token) {
      const row = await live().where('token.id', '=', token).select(COLUMNS).executeTakeFirst()
      return row && readToken(row)
    },
    async revokeToken(token, now) {
      await executor
        .updateTable('token')
        .set({ revoked_at: now })
        .where('id', '=', token)
        .where('revoked_at', 'is', null)
        .execute()
    },
    async revokeTokens(owner, kinds, now, except) {
      const rows = await executor
        .updateTable('token')
        .set({ revoked_at: now })
        .where('principal', '=', owner)
        .where('kind', 'in', [...kinds])
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .where('id', '<>', except ?? '')
        .returning('id')
        .execute()
      return rows.map((row) => row.id as TokenId)
    },
    async gatewayKeys(owner) {
      const rows = await live()
        .where('token.principal', '=', owner)
        .where('token.kind', '=', 'gateway')
        .select(['token.id', 'token.stored_key', 'token.server_key'])
        .orderBy('token.created_at', 'desc')
        .execute()
      return rows.flatMap((row) =>
        row.stored_key && row.server_key
          ? [{ token: row.id as TokenId, storedKey: row.stored_key, serverKey: row.server_key }]
          : [],
      )
    },
  }
}
