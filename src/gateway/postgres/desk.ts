import type { CutOrder } from '../../app/ports/gateway.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { Assumed } from './as-role.ts'
import { FewSet } from './few.ts'
import { GrantsInUse } from './grants-in-use.ts'
import type { Interruptible, Leave } from './hold.ts'
import { Judge } from './judge.ts'
import type { Outbox } from './outbox.ts'
import { endsTransactions } from './row-count.ts'
import { record, Run } from './run.ts'
import type { SessionParts } from './session-parts.ts'
import { commitInDoubt, endedBeforeCommit } from './told.ts'
import { PreparedStatements } from './statements.ts'
import { atLimit, CursorCounts, RowLimit } from './row-limit.ts'
import { UnderReview } from './under-review.ts'
import type { Prepared } from './statements.ts'
import type { Expected, TargetLine } from './target-line.ts'
import type { Work } from '../../app/gateway/work.ts'

export type Protocol = 'simple' | 'extended'

/** A statement that may run: what it is, why it may, and under whose review. */
export interface Cleared {
  readonly work: Work
  readonly decision: Decision
  readonly leave: Leave | undefined
}

/** How long the store has to say that a transaction may be committed; its locks are kept meanwhile. */
const CONFIRM_WITHIN_MS = 5_000

/** What the parts of one session share: both lines, what is known, what runs, and the ways to answer. */
export class Desk {
  readonly of: SessionParts
  readonly out: Outbox
  readonly line: TargetLine
  readonly judge: Judge
  readonly prepared = new PreparedStatements()
  readonly grants: GrantsInUse
  /** Statements under a review whose transaction is not over. */
  readonly reviewed: UnderReview
  readonly cursors = new CursorCounts()
  /** Somebody's rows stand at their limit: nothing of the client's is handled until that is decided. */
  limited: (handle: (alone: boolean) => Promise<void>) => void = () => undefined
  /** Statements whose answer is not complete. */
  readonly runs = new FewSet<Run>()
  /** Set while the session runs as the role of a grant. */
  assumed: Assumed | undefined
  /** Set while a statement waits for people: the way to end that wait. */
  wait: Interruptible | undefined
  /** Refused in the extended protocol by the gateway alone: everything up to Sync is dropped. */
  dropping = false
  /** Nothing is sent to either side any more. */
  ended = false
  /** A Parse that waits for the message behind it: a held Bind then has not sent even the Parse. */
  #stash: { readonly frame: Buffer; readonly expected: Expected; readonly prepared: Prepared } | undefined
  readonly cut: (order: CutOrder) => void
  /** What has to be looked at before the Sync that commits it; where something else does, only if it must. */
  beforeSync: ((must: boolean) => Promise<void>) | undefined
  /** How many Syncs and Queries have gone out. */
  stretch = 0

  /** Whether a portal of this name was bound by the client. */
  bound: (portal: string) => boolean = () => false

  constructor(of: SessionParts, out: Outbox, line: TargetLine, cut: (order: CutOrder) => void) {
    this.of = of
    this.out = out
    this.line = line
    this.cut = cut
    this.judge = new Judge({ ...of, prepared: this.prepared })
    this.grants = new GrantsInUse(of.app, of.session, cut)
    this.reviewed = new UnderReview((run) => this.grants.over(run))
  }

  /** Forward as it came, behind a Parse that waits. */
  forward(frame: Buffer, expected?: Expected): void {
    this.release()
    this.line.send(frame, expected)
  }
  /** Keep a Parse back until the next message is known. */
  keep(frame: Buffer, expected: Expected, prepared: Prepared): void {
    this.release()
    this.#stash = { frame, expected, prepared }
  }
  /** What the Parse that waits prepares. */
  get kept(): Prepared | undefined {
    return this.#stash?.prepared
  }
  /** Whether a name of the client's surely means on the target what it means here. */
  isSure(prepared: Prepared): boolean {
    // INVARIANT: made since the last Sync, it fails or is skipped only together with everything up to the next one.
    return this.line.quiet || prepared.confirmed === true || prepared.stretch === this.stretch
  }
  /** @param also told how the Parse ended. */
  release(also?: Pick<Expected, 'done' | 'undo'>): void {
    const stash = this.#stash
    if (stash === undefined) return
    this.#stash = undefined
    const { done, undo, ...expected } = stash.expected
    const over = {
      done: () => {
        done?.()
        also?.done?.()
      },
      undo: (skipped: boolean) => {
        undo?.(skipped)
        also?.undo?.(skipped)
      },
    }
    if (this.line.skipping) over.undo(true)
    else this.line.send(stash.frame, { ...expected, ...over })
  }

  /** The Parse that waits never goes to the target. */
  drop(): void {
    const stash = this.#stash
    this.#stash = undefined
    stash?.expected.undo?.(true)
  }

  /**
   * A statement that goes to the target now. Its end is recorded; the end of its transaction ends what it alone was
   * granted.
   */
  run(text: string, cleared: Cleared): Run {
    const { app, session, state } = this.of
    this.judge.ran += 1
    const most = cleared.decision.outcome === 'allow' ? cleared.decision.rowsAtMost : undefined
    const cursors = most === undefined ? undefined : this.cursors.of(text, cleared.work)
    const run = new Run(app, { session, number: this.judge.ran, text, ...cleared }, (over, succeeded) => {
      this.runs.delete(over)
      cursors?.over?.(succeeded)
      if (!succeeded) state.failed()
      if (over.leave !== undefined) this.reviewed.over(over, succeeded)
    })
    this.runs.add(run)
    if (most !== undefined) {
      const limit = new RowLimit(most, cursors?.counter, () =>
        this.limited((alone) => atLimit(this, run, text, cleared.work, limit, alone)),
      )
      run.gate = limit
    }
    if (cleared.leave !== undefined) {
      this.grants.use(run, cleared.leave)
      this.reviewed.begin(run)
    }
    return run
  }

  /** What the gateway now believes of the session. Answers how to take back what a failure would make untrue. */
  follow(work: Work, text: string): ((skipped: boolean) => void) | undefined {
    if (!work.changes && work.effects.every((effect) => effect.kind === 'none')) return undefined
    const { state } = this.of
    const undos: (() => void)[] = []
    for (const effect of work.effects) {
      state.follow(effect, work.changes)
      if (effect.kind === 'prepare') {
        const prepared = { text, types: [], body: effect.body, stretch: this.stretch }
        undos.push(this.prepared.set(effect.name, prepared))
      } else if (effect.kind === 'deallocate' && effect.name !== undefined)
        undos.push(this.prepared.delete(effect.name))
      else if (effect.kind === 'discard_all' || effect.kind === 'deallocate') undos.push(this.prepared.clear())
    }
    return () => {
      for (const undo of undos.reverse()) undo()
      // Several statements may have run in part: ask the target what it has.
      if (work.effects.length > 1 || work.changes) state.doubt()
    }
  }

  /**
   * Refuse at this place: inside a transaction or a pipeline the target's transaction fails too (61a).
   * @param drained the target had nothing to say against what came before: a skipping now is the gateway's own doing.
   */
  async refuse(told: Told, protocol: Protocol, drained = false): Promise<void> {
    const { line } = this
    await line.drain()
    if (this.ended) return
    this.drop()
    const bytes = encodeTold(told)
    if (line.skipping) {
      // An earlier message of the client failed, and this one is as good as never sent; or a question of the
      // gateway's own failed inside the pipeline, and the target skips to Sync already.
      if (drained) this.out.add(bytes)
    } else if (line.inTransaction) {
      if (protocol === 'simple') line.failQuery(bytes)
      else line.failExtended(bytes)
      await line.drain()
    } else {
      this.out.add(bytes)
      if (protocol === 'simple') this.out.add(encodeReady('idle'))
      else this.dropping = true
    }
    this.out.flush()
  }

  /**
   * Whether what is about to be sent commits what was done under a review.
   * @param work undefined for a Sync.
   */
  mustConfirm(work: Work | undefined, protocol: Protocol): boolean {
    const { line } = this
    if (this.reviewed.size === 0) return false
    // A Sync ends the implicit transaction of a pipeline, and so does a simple query behind it.
    // In a pipeline DO and CALL may commit what went before.
    const ends =
      line.status === 'idle' &&
      (work === undefined || (line.unsynced && (protocol === 'simple' || endsTransactions(work))))
    return ends || work?.effects.some((effect) => effect.kind === 'commit') === true
  }

  /**
   * The last look before a commit: is every grant used in the transaction still live? Undefined when it may go;
   * otherwise what the client is to be told, and nothing of it may be committed. Drains.
   * @param sync it is a Sync that commits.
   */
  async confirm(sync = false): Promise<Told | undefined> {
    const { app, session } = this.of
    const { line, reviewed } = this
    await line.drain()
    // What has failed already is rolled back whatever is sent.
    if (this.ended || line.skipping || line.status === 'failed' || reviewed.size === 0) return undefined
    if (line.unsynced) await this.beforeSync?.(sync)
    if (this.ended || line.skipping) return undefined
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the store did not answer in time')), CONFIRM_WITHIN_MS).unref()
    })
    try {
      // Dies here: nothing was committed, and the target rolls back.
      const confirmed = await Promise.race([app.confirm(session, reviewed.requests), late])
      if (confirmed.kind === 'ended') return endedBeforeCommit(confirmed.request, confirmed.why)
      reviewed.commits()
      return undefined
    } catch (error) {
      this.log(error, 'a commit could not be confirmed')
      return commitInDoubt
    }
  }

  /** What was cleared is not sent after all. */
  refused(text: string, cleared: Cleared, told: Told): void {
    const { app, session } = this.of
    if (cleared.leave !== undefined) return this.run(text, cleared).finish('failed', told.code)
    const of = { session, number: (this.judge.ran += 1), text, ...cleared }
    record(app, of, app.now(), 0, 'refused', undefined, told.code)
  }

  /** In place of what would have committed: the target's transaction is rolled back, and the client reads why. Only when drained. */
  async takeBack(told: Told, protocol: Protocol): Promise<void> {
    const { line, out } = this
    if (protocol === 'simple' && line.unsynced) return await this.refuse(told, protocol, true)
    this.drop()
    this.reviewed.undoes()
    if ((await line.ask('ROLLBACK')) === undefined) {
      if (!this.ended) this.cut({ reason: 'cut', why: 'a transaction could not be rolled back' })
      return
    }
    if (this.ended) return
    this.of.state.follow({ kind: 'rollback' }, false)
    this.reviewed.rolledBack()
    out.add(encodeTold(told))
    if (protocol === 'simple') out.add(encodeReady(line.status))
    else this.dropping = true
    out.flush()
  }

  /** A message between the target's own. Only when drained. */
  tell(told: Told): void {
    this.write(encodeTold(told))
  }
  /** The same of bytes that are whole messages. */
  write(bytes: Buffer): void {
    if (this.ended || !this.line.atBoundary) return
    this.out.add(bytes)
    this.out.flush()
  }

  log(error: unknown, what: string): void {
    this.of.log.warn({ err: error, session: this.of.session, resource: this.of.resource }, what)
  }
}
