import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { RecordedEntry, RecordFilter, RecordReader, RecordWriter } from '../app/ports/store.ts'
import { canonicalBytes } from '../domain/canonical.ts'
import type { Entry } from '../domain/ledger/entry.ts'
import { commitTo, leafBytes, SALT_LENGTH } from '../domain/ledger/leaf.ts'
import type { Instant } from '../domain/time.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'
import { inSight } from './record-sight.ts'

/** The canonical bytes of an entry (RFC 8785): what its leaf commits to. */
export const entryBytes = ({ kind, subject, actor, resource, body }: Entry, at: Instant): Buffer =>
  Buffer.from(canonicalBytes({ kind, subject, actor, resource, at, body }))

/**
 * Appends inside a transaction whose time is `now`, and notes each subject in `subjects`, to be woken after the commit.
 * INVARIANT: rows of `record` are written here alone, each with its leaf and its place in the ledger's queue.
 */
export function recordWriter(executor: Executor, now: Instant, subjects: Set<string>): RecordWriter {
  return {
    async append(entry) {
      const body = entryBytes(entry, now)
      const salt = randomBytes(SALT_LENGTH)
      const leaf = Buffer.from(leafBytes(entry, now, commitTo(salt, body)))
      const { rows } = await sql<{ seq: number }>`WITH written AS (
          INSERT INTO record (at, kind, subject, actor, resource, body, salt, leaf)
          VALUES (${now}, ${entry.kind}, ${entry.subject}, ${entry.actor ?? null}, ${entry.resource ?? null}, ${body}, ${salt}, ${leaf})
          RETURNING seq)
        INSERT INTO ledger_queue SELECT seq FROM written RETURNING seq`.execute(executor)
      const [row] = rows
      if (row === undefined) throw new Error('an entry was written and has no place')
      subjects.add(entry.subject)
      return row.seq
    },
  }
}

interface Row {
  readonly xid: string
  readonly seq: number
  readonly at: number
  /** Empty once erased. */
  readonly body: Buffer
  readonly kind: string
  readonly subject: string
  readonly actor: string | null
  readonly resource: string | null
  readonly index: number | null
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
      const { rows } = await sql<Row>`SELECT ${COLUMNS} FROM record LEFT JOIN ledger_leaf USING (seq)
        WHERE (xid, seq) > (${from.xid}::xid8, ${from.seq}::bigint) AND xid < ${before}::xid8 AND ${matching(filter)}
        ORDER BY record.xid, seq LIMIT ${limit}`.execute(executor)
      return rows.map(recorded)
    },
    async last(limit, filter = {}) {
      const before = filter.before === undefined ? await horizon() : parseCursor(filter.before).xid
      const { rows } = await sql<Row>`SELECT ${COLUMNS} FROM record LEFT JOIN ledger_leaf USING (seq)
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

const COLUMNS = sql`xid::text AS xid, seq, at, body, kind, subject, actor, resource, ledger_leaf.index`

/** The stored bytes are the entry; the columns only find it, and say what an erased one was. */
function recorded({ xid, seq, at, body, index, kind, subject, actor, resource }: Row): RecordedEntry {
  const entry: Entry =
    body.length > 0
      ? (JSON.parse(body.toString('utf8')) as Entry)
      : {
          kind,
          subject,
          ...(actor === null ? {} : { actor }),
          ...(resource === null ? {} : { resource }),
          body: { erased: true },
        }
  return { ...entry, at: instant(at), cursor: formatCursor({ xid, seq }), ...(index === null ? {} : { index }) }
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
