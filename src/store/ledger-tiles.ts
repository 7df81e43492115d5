import { sql } from 'kysely'
import type { LedgerStore } from '../app/ports/ledger.ts'
import { HASH_LENGTH } from '../domain/ledger/merkle.ts'
import { TILE_WIDTH } from '../domain/ledger/tiles.ts'
import type { TileAt } from '../domain/ledger/tiles.ts'
import type { Executor } from './database.ts'
import { inSight } from './record-sight.ts'

/** Tiles, the leaves below them, and single entries. */
export const tileQueries = (
  executor: Executor,
): Pick<LedgerStore, 'tile' | 'leaves' | 'bodies' | 'entry' | 'erase'> => ({
  async tile({ level, index, width }) {
    const found =
      width === TILE_WIDTH ? await fullTile(executor, level, index) : await below(executor, { level, index, width })
    return found?.length === width * HASH_LENGTH ? found : undefined
  },
  async leaves({ index, width }) {
    const from = index * TILE_WIDTH
    const { rows } = await sql<{ leaf: Buffer }>`SELECT record.leaf FROM ledger_leaf JOIN record USING (seq)
      WHERE index >= ${from} AND index < ${from + width} ORDER BY index`.execute(executor)
    return rows.length === width ? rows.map(({ leaf }) => leaf) : undefined
  },
  async bodies({ index, width }) {
    const from = index * TILE_WIDTH
    const { rows } = await sql<{ salt: Buffer | null; body: Buffer }>`SELECT salt, body
      FROM ledger_leaf JOIN record USING (seq) WHERE index >= ${from} AND index < ${from + width} ORDER BY index`.execute(
      executor,
    )
    return rows.map(({ salt, body }) => (salt === null ? undefined : { salt, bytes: body }))
  },
  async entry(index, sight) {
    const { rows } = await sql<{ leaf: Buffer; salt: Buffer | null; body: Buffer }>`SELECT leaf, salt, body
      FROM ledger_leaf JOIN record USING (seq) WHERE index = ${index} AND ${inSight(sight)}`.execute(executor)
    const [row] = rows
    if (row === undefined) return undefined
    const { leaf, salt, body } = row
    return { index, leaf, ...(salt === null ? {} : { body: { salt, bytes: body } }) }
  },
  async erase(indexes) {
    const { rows } = await sql<{ index: number; subject: string; resource: string | null; leaf: Buffer }>`
      UPDATE record SET body = '', salt = NULL FROM ledger_leaf
      WHERE record.seq = ledger_leaf.seq AND ledger_leaf.index = ANY(${[...indexes]}::bigint[]) AND length(record.body) > 0
      RETURNING ledger_leaf.index, record.subject, record.resource, record.leaf`.execute(executor)
    return rows
      .sort((a, b) => a.index - b.index)
      .map(({ index, subject, resource, leaf }) => ({
        index,
        subject,
        ...(resource === null ? {} : { resource }),
        commitment: (JSON.parse(leaf.toString('utf8')) as { readonly commitment: string }).commitment,
      }))
  },
})

async function fullTile(executor: Executor, level: number, index: number): Promise<Buffer | undefined> {
  const { rows } = await sql<{ hashes: Buffer }>`SELECT hashes FROM ledger_tile
    WHERE level = ${level} AND index = ${index}`.execute(executor)
  return rows[0]?.hashes
}

/** A partial tile: its hashes are those of leaves, or the roots of the full tiles one level down. */
async function below(executor: Executor, { level, index, width }: TileAt): Promise<Buffer | undefined> {
  const from = index * TILE_WIDTH
  const { rows } = await (
    level === 0
      ? sql<{ hash: Buffer }>`SELECT hash FROM ledger_leaf
          WHERE index >= ${from} AND index < ${from + width} ORDER BY index`
      : sql<{ hash: Buffer }>`SELECT root AS hash FROM ledger_tile
          WHERE level = ${level - 1} AND index >= ${from} AND index < ${from + width} ORDER BY index`
  ).execute(executor)
  return Buffer.concat(rows.map(({ hash }) => hash))
}
