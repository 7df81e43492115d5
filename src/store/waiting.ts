import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { Delegation, WaitingStore } from '../app/ports/waiting.ts'
import type { PrincipalId, RequestId } from '../domain/ids.ts'
import { requestId } from '../domain/ids.ts'
import { at, keyOf } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface DelegationRow {
  readonly number: Big
  readonly person: PrincipalId
  readonly hands_to: PrincipalId
  readonly made_at: Big
  readonly until: Big
}
const readDelegation = (row: DelegationRow): Delegation => ({
  number: Number(row.number),
  person: row.person,
  to: row.hands_to,
  madeAt: at(row.made_at),
  until: at(row.until),
})

/** See WaitingStore for the contract of each. */
export function waitingStore(db: QueryExecutorProvider): WaitingStore {
  const ask = async (request: RequestId, people: readonly string[]): Promise<void> => {
    await sql`UPDATE access_request SET asked = asked || ARRAY(
        SELECT DISTINCT person FROM unnest(${people}::text[]) AS person WHERE NOT person = ANY (asked) ORDER BY person)
      WHERE number = ${keyOf(request, 'HP')} AND NOT asked @> ${people}::text[]`.execute(db)
  }
  const requests = async (query: ReturnType<typeof sql<{ number: Big }>>): Promise<readonly RequestId[]> =>
    (await query.execute(db)).rows.map((row) => requestId(row.number))

  return {
    async planSteps(request, steps) {
      if (steps.length === 0) return
      await sql`INSERT INTO request_step (request, number, due_at, people)
        SELECT ${keyOf(request, 'HP')}, s.number, s.at, s.people
        FROM json_to_recordset(${JSON.stringify(steps)}::text::json) AS s (number integer, at bigint, people text[])`.execute(
        db,
      )
    },
    async takeStep(request, number, now) {
      const { rows } = await sql<{ people: readonly string[] }>`UPDATE request_step SET done_at = ${now}
        WHERE request = ${keyOf(request, 'HP')} AND number = ${number} AND done_at IS NULL RETURNING people`.execute(db)
      const [taken] = rows
      if (taken === undefined) return false
      if (taken.people.length > 0) await ask(request, taken.people)
      return true
    },
    overdueSteps: (before, limit) =>
      requests(sql`SELECT number FROM access_request WHERE state = 'pending' AND number IN (
          SELECT request FROM request_step WHERE done_at IS NULL AND due_at < ${before})
        ORDER BY number LIMIT ${limit}`),

    async insertDelegation({ person, to, madeAt, until }) {
      await sql`UPDATE delegation SET ended_at = ${madeAt} WHERE person = ${person} AND ended_at IS NULL`.execute(db)
      const { rows } = await sql<DelegationRow>`INSERT INTO delegation (number, person, hands_to, made_at, until)
        VALUES (nextval('delegation_number'), ${person}, ${to}, ${madeAt}, ${until}) RETURNING *`.execute(db)
      const [row] = rows
      if (row === undefined) throw new Error('the delegation has no row')
      return readDelegation(row)
    },
    async endDelegation(person, now) {
      const { rows } = await sql<{ until: Big }>`UPDATE delegation SET ended_at = ${now}
        WHERE person = ${person} AND ended_at IS NULL RETURNING until`.execute(db)
      return rows.some((row) => Number(row.until) > now)
    },
    async delegationsOf(people, now, to) {
      const theirs = sql`person = ANY (${people}::text[])`
      const { rows } = await sql<DelegationRow>`SELECT * FROM delegation
        WHERE ended_at IS NULL AND until > ${now}
          AND ${to === undefined ? theirs : sql`(${theirs} OR hands_to = ANY (${people}::text[]))`}
        ORDER BY person`.execute(db)
      return rows.map(readDelegation)
    },
    pendingAsking: (person, limit) =>
      requests(sql`SELECT number FROM access_request
        WHERE state = 'pending' AND kind <> 'change' AND asked @> ARRAY[${person}]::text[] ORDER BY number LIMIT ${limit}`),
    async insertStandIn(request, { person, for: standsFor }, delegation) {
      const { rows } = await sql`INSERT INTO stand_in (request, person, stands_for, delegation)
        VALUES (${keyOf(request, 'HP')}, ${person}, ${standsFor}, ${delegation})
        ON CONFLICT DO NOTHING RETURNING request`.execute(db)
      if (rows.length === 0) return false
      await ask(request, [person])
      return true
    },
  }
}
