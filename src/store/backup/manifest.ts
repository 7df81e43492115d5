import { z } from 'zod'

/** The first line of a backup, which also names its format. */
export const FORMAT = 'holdpoint-backup/1'

const Sequence = z.object({ name: z.string(), last: z.string().regex(/^\d{1,19}$/), called: z.boolean() })
const Applied = z.object({ number: z.int().positive(), name: z.string(), checksum: z.string() })

/** What a backup says of itself before its rows. */
export const Manifest = z.object({
  format: z.literal(FORMAT),
  /** Of the program that wrote it. */
  version: z.string(),
  /** Milliseconds since the Unix epoch, by the database's clock. */
  at: z.int().nonnegative(),
  /** Every migration that the rows were written under. */
  migrations: z.array(Applied).min(1),
  sequences: z.array(Sequence),
  /** Which keys of the keyring its sealed secrets need. */
  keys: z.array(z.string()),
  accounts: z.int().nonnegative(),
  /** Entries in the record. */
  entries: z.int().nonnegative(),
  /** The last signed checkpoint that was stored, if any. */
  ledger: z.object({ origin: z.string(), size: z.int().nonnegative(), root: z.string() }).optional(),
})
export type Manifest = z.output<typeof Manifest>

/** Begins a table; its rows follow as COPY's text format writes them, and a line `\.` ends them. */
export const TableLine = z.object({ table: z.string().min(1), columns: z.array(z.string().min(1)).min(1).readonly() })
export type TableLine = z.output<typeof TableLine>

/** Behind a table's rows. */
export const SumLine = z.object({ rows: z.int().nonnegative(), sha256: z.string() })
export type SumLine = z.output<typeof SumLine>

/** The last line. Over all bytes before it, and sealed with the installation's keyring. */
export const EndLine = z.object({
  end: z.object({ tables: z.int().nonnegative(), rows: z.int().nonnegative() }),
  sha256: z.string(),
  seal: z.object({ key: z.string(), mac: z.string() }),
})
export type EndLine = z.output<typeof EndLine>

/** A backup that cannot be used, or a store that cannot take it. The message is for the operator. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}
