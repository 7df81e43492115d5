import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { RequestQuery, RequestStore } from '../app/ports/requests.ts'
import type { Basis } from '../domain/request/basis.ts'
import type { PrincipalId, RequestId } from '../domain/ids.ts'
import { requestId } from '../domain/ids.ts'
import type { AccessRequest } from '../domain/request/request.ts'
import { endingOf, keyOf, openingOf, readRequest } from './requests-row.ts'
import type { Big, Opening, RequestRow } from './requests-row.ts'

const REVIEWS = sql`coalesce((SELECT json_agg(json_build_object('reviewer', v.reviewer, 'verdict', v.verdict, 'digest', v.digest,
  'at', v.at, 'words', v.words, 'stands_for', v.stands_for, 'at_most', v.at_most, 'rows_at_most', v.rows_at_most) ORDER BY v.at, v.reviewer) FROM review v WHERE v.request = r.number), '[]') AS reviews`
const STEPS = sql`coalesce((SELECT json_agg(json_build_object('number', t.number, 'done_at', t.done_at) ORDER BY t.number)
  FROM request_step t WHERE t.request = r.number AND t.done_at IS NOT NULL), '[]') AS steps`
const STAND_INS = sql`coalesce((SELECT json_agg(json_build_object('person', s.person, 'for', s.stands_for,
  'until', least(d.until, d.ended_at)) ORDER BY s.person)
  FROM stand_in s JOIN delegation d ON d.number = s.delegation WHERE s.request = r.number), '[]') AS stand_ins`
const COLUMNS = sql`r.number, r.requester, r.sponsor, r.resource, r.verbs, r.digest, r.revision, r.session, r.opened_at,
  r.expires_at, r.opening, r.state, r.ending, ${REVIEWS}, ${STEPS}, ${STAND_INS}`

/** The requests' own queries. `db` is a pool or a transaction; see RequestStore for the contract of each. */
export function requestQueries(db: QueryExecutorProvider) {
  const ids = async (query: ReturnType<typeof sql<{ number: Big }>>): Promise<readonly RequestId[]> =>
    (await query.execute(db)).rows.map((row) => requestId(row.number))
  const one = async (id: RequestId, lock: boolean): Promise<AccessRequest | undefined> => {
    const key = keyOf(id, 'HP')
    if (key === undefined) return undefined
    // Two steps where it is locked: reviews written by whoever held the lock before us must be seen.
    if (lock) {
      const { rows } = await sql`SELECT FROM access_request WHERE number = ${key} FOR UPDATE`.execute(db)
      if (rows.length === 0) return undefined
    }
    const { rows } = await sql<RequestRow>`SELECT ${COLUMNS} FROM access_request r WHERE r.number = ${key}`.execute(db)
    return rows[0] === undefined ? undefined : readRequest(rows[0])
  }

  return {
    async nextRequest() {
      const { rows } = await sql<{ number: Big }>`SELECT nextval('request_number') AS number`.execute(db)
      return requestId(Number(rows[0]?.number))
    },

    async insertRequest(request: AccessRequest, basis: Basis) {
      const asked = [...new Set(request.requirements.flatMap((r) => r.eligible))]
      const extended = request.subject.kind === 'extension' ? (keyOf(request.subject.grant, 'G') ?? null) : null
      await sql`INSERT INTO access_request (number, requester, sponsor, resource, verbs, kind, digest, revision, session,
          opened_at, expires_at, asked, extends, opening, checked_revision, state)
        VALUES (${keyOf(request.id, 'HP')}, ${request.requester}, ${request.sponsor ?? null}, ${request.resource},
          ${request.verbs}, ${request.subject.kind}, ${request.digest}, ${request.revision}, ${request.session ?? null},
          ${request.openedAt}, ${request.expiresAt}, ${asked}, ${extended},
          ${JSON.stringify(openingOf(request, basis))}, ${request.revision}, ${request.state})`.execute(db)
    },

    findRequest: (id: RequestId) => one(id, false),
    lockRequest: (id: RequestId) => one(id, true),

    async basisOf(id: RequestId) {
      // Read whole: PostgreSQL's own json operators refuse a text with an escaped NUL anywhere in it.
      const { rows } = await sql<{ opening: Opening }>`
        SELECT opening FROM access_request WHERE number = ${keyOf(id, 'HP')}`.execute(db)
      return rows[0]?.opening.basis
    },

    async moveRequest(request: AccessRequest) {
      const key = keyOf(request.id, 'HP')
      for (const review of request.reviews) {
        // Reviews never change, so one that is there already is the same one.
        await sql`INSERT INTO review (request, reviewer, verdict, digest, at, words, at_most, rows_at_most, stands_for)
          SELECT ${key}, ${review.by}, ${review.verdict}, ${review.digest}, ${review.at}, ${review.words ?? null}, ${review.atMost ?? null},
            ${review.rowsAtMost ?? null}, ${review.for ?? null}::text
          WHERE NOT EXISTS (SELECT FROM review WHERE request = ${key} AND reviewer = ${review.by})`.execute(db)
      }
      const ending = endingOf(request)
      if (ending === null) return
      await sql`UPDATE access_request SET state = ${request.state}, ending = ${JSON.stringify(ending)} WHERE number = ${key}`.execute(
        db,
      )
    },

    async listRequests(query: RequestQuery) {
      const part = query.sight.kind === 'part' ? query.sight : undefined
      const where = [
        ...(query.before === undefined ? [] : [sql`r.number < ${query.before}`]),
        ...(query.state === undefined ? [] : [sql`r.state = ${query.state}`]),
        ...(query.resource === undefined ? [] : [sql`r.resource = ${query.resource}`]),
        ...(query.requester === undefined ? [] : [sql`r.requester = ${query.requester}`]),
        ...(query.asked === undefined ? [] : [sql`r.asked @> ARRAY[${query.asked}]::text[]`]),
        ...(part === undefined
          ? []
          : [
              sql`(r.requester = ${part.of} OR r.sponsor = ${part.of} OR r.asked @> ARRAY[${part.of}]::text[]
                OR r.resource = ANY (${part.owned}::text[]))`,
            ]),
      ]
      const filter = where.length === 0 ? sql`true` : sql.join(where, sql` AND `)
      const { rows } = await sql<RequestRow>`
        SELECT ${COLUMNS} FROM access_request r WHERE ${filter} ORDER BY r.number DESC LIMIT ${query.limit}`.execute(db)
      return rows.map(readRequest)
    },

    pendingOfSession: (session) =>
      ids(sql`SELECT number FROM access_request WHERE session = ${session} AND state = 'pending' ORDER BY number`),
    pendingExtensionsOf: (grant) =>
      ids(
        sql`SELECT number FROM access_request WHERE extends = ${keyOf(grant, 'G')} AND state = 'pending' ORDER BY number`,
      ),
    pendingOfPrincipal: (principal) =>
      ids(sql`SELECT number FROM access_request WHERE requester = ${principal} AND state = 'pending' ORDER BY number`),
    duePending: (now, limit) =>
      ids(
        sql`SELECT number FROM access_request WHERE state = 'pending' AND expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}`,
      ),
    staleRequests: (revision, limit) =>
      ids(
        sql`SELECT number FROM access_request WHERE state = 'pending' AND checked_revision < ${revision} ORDER BY number LIMIT ${limit}`,
      ),

    async noteRequestChecked(id, revision) {
      await sql`UPDATE access_request SET checked_revision = ${revision}
        WHERE number = ${keyOf(id, 'HP')} AND checked_revision < ${revision}`.execute(db)
    },

    async changersSince(since) {
      const { rows } = await sql<{ person: PrincipalId }>`
        SELECT requester AS person FROM access_request WHERE kind = 'change' AND opened_at >= ${since}
        UNION SELECT v.reviewer FROM review v JOIN access_request r ON r.number = v.request
          WHERE r.kind = 'change' AND v.verdict = 'approve' AND v.at >= ${since}`.execute(db)
      return rows.map((row) => row.person)
    },

    async activePrincipals() {
      const { rows } = await sql<{ principal: PrincipalId }>`
        SELECT principal FROM session WHERE state = 'open'
        UNION SELECT principal FROM access_grant WHERE state IN ('provisioning', 'active')
        UNION SELECT requester FROM access_request WHERE state = 'pending'`.execute(db)
      return rows.map((row) => row.principal)
    },
  } satisfies Partial<RequestStore>
}
