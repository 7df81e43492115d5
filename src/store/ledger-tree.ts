import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { LedgerStore } from '../app/ports/ledger.ts'
import type { Entry } from '../domain/ledger/entry.ts'
import { commitTo, leafBytes, SALT_LENGTH } from '../domain/ledger/leaf.ts'
import { HASH_LENGTH } from '../domain/ledger/merkle.ts'
import { completeRoot, TILE_WIDTH } from '../domain/ledger/tiles.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

type TreeQueries = Pick<
  LedgerStore,
  'lock' | 'look' | 'giveLeaves' | 'extend' | 'coveredOf' | 'uncoveredAbout' | 'letGo' | 'waiting'
>

interface LookRow {
  readonly size: number
  readonly root: Buffer
  readonly sequencer: string | null
  readonly signed: number
  readonly seq: number | null
  readonly leaf: Buffer | null
}

/** The queue, and the tree that it goes into. */
export const treeQueries = (executor: Executor): TreeQueries => ({
  async lock() {
    await sql`SELECT FROM ledger_head FOR UPDATE`.execute(executor)
  },
  async look(limit) {
    // One statement, so one snapshot: what it shows as queued is not in the tree of `size`.
    const { rows } = await sql<LookRow>`SELECT head.size, head.root, head.sequencer, queue.seq, record.leaf,
        coalesce((SELECT max(size) FROM ledger_checkpoint), 0) AS signed
      FROM ledger_head head
      LEFT JOIN LATERAL (SELECT seq FROM ledger_queue ORDER BY seq LIMIT ${limit}) queue ON true
      LEFT JOIN record ON record.seq = queue.seq
      ORDER BY queue.seq`.execute(executor)
    const [first] = rows
    if (first === undefined) throw new Error('the ledger has no head')
    const { size, root, signed, sequencer } = first
    return {
      size,
      root,
      signed,
      ...(sequencer === null ? {} : { sequencer }),
      queued: rows.flatMap(({ seq, leaf }) =>
        seq === null ? [] : [leaf === null ? { position: seq } : { position: seq, leaf }],
      ),
    }
  },
  async giveLeaves(positions) {
    const { rows } = await sql<{ seq: number; at: number; body: Buffer }>`SELECT seq, at, body FROM record
      WHERE seq = ANY(${[...positions]}::bigint[]) AND leaf IS NULL`.execute(executor)
    if (rows.length === 0) return
    const salts = rows.map(() => randomBytes(SALT_LENGTH))
    const leaves = rows.map(({ at, body }, i) => {
      const entry = JSON.parse(body.toString('utf8')) as Entry
      return Buffer.from(leafBytes(entry, instant(at), commitTo(salts[i] ?? Buffer.alloc(0), body)))
    })
    // Of two who do this at once, the second finds them given.
    await sql`UPDATE record SET salt = given.salt, leaf = given.leaf
      FROM unnest(${rows.map((row) => row.seq)}::bigint[], ${salts}::bytea[], ${leaves}::bytea[]) AS given(seq, salt, leaf)
      WHERE record.seq = given.seq AND record.leaf IS NULL`.execute(executor)
  },
  async extend({ from, head, sequencer, positions, hashes, tiles }) {
    const full = tiles.filter(({ width }) => width === TILE_WIDTH)
    const roots = full.map((tile) => Buffer.from(completeRoot(tile.hashes, 0, TILE_WIDTH)))
    const { rows } = await sql<{ moved: number; taken: number }>`WITH moved AS (
        UPDATE ledger_head SET size = ${head.size}, root = ${Buffer.from(head.root)}, sequencer = ${sequencer}
        WHERE size = ${from} RETURNING size),
      taken AS (
        DELETE FROM ledger_queue WHERE seq = ANY(${[...positions]}::bigint[]) AND EXISTS (SELECT FROM moved) RETURNING seq),
      leaves AS (
        INSERT INTO ledger_leaf (index, seq, hash)
        SELECT ${from} + place - 1, seq, substr(${Buffer.from(hashes)}::bytea, (place::int - 1) * ${HASH_LENGTH} + 1, ${HASH_LENGTH})
        FROM unnest(${[...positions]}::bigint[]) WITH ORDINALITY AS of(seq, place) WHERE EXISTS (SELECT FROM moved)),
      tiles AS (
        INSERT INTO ledger_tile (level, index, hashes, root)
        SELECT * FROM unnest(${full.map((tile) => tile.level)}::smallint[], ${full.map((tile) => tile.index)}::bigint[],
          ${full.map((tile) => Buffer.from(tile.hashes))}::bytea[], ${roots}::bytea[]) WHERE EXISTS (SELECT FROM moved))
      SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM taken) AS taken`.execute(executor)
    const [row] = rows
    if (row?.moved !== 1) return false
    // Cannot be while every sequencer moves the head; what an index stands for is unique in any case.
    if (row.taken !== positions.length) throw new Error('entries left the queue of the ledger past its sequencer')
    return true
  },
  async coveredOf(positions) {
    const { rows } = await sql<{ seq: number }>`SELECT seq FROM ledger_leaf
      WHERE seq = ANY(${[...positions]}::bigint[]) AND index < (SELECT max(size) FROM ledger_checkpoint)`.execute(
      executor,
    )
    return rows.map(({ seq }) => seq)
  },
  async uncoveredAbout(subjects) {
    const { rows } = await sql<{ seq: number | null }>`SELECT (
        SELECT record.seq FROM record LEFT JOIN ledger_leaf USING (seq)
        WHERE record.subject = of.subject
          AND (ledger_leaf.index IS NULL OR ledger_leaf.index >= coalesce((SELECT max(size) FROM ledger_checkpoint), 0))
        ORDER BY record.seq DESC LIMIT 1) AS seq
      FROM unnest(${[...subjects]}::text[]) AS of(subject)`.execute(executor)
    return rows.flatMap(({ seq }) => (seq === null ? [] : [seq]))
  },
  async letGo(sequencer) {
    await sql`UPDATE ledger_head SET sequencer = NULL WHERE sequencer = ${sequencer}`.execute(executor)
  },
  async waiting() {
    const { rows } = await sql<{ count: number; since: number | null }>`WITH signed AS (
        SELECT coalesce(max(size), 0) AS size FROM ledger_checkpoint),
      oldest AS (
        SELECT least((SELECT min(seq) FROM ledger_queue),
          (SELECT seq FROM ledger_leaf WHERE index = (SELECT size FROM signed))) AS seq)
      SELECT (SELECT count(*) FROM ledger_queue) + (SELECT head.size - signed.size FROM ledger_head head, signed) AS count,
        (SELECT at FROM record WHERE seq = (SELECT seq FROM oldest)) AS since`.execute(executor)
    const { count = 0, since = null } = rows[0] ?? {}
    return since === null ? { count } : { count, since: instant(since) }
  },
})
