import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { RequestStore } from '../app/ports/requests.ts'
import { readSegment } from '../domain/session/segment.ts'
import type { StatementEntry } from '../domain/session/session.ts'
import { keyOf, sessionId } from './requests-row.ts'

/** Segments read at a time: each has at least one line, and mostly hundreds. */
const AHEAD = 4

/** The queries of the statement record. */
export function statementQueries(db: QueryExecutorProvider) {
  return {
    async insertSegments(segments) {
      if (segments.length === 0) return []
      const { rows } = await sql<{ session: string; first: string; last: string; count: number; digest: string }>`
        INSERT INTO statement_segment (session, first, last, count, body, digest)
        SELECT x.session, x.first, x.last, x.count, x.bytes, sha256(x.bytes)
        FROM (SELECT session, first, last, count, convert_to(body, 'UTF8') AS bytes
          FROM unnest(${segments.map((s) => keyOf(s.session, 'S'))}::bigint[], ${segments.map((s) => s.first)}::bigint[],
            ${segments.map((s) => s.last)}::bigint[], ${segments.map((s) => s.count)}::integer[],
            ${segments.map((s) => s.body)}::text[]) AS u(session, first, last, count, body)) x
        JOIN session s ON s.number = x.session
        ON CONFLICT DO NOTHING
        RETURNING session, first, last, count, encode(digest, 'hex') AS digest`.execute(db)
      return rows.map((row) => ({
        session: sessionId(row.session),
        first: Number(row.first),
        last: Number(row.last),
        count: row.count,
        digest: row.digest,
      }))
    },
    async listStatements(session, after, limit): Promise<readonly StatementEntry[]> {
      const lines = new Map<number, StatementEntry>()
      let from = 0
      let behind: Buffer = Buffer.alloc(0)
      for (;;) {
        const { rows } = await sql<{
          first: string
          digest: Buffer
          body: Buffer
        }>`SELECT first, digest, body FROM statement_segment
          WHERE session = ${keyOf(session, 'S')} AND last > ${after} AND (first, digest) > (${from}::bigint, ${behind}::bytea)
          ORDER BY first, digest LIMIT ${AHEAD}`.execute(db)
        for (const { body } of rows)
          for (const line of readSegment(body.toString('utf8')))
            if (line.number > after && (line.outcome !== 'started' || !lines.has(line.number)))
              lines.set(line.number, line)
        from = Number(rows.at(-1)?.first ?? 0)
        behind = rows.at(-1)?.digest ?? behind
        // What is still to come has no lower numbers than this, and segments may interleave.
        const settled = [...lines.keys()].filter((number) => number < from).length
        if (rows.length === AHEAD && settled < limit) continue
        return [...lines.values()].toSorted((a, b) => a.number - b.number).slice(0, limit)
      }
    },
  } satisfies Partial<RequestStore>
}
