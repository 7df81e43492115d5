import { createHash } from 'node:crypto'
import { countLines } from './count-lines.ts'
import { FORMAT } from './manifest.ts'
import type { EndLine, Manifest, SumLine, TableLine } from './manifest.ts'

/** One table's rows, in COPY's text format: a line each, and none that is `\.`. */
export interface TableRows extends TableLine {
  readonly rows: AsyncIterable<Buffer>
}

/** What was written, for people. */
export interface Written {
  readonly tables: number
  readonly rows: number
}

/**
 * The bytes of a backup, before compression. Plain text: a line of JSON that describes it; for each table a line of
 * JSON, its rows, a line `\.`, and a line with their count and SHA-256; and a last line with a SHA-256 over all of it.
 * @param seal what makes the last line one that only this installation's keyring can have written.
 */
export async function* writeFormat(
  manifest: Omit<Manifest, 'format'>,
  tables: AsyncIterable<TableRows>,
  seal: (sha256: Buffer) => EndLine['seal'],
  written: (total: Written) => void = () => undefined,
): AsyncGenerator<Buffer, void> {
  const whole = createHash('sha256')
  const said = (bytes: Buffer): Buffer => {
    whole.update(bytes)
    return bytes
  }
  const line = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)
  const total = { tables: 0, rows: 0 }
  yield said(line({ format: FORMAT, ...manifest }))
  for await (const { table, columns, rows } of tables) {
    yield said(line({ table, columns } satisfies TableLine))
    const sum = createHash('sha256')
    let count = 0
    for await (const chunk of rows) {
      sum.update(chunk)
      count += countLines(chunk)
      yield said(chunk)
    }
    yield said(Buffer.from('\\.\n'))
    yield said(line({ rows: count, sha256: sum.digest('hex') } satisfies SumLine))
    total.tables++
    total.rows += count
    written(total)
  }
  const sha256 = whole.digest()
  yield line({ end: total, sha256: sha256.toString('hex'), seal: seal(sha256) } satisfies EndLine)
}
