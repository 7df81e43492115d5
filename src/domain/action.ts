import type { ResourceName } from './ids.ts'
import type { Verb } from './verb.ts'

/** What classification found in one SQL statement. Names are `schema.table` where the schema is known. */
export interface SqlFacts {
  /** Command tags of every statement node found, nested ones included: `['SELECT', 'DELETE']`, `['DROP DATABASE']`. */
  readonly statements: readonly string[]
  readonly tables: readonly string[]
  readonly columns: readonly string[]
  /** False when an UPDATE or DELETE anywhere in it has no WHERE. */
  readonly hasWhere: boolean
  readonly functions: readonly string[]
}

/** The planner's guess. Absent when the statement was not planned, never zero instead. */
export interface Estimate {
  readonly rows: number
  readonly cost: number
  /** What foreign keys of the target do besides, one a table; `rows` does not count it. */
  readonly cascades?: readonly Cascade[]
}

/** `also deletes from public.order_items by cascade` */
export interface Cascade {
  readonly table: string
  readonly does: 'deletes' | 'updates'
}

/** The part of an action that rules can see, beside its verb. */
export interface ActionFacts {
  readonly sql?: SqlFacts
  readonly estimate?: Estimate
}

/**
 * One operation on one resource under one verb. A client message that does several things
 * (two statements, a DELETE inside a WITH that also inserts) is several actions, decided each
 * and combined by the strictest (`combine` in policy/combine.ts).
 */
export interface Action {
  readonly resource: ResourceName
  readonly verb: Verb
  readonly facts: ActionFacts
}

/** Circumstances at the time of the action. */
export interface Context {
  /** Milliseconds since the epoch by the database's clock. */
  readonly now: number
  readonly sourceAddress: string
  /** Statements already run in this session. */
  readonly sessionStatements: number
}
