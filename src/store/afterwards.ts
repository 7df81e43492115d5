import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { RequestStore } from '../app/ports/requests.ts'
import type { PrincipalId, RequestId } from '../domain/ids.ts'
import { requestId } from '../domain/ids.ts'
import type { Divergence, ReviewAfterwards } from '../domain/request/divergence.ts'
import { keyOf } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface Row {
  readonly request: Big
  readonly why: readonly Divergence[]
  readonly asked: readonly PrincipalId[]
  readonly due_at: Big
  readonly acknowledged_by: PrincipalId | null
  readonly words: string | null
  readonly acknowledged_at: Big | null
}

const read = (row: Row): ReviewAfterwards => ({
  why: row.why,
  asked: row.asked,
  dueAt: Number(row.due_at),
  ...(row.acknowledged_by === null
    ? {}
    : { acknowledged: { by: row.acknowledged_by, words: row.words ?? '', at: Number(row.acknowledged_at) } }),
})

/** The queries of reviews afterwards. */
export function afterwardsQueries(db: QueryExecutorProvider) {
  return {
    async insertReviewAfterwards(request, owed) {
      await sql`INSERT INTO review_afterwards (request, why, asked, due_at)
        VALUES (${keyOf(request, 'HP')}, ${JSON.stringify(owed.why)}, ${owed.asked}, ${owed.dueAt})
        ON CONFLICT DO NOTHING`.execute(db)
    },
    async reviewsAfterwards(requests): Promise<ReadonlyMap<RequestId, ReviewAfterwards>> {
      if (requests.length === 0) return new Map()
      const { rows } = await sql<Row>`SELECT request, why, asked, due_at, acknowledged_by, words, acknowledged_at
        FROM review_afterwards WHERE request = ANY (${requests.map((id) => keyOf(id, 'HP'))}::bigint[])`.execute(db)
      return new Map(rows.map((row) => [requestId(row.request), read(row)]))
    },
    async acknowledge(request, by, words, now) {
      const { rows } =
        await sql`UPDATE review_afterwards SET acknowledged_by = ${by}, words = ${words}, acknowledged_at = ${now}
        WHERE request = ${keyOf(request, 'HP')} AND acknowledged_by IS NULL RETURNING request`.execute(db)
      return rows.length === 1
    },
    async owedBy(person, limit) {
      const { rows } = await sql<{ request: Big }>`SELECT request FROM review_afterwards
        WHERE acknowledged_by IS NULL AND asked @> ARRAY[${person}]::text[] ORDER BY due_at LIMIT ${limit}`.execute(db)
      return rows.map((row) => requestId(row.request))
    },
  } satisfies Partial<RequestStore>
}
