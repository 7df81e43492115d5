import { rowsTouched } from '../../domain/request/divergence.ts'
import { encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { Cleared, Desk } from './desk.ts'
import { COUNT_QUERY, countsUncapped, mayChangeRows, readCounts, touchedBetween, whyNotCounted } from './row-count.ts'
import type { Counts } from './row-count.ts'
import type { Run } from './run.ts'
import type { Keep, RunListener } from './target-line.ts'
import { cancelledWhileCounting, countInDoubt, overCap } from './told.ts'

/*
 * What runs under a review is counted, so that a number of rows that was agreed holds: one that touches more is rolled
 * back before anybody could see it done.
 *
 *   outside of a transaction   BEGIN | look | the stored bytes | deferred triggers | look | COMMIT or ROLLBACK
 *   inside of one              look | the stored bytes | look | nothing, or the transaction fails
 *   extended protocol          look | Bind, Execute | look; the Sync that ends it is held until deferred triggers have
 *                              run and were counted: before it nothing is committed
 *
 * All looks and brackets are hidden from the client. A crash anywhere before COMMIT leaves nothing done, because the
 * target rolls back; behind it, `unknown`, as for everything that ran.
 */

/** Rows that must not be passed; undefined where nobody set a number and it is only counted. */
export interface Counting {
  readonly cap: number | undefined
}

/** Whether this run is counted. Undefined: it runs as it is; where a number was asked for, the approver was told why. */
export function countingOf({ leave, work }: Cleared): Counting | undefined {
  if (leave === undefined || !mayChangeRows(work)) return undefined
  const cap = leave.rowCap
  if (cap === undefined) return leave.once && countsUncapped(work) ? { cap } : undefined
  return whyNotCounted(work) === undefined ? { cap } : undefined
}

/** Hears how a run ended, without ending it: what it comes to is known only when its rows are. */
class Ears implements RunListener {
  readonly #run: Run
  how: 'succeeded' | 'failed' | 'suspended' | undefined
  sqlstate: string | undefined
  constructor(run: Run) {
    this.#run = run
  }
  rows(count: number): void {
    this.#run.rows(count)
  }
  ended(how: 'succeeded' | 'failed' | 'suspended', sqlstate?: string): void {
    // Of a text with several statements, the first failure is the end.
    if (this.how !== undefined) return
    this.how = how
    this.sqlstate = sqlstate
  }
}

/**
 * One simple query. Only when drained.
 * @param send forwards the stored bytes.
 */
export async function runCountedQuery(
  desk: Desk,
  text: string,
  cleared: Cleared,
  { cap }: Counting,
  send: (run: RunListener, keep: Keep) => void,
): Promise<void> {
  const { line, out } = desk
  const run = desk.run(text, cleared)
  const own = line.status === 'idle'
  const answer = (frame: Buffer | undefined): void => {
    if (frame !== undefined) out.add(frame)
    out.add(encodeReady(line.status))
    out.flush()
  }
  const takeBack = async (told: Told | Buffer | undefined): Promise<void> => {
    const frame = told === undefined || Buffer.isBuffer(told) ? told : encodeTold(told)
    if (own) {
      desk.reviewed.undoes()
      await line.say('ROLLBACK')
      if (!desk.ended) answer(frame)
    } else if (line.status === 'open' && frame !== undefined) {
      line.failQuery(frame)
      await line.drain()
    } else answer(frame)
  }

  if (own && (await line.say('BEGIN')) !== undefined && !desk.ended) {
    run.finish('failed', '58000')
    return answer(encodeTold(countInDoubt))
  }
  const before = line.status === 'open' ? readCounts(await line.ask(COUNT_QUERY)) : undefined
  if (desk.ended) return
  if (line.status === 'open' && before === undefined && cap !== undefined) {
    run.finish('failed', '58000')
    return takeBack(countInDoubt)
  }
  const ears = new Ears(run)
  const keep: Keep = { frame: undefined }
  send(ears, keep)
  await line.drain()
  if (desk.ended) return
  if (ears.how !== 'succeeded' || line.status !== 'open') {
    run.finish('failed', ears.sqlstate ?? '25P02')
    return takeBack(undefined)
  }
  // Deferred triggers touch rows too, and would be counted by nobody at the COMMIT.
  const broken = own ? await line.say('SET CONSTRAINTS ALL IMMEDIATE') : undefined
  if (desk.ended) return
  if (broken !== undefined) {
    run.finish('failed', '23000')
    return takeBack(broken)
  }
  const told = await judgeCount(desk, run, before, cap)
  if (desk.ended) return
  if (told !== undefined) {
    run.finish('failed', told.code)
    return takeBack(told)
  }
  run.finish('succeeded')
  if (!own) return answer(keep.frame)
  desk.reviewed.commits()
  // Dies here: the target alone knows whether it is done, and the execution becomes `unknown`.
  const refused = await line.say('COMMIT')
  if (!desk.ended) answer(refused ?? keep.frame)
}

/** The second look. Answers what the client is told when it must not stand. */
async function judgeCount(
  desk: Desk,
  run: Run,
  before: Counts | undefined,
  cap: number | undefined,
): Promise<Told | undefined> {
  const { line } = desk
  const after = before === undefined ? undefined : readCounts(await line.ask(COUNT_QUERY))
  if (desk.ended) return undefined
  // The question itself was cancelled: its transaction has failed with it.
  if (line.status === 'failed' || line.skipping) return cancelledWhileCounting
  const touched = before === undefined || after === undefined ? undefined : touchedBetween(before, after)
  run.touched = touched
  if (cap === undefined) return undefined
  if (touched === undefined) return countInDoubt
  const rows = rowsTouched(touched)
  if (rows <= cap) return undefined
  run.overCap = true
  return overCap(run.leave?.request ?? '', touched, cap)
}

/** A portal whose rows are counted. */
export interface CountedPortal extends Counting {
  readonly before: Counts | undefined
}

/**
 * The first look, before Bind: it opens the implicit transaction that the client's Sync will end. Undefined when it
 * could not be had and a number must hold; the client was told. Only when drained.
 */
export async function beginCount(desk: Desk, run: Run, { cap }: Counting): Promise<CountedPortal | undefined> {
  const { line } = desk
  // What another put off would be counted as this one's.
  await desk.beforeSync?.(cap !== undefined)
  desk.beforeSync = undefined
  if (desk.ended) return undefined
  if (line.skipping) {
    run.finish('failed', '25P02')
    return undefined
  }
  if (line.status === 'failed') return { cap, before: undefined }
  const before = readCounts(await line.ask(COUNT_QUERY, true))
  if (desk.ended) return undefined
  if (before !== undefined || (cap === undefined && !line.skipping)) return { cap, before }
  run.finish('failed', '58000')
  await desk.refuse(countInDoubt, 'extended', true)
  return undefined
}

/**
 * One Execute.
 * @param send forwards the stored bytes.
 */
export async function executeCounted(
  desk: Desk,
  run: Run,
  { cap, before }: CountedPortal,
  send: (run: RunListener, keep: Keep) => void,
): Promise<void> {
  const { line, out } = desk
  const ears = new Ears(run)
  const keep: Keep = { frame: undefined }
  send(ears, keep)
  await line.drain()
  if (desk.ended) return
  // INVARIANT: one that gives its rows in parts may have done all of it before the first (RETURNING): Sync would commit it.
  const parts = ears.how === 'suspended'
  if (ears.how !== 'succeeded' && !parts) {
    run.finish('failed', ears.sqlstate ?? '25P02')
    return
  }
  const told = await judgeCount(desk, run, before, cap)
  if (desk.ended) return
  if (told !== undefined) {
    run.finish('failed', told.code)
    return desk.refuse(told, 'extended', true)
  }
  if (keep.frame !== undefined) out.add(keep.frame)
  out.flush()
  if (parts) run.ended('suspended')
  else run.finish('succeeded')
  if (line.status !== 'idle' || before === undefined) return
  desk.beforeSync = async (must) => {
    // A COMMIT in the pipeline says by itself what constraints say; only a number has to hold before it.
    if (!must && cap === undefined) return
    let broken: Buffer | undefined
    await line.ask('SET CONSTRAINTS ALL IMMEDIATE', true, (frame) => (broken = frame))
    if (desk.ended) return
    if (broken !== undefined) out.add(broken)
    const late = broken === undefined ? await judgeCount(desk, run, before, cap) : undefined
    if (late !== undefined && !desk.ended) await desk.refuse(late, 'extended', true)
  }
}
