import { sql } from 'kysely'
import type { LedgerStore, StoredCheckpoint } from '../app/ports/ledger.ts'
import { TILE_WIDTH } from '../domain/ledger/tiles.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

type NoteQueries = Pick<
  LedgerStore,
  | 'addCheckpoint'
  | 'newestCheckpoint'
  | 'checkpointsAfter'
  | 'checkpointAt'
  | 'keys'
  | 'addKey'
  | 'addCosignature'
  | 'cosignatures'
  | 'newestCosignatures'
>

interface CheckpointRow {
  readonly size: number
  readonly root: Buffer
  readonly note: string
  readonly at: number
}

const stored = (row: CheckpointRow | undefined): StoredCheckpoint | undefined => row && { ...row, at: instant(row.at) }

/** What was signed: checkpoints, keys, cosignatures. */
export const noteQueries = (executor: Executor): NoteQueries => ({
  async addCheckpoint({ size, root, note, at }) {
    // Not waited for on disk: the tree is there, the signer knows it, and the same note is made again if this is lost.
    await sql`WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
      INSERT INTO ledger_checkpoint (size, root, note, at)
      SELECT ${size}, ${Buffer.from(root)}, ${note}, ${at} FROM quick ON CONFLICT DO NOTHING`.execute(executor)
  },
  async newestCheckpoint() {
    const { rows } =
      await sql<CheckpointRow>`SELECT size, root, note, at FROM ledger_checkpoint ORDER BY size DESC LIMIT 1`.execute(
        executor,
      )
    return stored(rows[0])
  },
  async checkpointsAfter(size, limit) {
    const { rows } = await sql<{ size: number; note: string }>`
      SELECT c.size, c.note || coalesce(string_agg(s.line, '' ORDER BY s.witness), '') AS note
      FROM ((SELECT DISTINCT ON (size / ${sql.lit(TILE_WIDTH)}) size FROM ledger_checkpoint WHERE size > ${size}
          ORDER BY size / ${sql.lit(TILE_WIDTH)}, size)
        UNION SELECT size FROM ledger_cosignature WHERE size > ${size}) AS chosen
      JOIN ledger_checkpoint c USING (size) LEFT JOIN ledger_cosignature s USING (size)
      GROUP BY c.size, c.note ORDER BY c.size LIMIT ${limit}`.execute(executor)
    return rows
  },
  async checkpointAt(size) {
    const { rows } = await sql<CheckpointRow>`SELECT size, root, note, at FROM ledger_checkpoint
      WHERE size <= ${size} ORDER BY size DESC LIMIT 1`.execute(executor)
    return stored(rows[0])
  },
  async keys() {
    const { rows } = await sql<{ verifier: string }>`SELECT verifier FROM ledger_key ORDER BY at, verifier`.execute(
      executor,
    )
    return rows.map(({ verifier }) => verifier)
  },
  async addKey(verifier, at) {
    await sql`INSERT INTO ledger_key (verifier, at) VALUES (${verifier}, ${at}) ON CONFLICT DO NOTHING`.execute(
      executor,
    )
  },
  async addCosignature({ size, witness, line }, at) {
    await sql`INSERT INTO ledger_cosignature (size, witness, line, at) VALUES (${size}, ${witness}, ${line}, ${at})
      ON CONFLICT DO NOTHING`.execute(executor)
  },
  async cosignatures(size) {
    const { rows } = await sql<{ size: number; witness: string; line: string }>`SELECT size, witness, line
      FROM ledger_cosignature WHERE size = ${size} ORDER BY witness`.execute(executor)
    return rows
  },
  async newestCosignatures() {
    const { rows } = await sql<{ size: number; witness: string; line: string; at: number }>`
      SELECT DISTINCT ON (witness) size, witness, line, at FROM ledger_cosignature ORDER BY witness, size DESC`.execute(
      executor,
    )
    return rows.map((row) => ({ ...row, at: instant(row.at) }))
  },
})
