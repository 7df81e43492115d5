import { sql } from 'kysely'
import type { DocumentChanges, DocumentStore, Proposal, RevisionInfo, StoredDocument } from '../app/ports/documents.ts'
import { requestId, type PrincipalId, type RequestId, type Revision } from '../domain/ids.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

interface DocumentRow {
  readonly kind: string
  readonly name: string
  readonly body: Readonly<Record<string, unknown>>
  readonly path: string | null
  readonly line: number | null
  readonly since: number
}
interface RevisionRow {
  readonly number: number
  readonly at: number
  readonly by: string
  readonly summary: readonly string[]
  readonly unreviewed: boolean
  readonly reason: string | null
  readonly request: number | null
}

/** Documents and their revisions; see DocumentStore for the contract of each. */
export function documentStore(executor: Executor): DocumentStore {
  const head = async (lock: boolean): Promise<Revision> => {
    const { rows } = await sql<{
      number: number
    }>`SELECT number FROM revision_head ${lock ? sql`FOR UPDATE` : sql``}`.execute(executor)
    const number = rows[0]?.number
    if (number === undefined) throw new Error('the head of the revisions has no row')
    return number as Revision
  }
  return {
    currentRevision: () => head(false),
    lockRevision: () => head(true),
    async documentsAt(revision) {
      const { rows } = await sql<DocumentRow>`SELECT kind, name, body, path, line, since FROM document
        WHERE since <= ${revision} AND (until IS NULL OR until > ${revision}) ORDER BY kind, name`.execute(executor)
      return rows.map(readDocument)
    },
    async insertRevision(info, changes) {
      const request = info.request === undefined ? null : numberOf(info.request)
      await sql`INSERT INTO revision (number, at, by, summary, unreviewed, reason, request)
        VALUES (${info.revision}, ${info.at}, ${info.by}, ${[...info.summary]}::text[], ${info.unreviewed}, ${info.reason ?? null}, ${request})`.execute(
        executor,
      )
      await sql`UPDATE revision_head SET number = ${info.revision}`.execute(executor)
      await writeDocuments(executor, info.revision, changes)
    },
    async findRevision(revision) {
      const { rows } = await sql<RevisionRow>`SELECT * FROM revision WHERE number = ${revision}`.execute(executor)
      return rows[0] === undefined ? undefined : readRevision(rows[0])
    },
    async listRevisions(before, limit) {
      const { rows } = await sql<RevisionRow>`SELECT * FROM revision
        WHERE ${before === undefined ? sql`true` : sql`number < ${before}`} ORDER BY number DESC LIMIT ${limit}`.execute(
        executor,
      )
      return rows.map(readRevision)
    },
    async insertProposal(request, proposal) {
      await sql`INSERT INTO proposal (request, base, changes)
        VALUES (${numberOf(request)}, ${proposal.base}, ${JSON.stringify(proposal.changes)}::json)`.execute(executor)
    },
    async findProposal(request) {
      const { rows } = await sql<{ base: number; changes: Proposal['changes'] }>`SELECT base, changes FROM proposal
        WHERE request = ${numberOf(request)}`.execute(executor)
      const row = rows[0]
      return row && { base: row.base as Revision, changes: row.changes }
    },
  }
}

async function writeDocuments(executor: Executor, revision: Revision, { put, remove }: DocumentChanges): Promise<void> {
  const ended = [...put, ...remove].map(({ kind, name }) => ({ kind, name }))
  await sql`UPDATE document AS d SET until = ${revision}
    FROM json_to_recordset(${JSON.stringify(ended)}::json) AS gone (kind text, name text)
    WHERE d.kind = gone.kind AND d.name = gone.name AND d.until IS NULL`.execute(executor)
  if (put.length === 0) return
  await sql`INSERT INTO document (kind, name, since, body, path, line)
    SELECT kind, name, ${revision}, body, path, line
    FROM json_to_recordset(${JSON.stringify(put)}::json) AS new (kind text, name text, body json, path text, line integer)`.execute(
    executor,
  )
}

const readDocument = (row: DocumentRow): StoredDocument => ({
  kind: row.kind,
  name: row.name,
  body: row.body,
  since: row.since as Revision,
  ...(row.path === null ? {} : { path: row.path }),
  ...(row.line === null ? {} : { line: row.line }),
})

const readRevision = (row: RevisionRow): RevisionInfo => ({
  revision: row.number as Revision,
  at: instant(row.at),
  by: row.by as PrincipalId,
  summary: row.summary,
  unreviewed: row.unreviewed,
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.request === null ? {} : { request: requestId(row.request) }),
})

const numberOf = (request: RequestId): number => Number(request.slice('HP-'.length))
