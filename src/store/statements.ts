import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { RequestStore } from '../app/ports/requests.ts'
import type { SessionId } from '../domain/ids.ts'
import type { StatementEntry } from '../domain/session/session.ts'
import type { Verb } from '../domain/verb.ts'
import { at, keyOf } from './requests-row.ts'
import type { Big } from './requests-row.ts'
import { packStatements } from './statement-batch.ts'
import type { StatementBatch } from './statement-batch.ts'

interface StatementRow {
  readonly number: number
  readonly at: Big
  readonly verbs: readonly Verb[]
  readonly decision: StatementEntry['decision']
  readonly rules: readonly string[]
  readonly request: string | null
  readonly text: string
  readonly objects: readonly string[]
  readonly rows: Big | null
  readonly duration_micros: Big
  readonly outcome: StatementEntry['outcome']
  readonly sqlstate: string | null
}

/** One round trip however many; a number that is there already stays as it was, so a batch may be sent again. */
async function insert(db: QueryExecutorProvider, batch: StatementBatch): Promise<void> {
  await sql`WITH common AS MATERIALIZED (
      SELECT place, ARRAY(SELECT json_array_elements_text(verbs)) AS verbs, decision,
        ARRAY(SELECT json_array_elements_text(rules)) AS rules, request, text,
        ARRAY(SELECT json_array_elements_text(objects)) AS objects, outcome, sqlstate
      FROM json_to_recordset(${batch.common}::json) AS c(place integer, verbs json, decision text, rules json, request text,
        text text, objects json, outcome text, sqlstate text))
    INSERT INTO statement (session, number, at, verbs, decision, rules, request, text, objects, rows, duration_micros, outcome, sqlstate)
    SELECT x.session, x.number, x.at, c.verbs, c.decision, c.rules, c.request, c.text, c.objects, x.rows, x.micros, c.outcome, c.sqlstate
    FROM unnest(${batch.session}::bigint[], ${batch.number}::integer[], ${batch.at}::bigint[], ${batch.place}::integer[],
      ${batch.rows}::bigint[], ${batch.micros}::bigint[]) AS x(session, number, at, place, rows, micros)
    JOIN common c ON c.place = x.place
    JOIN session s ON s.number = x.session
    ON CONFLICT DO NOTHING`.execute(db)
}

const readStatement = (session: SessionId, row: StatementRow): StatementEntry => ({
  session,
  number: row.number,
  at: at(row.at),
  verbs: row.verbs,
  decision: row.decision,
  rules: row.rules,
  ...(row.request === null ? {} : { request: row.request }),
  text: row.text,
  objects: row.objects,
  ...(row.rows === null ? {} : { rows: Number(row.rows) }),
  durationMicros: Number(row.duration_micros),
  outcome: row.outcome,
  ...(row.sqlstate === null ? {} : { sqlstate: row.sqlstate }),
})

/** The queries of the statement record. */
export function statementQueries(db: QueryExecutorProvider) {
  return {
    async insertStatements(entries) {
      if (entries.length === 0) return
      await insert(db, packStatements(entries))
    },
    async listStatements(session, after, limit): Promise<readonly StatementEntry[]> {
      const { rows } = await sql<StatementRow>`
        SELECT number, at, verbs, decision, rules, request, text, objects, rows, duration_micros, outcome, sqlstate
        FROM statement WHERE session = ${keyOf(session, 'S')} AND number > ${after} ORDER BY number LIMIT ${limit}`.execute(
        db,
      )
      return rows.map((row) => readStatement(session, row))
    },
  } satisfies Partial<RequestStore>
}
