import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { CutOrder } from '../app/ports/gateway.ts'
import type { RequestStore, SessionRecord, SessionTarget } from '../app/ports/requests.ts'
import type { EndReason } from '../domain/grant/grant.ts'
import type { PrincipalId, ResourceName, SessionId } from '../domain/ids.ts'
import type { CloseReason, Session, SessionCommon } from '../domain/session/session.ts'
import { at, keyOf, sessionId } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface SessionRow {
  readonly number: Big
  readonly principal: PrincipalId
  readonly resource: ResourceName
  readonly database: string
  readonly client: string
  readonly source_address: string
  readonly replica: string
  readonly target: SessionTarget
  readonly opened_at: Big
  readonly expires_at: Big | null
  readonly backend_pid: number | null
  readonly backend_started: string | null
  readonly cut: CutOrder | null
  readonly state: 'open' | 'closed'
  readonly why: CloseReason | null
  readonly closed_at: Big | null
  readonly gone_at: Big | null
}

const COLUMNS = sql`s.number, s.principal, s.resource, s.database, s.client, s.source_address, s.replica, s.target, s.opened_at, s.expires_at,
  s.backend_pid, s.backend_started, s.cut, s.state, s.why, s.closed_at, s.gone_at`

function readSession(row: SessionRow): Session {
  const common: SessionCommon = {
    id: sessionId(row.number),
    principal: row.principal,
    resource: row.resource,
    database: row.database,
    client: row.client,
    sourceAddress: row.source_address,
    openedAt: at(row.opened_at),
    ...(row.expires_at === null ? {} : { expiresAt: at(row.expires_at) }),
    ...(row.backend_pid === null ? {} : { backend: { pid: row.backend_pid, startedAt: row.backend_started ?? '' } }),
  }
  return row.closed_at === null
    ? { ...common, state: 'open' }
    : { ...common, state: 'closed', why: row.why ?? 'failed', at: at(row.closed_at) }
}

const readRecord = (row: SessionRow): SessionRecord => ({
  session: readSession(row),
  replica: row.replica,
  target: row.target,
  ...(row.cut === null ? {} : { cut: row.cut }),
  ...(row.gone_at === null ? {} : { goneAt: at(row.gone_at) }),
})

/** Sessions that used a grant which ended before its work did. */
const UNFINISHED = sql`SELECT DISTINCT ON (sg.session) sg.session, g.number, g.why, g.request FROM session_grant sg
  JOIN access_grant g ON g.number = sg.grant_of AND g.state IN ('ending', 'ended') AND g.why <> 'completed'
  JOIN session o ON o.number = sg.session AND o.state = 'open' ORDER BY sg.session, g.number`

/** The queries of sessions. */
export function sessionQueries(db: QueryExecutorProvider) {
  const all = async (query: ReturnType<typeof sql<SessionRow>>): Promise<readonly SessionRecord[]> =>
    (await query.execute(db)).rows.map(readRecord)
  const ids = async (query: ReturnType<typeof sql<{ number: Big }>>): Promise<readonly SessionId[]> =>
    (await query.execute(db)).rows.map((row) => sessionId(row.number))

  return {
    async nextSession() {
      const { rows } = await sql<{ number: Big }>`SELECT nextval('session_number') AS number`.execute(db)
      return sessionId(Number(rows[0]?.number))
    },
    async insertSession(session, of) {
      await sql`INSERT INTO session (number, principal, token, resource, database, client, source_address, replica, opened_at, expires_at, target, state)
        VALUES (${keyOf(session.id, 'S')}, ${session.principal}, ${of.token}, ${session.resource}, ${session.database}, ${session.client},
          ${session.sourceAddress}, ${of.replica}, ${session.openedAt}, ${session.expiresAt ?? null}, ${JSON.stringify(of.target)}, 'open')`.execute(
        db,
      )
    },
    findSession: async (id: SessionId) =>
      (await all(sql`SELECT ${COLUMNS} FROM session s WHERE s.number = ${keyOf(id, 'S')}`))[0],
    lockSession: async (id: SessionId) =>
      (await all(sql`SELECT ${COLUMNS} FROM session s WHERE s.number = ${keyOf(id, 'S')} FOR UPDATE`))[0],
    async attachBackend(id, backend) {
      await sql`UPDATE session SET backend_pid = ${backend.pid}, backend_started = ${backend.startedAt}
        WHERE number = ${keyOf(id, 'S')}`.execute(db)
    },
    async boundSession(id, expiresAt) {
      await sql`UPDATE session SET expires_at = least(expires_at, ${expiresAt}::bigint)
        WHERE number = ${keyOf(id, 'S')} AND state = 'open'`.execute(db)
    },
    async closeSession(id, why, now) {
      await sql`UPDATE session SET state = 'closed', why = ${why}, closed_at = ${now} WHERE number = ${keyOf(id, 'S')} AND state = 'open'`.execute(
        db,
      )
    },
    async orderCut(id, order) {
      await sql`UPDATE session SET cut = coalesce(cut, ${JSON.stringify(order)}::json) WHERE number = ${keyOf(id, 'S')} AND state = 'open'`.execute(
        db,
      )
    },
    async noteGone(id, now) {
      await sql`UPDATE session SET gone_at = coalesce(gone_at, ${now}::bigint) WHERE number = ${keyOf(id, 'S')}`.execute(
        db,
      )
    },
    async listSessions(query) {
      const where = [
        ...(query.before === undefined ? [] : [sql`s.number < ${query.before}`]),
        ...(query.open === undefined ? [] : [sql`s.state = ${query.open ? 'open' : 'closed'}`]),
        ...(query.resource === undefined ? [] : [sql`s.resource = ${query.resource}`]),
        ...(query.of === undefined
          ? []
          : [sql`(s.principal = ${query.of} OR s.resource = ANY (${query.owned ?? []}::text[]))`]),
      ]
      const filter = where.length === 0 ? sql`true` : sql.join(where, sql` AND `)
      const found = await all(
        sql`SELECT ${COLUMNS} FROM session s WHERE ${filter} ORDER BY s.number DESC LIMIT ${query.limit}`,
      )
      return found.map((record) => record.session)
    },
    async wasAsked(session, person) {
      const { rows } =
        await sql`SELECT FROM access_request WHERE session = ${session} AND asked @> ARRAY[${person}]::text[] LIMIT 1`.execute(
          db,
        )
      return rows.length > 0
    },
    openSessionsOfPrincipal: (principal) =>
      ids(sql`SELECT number FROM session WHERE principal = ${principal} AND state = 'open' ORDER BY number`),
    sessionsOfRevokedTokens: (before, limit) =>
      ids(sql`SELECT s.number FROM session s JOIN token t ON t.id = s.token
        WHERE s.state = 'open' AND s.cut IS NULL AND t.revoked_at < ${before} ORDER BY s.number LIMIT ${limit}`),
    async enterGrant(session, grant) {
      await sql`INSERT INTO session_grant (session, grant_of) VALUES (${keyOf(session, 'S')}, ${keyOf(grant, 'G')})
        ON CONFLICT DO NOTHING`.execute(db)
    },
    sessionsOfGrant: (grant) =>
      all(sql`SELECT ${COLUMNS} FROM session s JOIN session_grant sg ON sg.session = s.number
        WHERE sg.grant_of = ${keyOf(grant, 'G')} ORDER BY s.number`),

    async sessionsToCut(replica, now) {
      const { rows } = await sql<{
        number: Big
        cut: CutOrder | null
        expires_at: Big | null
        grant_number: Big | null
        why: EndReason | null
        request: Big | null
      }>`
        WITH unfinished AS MATERIALIZED (${UNFINISHED})
        SELECT s.number, s.cut, s.expires_at, u.number AS grant_number, u.why, u.request
        FROM session s LEFT JOIN unfinished u ON u.session = s.number
        WHERE s.state = 'open' AND (${replica ?? null}::text IS NULL OR s.replica = ${replica ?? null})
          AND (s.cut IS NOT NULL OR s.expires_at <= ${now} OR u.session IS NOT NULL)`.execute(db)
      return rows.map((row) => ({ session: sessionId(row.number), order: orderOf(row) }))
    },

    sessionsLeft: (limit) =>
      all(sql`SELECT ${COLUMNS} FROM session s
        WHERE s.state = 'closed' AND s.gone_at IS NULL AND s.backend_pid IS NOT NULL
          AND (s.why IN ('cut', 'expired', 'gateway_died', 'failed')
            OR EXISTS (SELECT FROM session_grant sg JOIN access_grant g ON g.number = sg.grant_of
                       WHERE sg.session = s.number AND g.state = 'ending'))
        ORDER BY s.closed_at LIMIT ${limit}`),

    async startReplica(id, now, about) {
      await sql`INSERT INTO replica (id, started_at, heartbeat_at, roles, certificate)
        VALUES (${id}, ${now}, ${now}, ${about?.roles ?? []}, ${about?.certificate ?? null})`.execute(db)
    },
    async heartbeat(id, now) {
      const { rows } = await sql`UPDATE replica SET heartbeat_at = greatest(heartbeat_at, ${now}::bigint)
        WHERE id = ${id} AND ended_at IS NULL RETURNING id`.execute(db)
      return rows.length === 1
    },
    async silentReplicas(before, limit) {
      const { rows } = await sql<{ id: string; heartbeat_at: Big }>`SELECT id, heartbeat_at FROM replica
        WHERE ended_at IS NULL AND heartbeat_at < ${before} ORDER BY heartbeat_at LIMIT ${limit}`.execute(db)
      return rows.map((row) => ({ id: row.id, heartbeatAt: at(row.heartbeat_at) }))
    },
    async endSilentReplica(id, heartbeatAt, now) {
      const { rows } = await sql`UPDATE replica SET ended_at = ${now}
        WHERE id = ${id} AND ended_at IS NULL AND heartbeat_at = ${heartbeatAt} RETURNING id`.execute(db)
      return rows.length === 1
    },
    async livingReplicas(since) {
      const { rows } = await sql<{ id: string; roles: string[]; certificate: string | null }>`
        SELECT id, roles, certificate FROM replica WHERE ended_at IS NULL AND heartbeat_at >= ${since}
        ORDER BY started_at, id`.execute(db)
      return rows.map(({ certificate, ...row }) => (certificate === null ? row : { ...row, certificate }))
    },
    async endAllReplicas(now) {
      await sql`UPDATE replica SET ended_at = ${now} WHERE ended_at IS NULL`.execute(db)
    },
    async skipNumbers(count) {
      await sql`SELECT setval(name, nextval(name) + ${count}::bigint)
        FROM unnest(ARRAY['request_number', 'grant_number', 'session_number']::regclass[]) AS name`.execute(db)
    },
    async endReplica(id, now) {
      await sql`UPDATE replica SET ended_at = ${now} WHERE id = ${id} AND ended_at IS NULL`.execute(db)
    },
    openSessionsOfReplica: (replica, limit) =>
      ids(sql`SELECT number FROM session WHERE replica = ${replica} AND state = 'open' ORDER BY number LIMIT ${limit}`),
    async endedReplicasWithSessions() {
      const { rows } = await sql<{ id: string }>`SELECT r.id FROM replica r WHERE r.ended_at IS NOT NULL
        AND EXISTS (SELECT FROM session s WHERE s.replica = r.id AND s.state = 'open')`.execute(db)
      return rows.map((row) => row.id)
    },
  } satisfies Partial<RequestStore>
}

/** What the client is told. The order that somebody gave comes first, then the grant's end, then the session's own. */
function orderOf(row: {
  readonly cut: CutOrder | null
  readonly grant_number: Big | null
  readonly why: EndReason | null
  readonly request: Big | null
}): CutOrder {
  if (row.cut !== null) return row.cut
  if (row.grant_number === null || row.why === null || row.why === 'completed')
    return { why: 'the time of this session is up', reason: 'expired' }
  return { why: `HP-${row.request} ended (${row.why})`, reason: row.why }
}
