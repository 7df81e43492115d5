import type { Instant } from '../../domain/time.ts'

/** The database's clock, carried forward by this process's monotonic one. Never runs backward. */
export interface Clock {
  now(): Instant
  /** How old the last reading of the database's clock is, in ms. Over 2,000 means: hold. */
  age(): number
}
