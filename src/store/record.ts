import { sql } from 'kysely'
import type { RecordedEntry, RecordFilter, RecordReader, RecordWriter } from '../app/ports/store.ts'
import { canonicalBytes } from '../domain/canonical.ts'
import type { Entry } from '../domain/ledger/entry.ts'
import type { Instant } from '../domain/time.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'
import { inSight } from './record-sight.ts'

/** The canonical bytes of an entry (RFC 8785): what a log of the record is built over. */
export const entryBytes = ({ kind, subject, actor, resource, body }: Entry, at: Instant): Buffer =>
  Buffer.from(canonicalBytes({ kind, subject, actor, resource, at, body }))

/**
 * Appends inside a transaction whose time is `now`, and notes each subject in `subjects`, to be woken after the commit.
 * INVARIANT: rows of `record` are written here alone, and never changed: a log takes them over from `after`.
 */
export function recordWriter(executor: Executor, now: Instant, subjects: Set<string>): RecordWriter {
  return {
    async append(entry) {
      const body = entryBytes(entry, now)
      await sql`INSERT INTO record (at, kind, subject, actor, resource, body, digest)
        VALUES (${now}, ${entry.kind}, ${entry.subject}, ${entry.actor ?? null}, ${entry.resource ?? null}, ${body}, sha256(${body}))`.execute(
        executor,
      )
      subjects.add(entry.subject)
    },
  }
}

interface Row {
  readonly xid: string
  readonly seq: number
  readonly at: number
  readonly body: Buffer
}

/**
 * Reads in the order (xid, seq), only below the horizon: every transaction with a smaller xid has ended, so nothing
 * can appear later behind a cursor that was given out.
 */
export function recordReader(executor: Executor): RecordReader {
  const horizon = async (): Promise<string> => {
    // A statement of its own: the rows must be read with a snapshot that is taken after it.
    const { rows } = await sql<{ horizon: string }>`SELECT record_horizon()::text AS horizon`.execute(executor)
    return rows[0]?.horizon ?? '0'
  }
  return {
    async after(cursor, limit, filter = {}) {
      const from = cursor === undefined ? { xid: '0', seq: 0 } : parseCursor(cursor)
      const before = filter.before === undefined ? await horizon() : parseCursor(filter.before).xid
      const { rows } = await sql<Row>`SELECT xid::text AS xid, seq, at, body FROM record
        WHERE (xid, seq) > (${from.xid}::xid8, ${from.seq}::bigint) AND xid < ${before}::xid8 AND ${matching(filter)}
        ORDER BY record.xid, seq LIMIT ${limit}`.execute(executor)
      return rows.map(recorded)
    },
    async last(limit, filter = {}) {
      const before = filter.before === undefined ? await horizon() : parseCursor(filter.before).xid
      const { rows } = await sql<Row>`SELECT xid::text AS xid, seq, at, body FROM record
        WHERE xid < ${before}::xid8 AND ${matching(filter)}
        ORDER BY record.xid DESC, seq DESC LIMIT ${limit}`.execute(executor)
      return rows.map(recorded).toReversed()
    },
    settled: async () => formatCursor({ xid: await horizon(), seq: 0 }),
  }
}

function matching({ resource, subject, kinds, sight }: RecordFilter): ReturnType<typeof sql<boolean>> {
  const parts = [sql<boolean>`true`]
  if (resource !== undefined) parts.push(sql`record.resource = ${resource}`)
  if (subject !== undefined) parts.push(sql`record.subject = ${subject}`)
  if (kinds !== undefined) parts.push(sql`record.kind = ANY(${kinds}::text[])`)
  if (sight !== undefined) parts.push(inSight(sight))
  return sql`${sql.join(parts, sql` AND `)}`
}

/** The stored bytes are the entry; the columns only find it. */
function recorded({ xid, seq, at, body }: Row): RecordedEntry {
  const entry = JSON.parse(body.toString('utf8')) as Entry
  return { ...entry, at: instant(at), cursor: formatCursor({ xid, seq }) }
}

const formatCursor = ({ xid, seq }: Pick<Row, 'xid' | 'seq'>): string =>
  `${BigInt(xid).toString(16).padStart(16, '0')}${seq.toString(16).padStart(14, '0')}`

/** Throws on what `formatCursor` did not write; `isCursor` asks first. */
function parseCursor(cursor: string): { readonly xid: string; readonly seq: number } {
  if (!isCursor(cursor)) throw new RangeError('not a cursor of the record')
  return { xid: BigInt(`0x${cursor.slice(0, 16)}`).toString(), seq: Number.parseInt(cursor.slice(16), 16) }
}

/** Sixteen hexadecimal digits of the transaction, fourteen of the row; seq stays below 2^53. */
const isCursor = (text: string): boolean => /^[0-7][0-9a-f]{15}0[01][0-9a-f]{12}$/.test(text)
