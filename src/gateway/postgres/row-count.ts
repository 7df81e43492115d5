import type { Work } from '../../app/gateway/work.ts'
import { changesRows } from '../../domain/policy/row-cap.ts'
import type { Touched } from '../../domain/request/divergence.ts'
import { readJson } from './target-state.ts'

/**
 * What this transaction has touched so far, by the counters of the backend itself (pg_stat_xact_all_tables): one row of
 * `track_counts` and a JSON list of [oid, schema, name, inserted, updated, deleted, parents]. They move for cascades,
 * triggers and rules as for the statement itself. Names and operators are qualified: the session's search path may hide
 * any of them.
 */
export const COUNT_QUERY = `WITH RECURSIVE touched AS (
  SELECT s.relid, s.schemaname, s.relname, s.n_tup_ins, s.n_tup_upd, s.n_tup_del FROM pg_catalog.pg_stat_xact_all_tables s
  WHERE s.schemaname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::pg_catalog.name[])
    AND pg_catalog.left(s.schemaname::pg_catalog.text, 14) OPERATOR(pg_catalog.<>) 'pg_toast_temp_'
    AND (s.n_tup_ins OPERATOR(pg_catalog.>) 0 OR s.n_tup_upd OPERATOR(pg_catalog.>) 0 OR s.n_tup_del OPERATOR(pg_catalog.>) 0)),
 up AS (
  SELECT t.relid, h.inhparent, 1 AS far FROM touched t
    JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) t.relid
  UNION ALL
  SELECT u.relid, h.inhparent, u.far OPERATOR(pg_catalog.+) 1 FROM up u
    JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) u.inhparent)
SELECT pg_catalog.current_setting('track_counts'),
 pg_catalog.array_to_json(ARRAY(SELECT pg_catalog.json_build_array(t.relid::pg_catalog.text, t.schemaname, t.relname,
   t.n_tup_ins, t.n_tup_upd, t.n_tup_del,
   ARRAY(SELECT pg_catalog.concat(n.nspname, '.', c.relname) FROM up u
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.inhparent
     JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
     WHERE u.relid OPERATOR(pg_catalog.=) t.relid ORDER BY u.far USING OPERATOR(pg_catalog.<)))
   FROM touched t))::pg_catalog.text`

/** Before the question: whether the target counts at all. */
export const COUNTS_AT_ALL = "SELECT pg_catalog.current_setting('track_counts')"

/** Counters by object id. */
export type Counts = ReadonlyMap<string, Touched>

/** Undefined when the target does not count, or answers something else. */
export function readCounts(rows: readonly (readonly (string | null)[])[] | undefined): Counts | undefined {
  const [on, text] = rows?.[0] ?? []
  const list = on === 'on' && typeof text === 'string' ? readJson(text) : undefined
  if (!Array.isArray(list)) return undefined
  const counts = new Map<string, Touched>()
  for (const one of list as unknown[]) {
    if (!Array.isArray(one)) return undefined
    const [oid, schema, name, inserted, updated, deleted, within] = one as readonly unknown[]
    if (typeof oid !== 'string' || typeof schema !== 'string' || typeof name !== 'string') return undefined
    if (!isCount(inserted) || !isCount(updated) || !isCount(deleted) || !Array.isArray(within)) return undefined
    counts.set(oid, { object: `${schema}.${name}`, within: within.map(String), inserted, updated, deleted })
  }
  return counts
}
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

/**
 * What was touched between two looks in one transaction, by name. Undefined when a counter fell: something truncated a
 * table or dropped it, and what it had counted is gone.
 */
export function touchedBetween(before: Counts, after: Counts): readonly Touched[] | undefined {
  const touched: Touched[] = []
  for (const [oid, now] of after) {
    const was = before.get(oid) ?? { inserted: 0, updated: 0, deleted: 0 }
    const moved = {
      ...now,
      inserted: now.inserted - was.inserted,
      updated: now.updated - was.updated,
      deleted: now.deleted - was.deleted,
    }
    if (moved.inserted < 0 || moved.updated < 0 || moved.deleted < 0) return undefined
    if (moved.inserted + moved.updated + moved.deleted > 0) touched.push(moved)
  }
  for (const oid of before.keys()) if (!after.has(oid)) return undefined
  return touched.toSorted((a, b) => (a.object < b.object ? -1 : 1))
}

/** Command tags of what runs in a transaction like any other and whose rows the target counts. */
const COUNTED = new Set([
  'SELECT',
  'VALUES',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'CREATE TABLE AS',
  'SELECT INTO',
  'EXPLAIN',
  'EXECUTE',
  'PREPARE',
  'FETCH',
  'MOVE',
  'SHOW',
])
/** These may end a transaction of their own, and fail inside of one then. */
const MAY_COMMIT = new Set(['DO', 'CALL'])
/** To these it matters whether there is a transaction: only where a number must hold is one put around them. */
const ONLY_CAPPED = new Set([...MAY_COMMIT, 'LOCK TABLE', 'SET CONSTRAINTS'])
const ENDS = new Set(['begin', 'commit', 'rollback', 'savepoint', 'release', 'rollback_to', 'other_transaction'])

export const mayChangeRows = (work: Work): boolean => work.actions.some((action) => changesRows(action.verb))

/** It ends transactions of its own, so that a failure may leave part of it done. */
export const endsTransactions = (work: Work): boolean =>
  work.effects.some((effect) => ENDS.has(effect.kind)) || tagsOf(work).some((tag) => MAY_COMMIT.has(tag))

/** A procedure commits where its code says so, whatever fails behind it in its pipeline; that of a DO is there to be read. */
export const mayCommit = (work: Work, text: string): boolean =>
  tagsOf(work).some((tag) => tag === 'CALL' || (tag === 'DO' && /\b(?:commit|call)\b/i.test(text)))

/** What PostgreSQL commits at once, in a pipeline too: nothing that fails behind it takes it back. */
const COMMITTED_AT_ONCE = new Set([
  'VACUUM',
  'CREATE DATABASE',
  'DROP DATABASE',
  'CREATE TABLESPACE',
  'DROP TABLESPACE',
  'ALTER SYSTEM',
])
export const commitsByItself = (work: Work): boolean => tagsOf(work).some((tag) => COMMITTED_AT_ONCE.has(tag))

const tagsOf = (work: Work): readonly string[] => [
  ...new Set(work.actions.flatMap((action) => action.facts.sql?.statements ?? [])),
]

/** Why no number of rows can hold for it, in words for the approver; undefined when it can. */
export function whyNotCounted(work: Work): string | undefined {
  if (work.classified.kind !== 'statements') return 'it could not be classified'
  if (work.verbs.includes('unknown')) return 'what it does is not known'
  if (work.effects.some((effect) => ENDS.has(effect.kind))) return 'it begins or ends transactions itself'
  if (work.copies) return 'the rows of COPY FROM STDIN are not counted'
  const tags = tagsOf(work)
  if (tags.includes('DECLARE CURSOR')) return 'what a cursor touches it touches when rows are fetched'
  if (tags.some((tag) => tag.startsWith('TRUNCATE'))) return 'TRUNCATE removes rows without counting them'
  const other = tags.find((tag) => !COUNTED.has(tag) && !ONLY_CAPPED.has(tag))
  return other === undefined ? undefined : `the rows that ${other} touches are not counted`
}

/** Whether it is counted where nobody set a number: then nothing may fail that would not have failed. */
export const countsUncapped = (work: Work): boolean =>
  whyNotCounted(work) === undefined && !tagsOf(work).some((tag) => ONLY_CAPPED.has(tag))

/** What of a capped run is not counted all the same, told to the approver. */
export function notCountedBesides(work: Work, inTransaction: boolean): readonly string[] {
  return [
    ...(inTransaction ? ['the rows that deferred triggers touch when the transaction is committed'] : []),
    ...(work.verbs.some((verb) => verb === 'exec' || verb === 'admin')
      ? ['the rows that its functions truncate, or change in other databases']
      : []),
  ]
}
