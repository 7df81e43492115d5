import { sql } from 'kysely'
import type { Clock } from '../app/ports/clock.ts'
import type { Instant } from '../domain/time.ts'
import { instant } from '../domain/time.ts'
import type { Executor } from './database.ts'

const EVERY_MS = 1_000
/** A reading that took longer says too little about when it was true. */
const SLOWEST_READING_MS = 500
/** How far this machine's clock may be from the database's before the replica is not ready. */
export const WIDEST_OFFSET_MS = 2_000
/** Less than this is the ordinary disagreement of two clocks. */
const STEP_MS = 250

export interface StoreClock extends Clock {
  /** This machine's clock against the database's, for readiness. */
  check(): { readonly ok: boolean; readonly detail?: string }
  close(): Promise<void>
}

/** What differs in tests: a machine's two clocks, in milliseconds. */
export interface LocalTime {
  readonly monotonic: () => number
  readonly wall: () => number
}
const here: LocalTime = { monotonic: () => performance.now(), wall: () => Date.now() }

/**
 * The database's clock. Between readings it is carried by this machine's monotonic clock, so it goes on when the
 * database does not answer; `age` then grows. When the database's clock steps back, the step is added to what every
 * replica adds to it (`clock.ahead`): nothing lasts longer because somebody set a clock (design.md, section 5).
 * Rejects when the first reading fails.
 */
export async function openClock(
  executor: Executor,
  log: (message: string) => void,
  local: LocalTime = here,
): Promise<StoreClock> {
  let base: { readonly at: number; readonly monotonic: number } | undefined
  let highest = 0
  let offset = 0

  const carried = (): number => (base === undefined ? 0 : base.at + (local.monotonic() - base.monotonic))

  async function read(): Promise<void> {
    const before = local.monotonic()
    // Every reading also raises the highest time known, so that a restart begins no earlier.
    const { rows } = await sql<{ now: number; raw: number }>`UPDATE clock SET high = greatest(high, holdpoint_now())
      RETURNING holdpoint_now() AS now, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS raw`.execute(
      executor,
    )
    const row = rows[0]
    if (row === undefined) throw new Error('the clock has no row')
    const took = local.monotonic() - before
    if (took > SLOWEST_READING_MS) return
    offset = local.wall() - took / 2 - row.raw
    const behind = carried() - row.now
    if (base !== undefined && behind > STEP_MS + took) await stepped()
    // From the start of the reading: never behind the database, ahead by no more than the reading took.
    else base = { at: row.now, monotonic: before }
  }

  async function stepped(): Promise<void> {
    const { rows } = await sql<{ ahead: number }>`UPDATE clock SET
        ahead = greatest(ahead, ${Math.ceil(carried())}::bigint - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      RETURNING ahead`.execute(executor)
    log(`the database's clock stepped back; Holdpoint's goes on, ${rows[0]?.ahead ?? 0} ms ahead of it`)
    base = { at: carried(), monotonic: local.monotonic() }
  }

  await read()
  if (base === undefined) await read()
  let reading: Promise<void> | undefined
  const timer = setInterval(() => {
    reading ??= read()
      .catch((error: unknown) =>
        log(`the database's clock cannot be read: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => (reading = undefined))
  }, EVERY_MS)
  timer.unref()

  return {
    now(): Instant {
      highest = Math.max(highest, Math.floor(carried()))
      return instant(highest)
    },
    age: () => (base === undefined ? Number.POSITIVE_INFINITY : local.monotonic() - base.monotonic),
    check() {
      const off = Math.round(offset)
      return Math.abs(off) <= WIDEST_OFFSET_MS
        ? { ok: true }
        : {
            ok: false,
            detail: `this machine's clock is ${Math.abs(off)} ms ${off > 0 ? 'ahead of' : 'behind'} the database's`,
          }
    },
    async close() {
      clearInterval(timer)
      await reading
    },
  }
}
