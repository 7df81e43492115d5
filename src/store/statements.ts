import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { RequestStore } from '../app/ports/requests.ts'
import type { SessionId } from '../domain/ids.ts'
import type { StatementEntry } from '../domain/session/session.ts'
import type { Verb } from '../domain/verb.ts'
import { at, keyOf } from './requests-row.ts'
import type { Big } from './requests-row.ts'

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

/** As json_to_recordset reads it. What a target said of itself (rows, SQLSTATE) is not trusted to be what it should. */
const toRow = (e: StatementEntry) => ({
  session: keyOf(e.session, 'S'),
  number: e.number,
  at: e.at,
  verbs: e.verbs,
  decision: e.decision,
  rules: e.rules,
  request: e.request ?? null,
  text: storable(e.text),
  objects: e.objects.map(storable),
  rows: Number.isSafeInteger(e.rows) ? e.rows : null,
  duration_micros: Number.isFinite(e.durationMicros) ? Math.round(e.durationMicros) : 0,
  outcome: e.outcome,
  sqlstate: e.sqlstate === undefined ? null : storable(e.sqlstate),
})

/** A NUL is the one character that PostgreSQL's text cannot hold, and a lone surrogate is none. */
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')

/** One round trip however many; a number that is there already stays as it was, so a batch may be sent again. */
async function insert(db: QueryExecutorProvider, rows: string): Promise<void> {
  await sql`INSERT INTO statement (session, number, at, verbs, decision, rules, request, text, objects, rows, duration_micros, outcome, sqlstate)
    SELECT x.session, x.number, x.at, ARRAY(SELECT json_array_elements_text(x.verbs)), x.decision,
      ARRAY(SELECT json_array_elements_text(x.rules)), x.request, x.text, ARRAY(SELECT json_array_elements_text(x.objects)),
      x.rows, x.duration_micros, x.outcome, x.sqlstate
    FROM json_to_recordset(${rows}::json) AS x(session bigint, number integer, at bigint, verbs json, decision text, rules json,
      request text, text text, objects json, rows bigint, duration_micros bigint, outcome text, sqlstate text)
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
      const rows = entries.map(toRow)
      await insert(db, JSON.stringify(rows))
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
