import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { Execution, RequestStore } from '../app/ports/requests.ts'
import type { EndReason, ExecutionState, Grant, GrantCommon, GrantState } from '../domain/grant/grant.ts'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, SessionId } from '../domain/ids.ts'
import type { Done, Touched } from '../domain/request/divergence.ts'
import { requestId } from '../domain/ids.ts'
import type { Scope } from '../domain/policy/decision.ts'
import type { Instant } from '../domain/time.ts'
import type { Verb } from '../domain/verb.ts'
import { at, grantId, keyOf, sessionId } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface GrantRow {
  readonly number: Big
  readonly request: Big
  readonly principal: PrincipalId
  readonly resource: ResourceName
  readonly verbs: readonly Verb[]
  readonly scope: Scope
  readonly session: SessionId | null
  readonly digest: Digest
  readonly met: GrantCommon['met']
  readonly revision: Big
  readonly starts_at: Big
  readonly expires_at: Big
  readonly state: GrantState
  readonly why: EndReason | null
  readonly since: Big | null
  readonly ended_at: Big | null
  readonly rows_at_most: Big | null
  readonly role: string | null
}

const COLUMNS = sql`number, request, principal, resource, verbs, scope, session, digest, met, revision, starts_at, expires_at,
  state, why, since, ended_at, rows_at_most, role`

interface ExecutionRow {
  readonly request: Big
  readonly grant_of: Big
  readonly session: Big | null
  readonly state: ExecutionState
  readonly rows: Big | null
  readonly sqlstate: string | null
  readonly duration_micros: Big | null
  readonly touched: readonly Touched[] | null
  readonly over_cap: boolean
  readonly partly: boolean
}

function readExecution(row: ExecutionRow): Execution {
  const common = {
    request: requestId(row.request),
    grant: grantId(row.grant_of),
    state: row.state,
    ...(row.session === null ? {} : { session: sessionId(row.session) }),
  }
  if (row.state === 'ready' || row.state === 'started') return common
  const done: Done = {
    outcome: row.state,
    ...(row.rows === null ? {} : { rows: Number(row.rows) }),
    ...(row.sqlstate === null ? {} : { sqlstate: row.sqlstate }),
    ...(row.duration_micros === null ? {} : { durationMicros: Number(row.duration_micros) }),
    ...(row.touched === null ? {} : { touched: row.touched }),
    ...(row.over_cap ? { overCap: true as const } : {}),
    ...(row.partly ? { partly: true as const } : {}),
  }
  return { ...common, done }
}

/** @throws when a row's state and its data do not fit; the table's checks do not let it happen. */
function readGrant(row: GrantRow): Grant {
  const common: GrantCommon = {
    id: grantId(row.number),
    request: requestId(row.request),
    principal: row.principal,
    resource: row.resource,
    verbs: row.verbs,
    scope: row.scope,
    ...(row.session === null ? {} : { session: row.session }),
    digest: row.digest,
    met: row.met,
    ...(row.rows_at_most === null ? {} : { rowsAtMost: Number(row.rows_at_most) }),
    ...(row.role === null ? {} : { role: row.role }),
    revision: Number(row.revision) as Revision,
    startsAt: at(row.starts_at),
    expiresAt: at(row.expires_at),
  }
  if (row.state === 'provisioning' || row.state === 'active') return { ...common, state: row.state }
  if (row.why === null || row.since === null) throw new Error(`${common.id} does not say why it ended`)
  if (row.state === 'ending') return { ...common, state: 'ending', why: row.why, since: at(row.since) }
  return { ...common, state: 'ended', why: row.why, at: at(row.ended_at ?? row.since) }
}

/** The queries of grants and of their executions. */
export function grantQueries(db: QueryExecutorProvider) {
  const ids = async (query: ReturnType<typeof sql<{ number: Big }>>): Promise<readonly GrantId[]> =>
    (await query.execute(db)).rows.map((row) => grantId(row.number))
  const all = async (query: ReturnType<typeof sql<GrantRow>>): Promise<readonly Grant[]> =>
    (await query.execute(db)).rows.map(readGrant)
  const executions = async (requests: readonly RequestId[]): Promise<readonly Execution[]> => {
    if (requests.length === 0) return []
    const { rows } = await sql<ExecutionRow>`
      SELECT request, grant_of, session, state, rows, sqlstate, duration_micros, touched, over_cap, partly
      FROM execution WHERE request = ANY (${requests.map((id) => keyOf(id, 'HP'))}::bigint[])`.execute(db)
    return rows.map(readExecution)
  }

  return {
    async nextGrant() {
      const { rows } = await sql<{ number: Big }>`SELECT nextval('grant_number') AS number`.execute(db)
      return grantId(Number(rows[0]?.number))
    },
    async insertGrant(grant: Grant) {
      await sql`INSERT INTO access_grant (number, request, principal, resource, verbs, scope, session, digest, met, revision,
          checked_revision, starts_at, expires_at, rows_at_most, role, state)
        VALUES (${keyOf(grant.id, 'G')}, ${keyOf(grant.request, 'HP')}, ${grant.principal}, ${grant.resource}, ${grant.verbs},
          ${grant.scope}, ${grant.session ?? null}, ${grant.digest}, ${JSON.stringify(grant.met)}, ${grant.revision},
          ${grant.revision}, ${grant.startsAt}, ${grant.expiresAt}, ${grant.rowsAtMost ?? null}, ${grant.role ?? null}, ${grant.state})`.execute(
        db,
      )
    },
    findGrant: async (id: GrantId) =>
      (await all(sql`SELECT ${COLUMNS} FROM access_grant WHERE number = ${keyOf(id, 'G')}`))[0],
    lockGrant: async (id: GrantId) =>
      (await all(sql`SELECT ${COLUMNS} FROM access_grant WHERE number = ${keyOf(id, 'G')} FOR UPDATE`))[0],
    grantsOf: async (requests) =>
      requests.length === 0
        ? []
        : all(
            sql`SELECT ${COLUMNS} FROM access_grant WHERE request = ANY (${requests.map((id) => keyOf(id, 'HP'))}::bigint[])`,
          ),
    async moveGrant(grant: Grant) {
      const why = grant.state === 'ending' || grant.state === 'ended' ? grant.why : null
      const since = grant.state === 'ending' ? grant.since : null
      const ended = grant.state === 'ended' ? grant.at : null
      await sql`UPDATE access_grant SET state = ${grant.state}, why = ${why}, since = coalesce(since, ${since}::bigint),
        ended_at = ${ended}, expires_at = ${grant.expiresAt} WHERE number = ${keyOf(grant.id, 'G')}`.execute(db)
    },
    liveGrants: (principal, resource) =>
      all(
        sql`SELECT ${COLUMNS} FROM access_grant WHERE principal = ${principal} AND resource = ${resource} AND state = 'active' ORDER BY number FOR SHARE`,
      ),
    openGrantsOfSession: (session) =>
      ids(
        sql`SELECT number FROM access_grant WHERE session = ${session} AND state IN ('provisioning', 'active') ORDER BY number`,
      ),
    openGrantsOfPrincipal: (principal) =>
      ids(
        sql`SELECT number FROM access_grant WHERE principal = ${principal} AND state IN ('provisioning', 'active') ORDER BY number`,
      ),
    dueGrants: (now, limit) =>
      ids(
        sql`SELECT number FROM access_grant WHERE state IN ('provisioning', 'active') AND expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}`,
      ),
    endingGrants: (limit) =>
      all(sql`SELECT ${COLUMNS} FROM access_grant WHERE state = 'ending' ORDER BY since LIMIT ${limit}`),
    staleGrants: (revision, limit) =>
      ids(
        sql`SELECT number FROM access_grant WHERE state = 'active' AND scope <> 'once' AND checked_revision < ${revision} ORDER BY number LIMIT ${limit}`,
      ),
    async noteGrantChecked(id, revision) {
      await sql`UPDATE access_grant SET checked_revision = ${revision}
        WHERE number = ${keyOf(id, 'G')} AND state = 'active' AND checked_revision < ${revision}`.execute(db)
    },
    async nextDue() {
      const { rows } = await sql<{ due: Big | null }>`SELECT least(
        (SELECT min(expires_at) FROM access_request WHERE state = 'pending'),
        (SELECT min(expires_at) FROM access_grant WHERE state IN ('provisioning', 'active')),
        (SELECT min(expires_at) FROM session WHERE state = 'open')) AS due`.execute(db)
      const due = rows[0]?.due
      return due === null || due === undefined ? undefined : at(due)
    },
    async openCounts() {
      const { rows } = await sql<{ resource: ResourceName; grants: Big; pending: Big }>`
        SELECT resource, count(*) FILTER (WHERE what = 'grant') AS grants, count(*) FILTER (WHERE what = 'request') AS pending
        FROM (SELECT resource, 'grant' AS what FROM access_grant WHERE state IN ('provisioning', 'active')
              UNION ALL SELECT resource, 'request' FROM access_request WHERE state = 'pending') open
        GROUP BY resource`.execute(db)
      return rows.map((row) => ({ resource: row.resource, grants: Number(row.grants), pending: Number(row.pending) }))
    },

    async insertExecution(request, grant) {
      await sql`INSERT INTO execution (request, grant_of, state) VALUES (${keyOf(request, 'HP')}, ${keyOf(grant, 'G')}, 'ready')`.execute(
        db,
      )
    },
    findExecution: async (request) => (await executions([request]))[0],
    executionsOf: (requests) => executions(requests),
    async startExecution(request, session, now: Instant) {
      const { rows } =
        await sql`UPDATE execution SET state = 'started', session = ${keyOf(session, 'S')}, started_at = ${now}
        WHERE request = ${keyOf(request, 'HP')} AND state = 'ready' RETURNING request`.execute(db)
      return rows.length === 1
    },
    async endExecution(request, now, result) {
      const { rows } =
        await sql`UPDATE execution SET state = ${result.outcome}, ended_at = ${now}, rows = ${result.rows ?? null}, sqlstate = ${result.sqlstate ?? null},
          duration_micros = ${result.durationMicros ?? null}, over_cap = ${result.overCap === true}, partly = ${result.partly === true},
          touched = ${result.touched === undefined ? null : JSON.stringify(result.touched)}
        WHERE request = ${keyOf(request, 'HP')} AND state = 'started' RETURNING request`.execute(db)
      return rows.length === 1
    },
    async startedOfSession(session) {
      const { rows } = await sql<{ request: Big }>`
        SELECT request FROM execution WHERE session = ${keyOf(session, 'S')} AND state = 'started' ORDER BY request`.execute(
        db,
      )
      return rows.map((row) => requestId(row.request))
    },
  } satisfies Partial<RequestStore>
}
