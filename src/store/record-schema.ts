import type { Generated, GeneratedAlways } from 'kysely'

export interface RecordTables {
  readonly record: RecordTable
}

interface RecordTable {
  readonly seq: GeneratedAlways<number>
  readonly xid: Generated<string>
  readonly at: number
  readonly kind: string
  readonly subject: string
  readonly actor: string | null
  readonly resource: string | null
  readonly body: Buffer
  readonly salt: Buffer | null
  readonly leaf: Buffer | null
}
