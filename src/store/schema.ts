import type { PeopleTables } from './people-schema.ts'
import type { RecordTables } from './record-schema.ts'

/** Every table, typed by the aggregate that owns it. A new aggregate adds its tables here. */
export interface Schema extends RecordTables, PeopleTables {}
