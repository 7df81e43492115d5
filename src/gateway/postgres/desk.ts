import type { CutOrder } from '../../app/ports/gateway.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import { GrantsInUse } from './grants-in-use.ts'
import type { Interruptible, Leave } from './hold.ts'
import { Judge } from './judge.ts'
import type { Outbox } from './outbox.ts'
import { Run } from './run.ts'
import type { SessionParts } from './session-parts.ts'
import { PreparedStatements } from './statements.ts'
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

/** What the parts of one session share: both lines, what is known, what runs, and the ways to answer. */
export class Desk {
  readonly of: SessionParts
  readonly out: Outbox
  readonly line: TargetLine
  readonly judge: Judge
  readonly prepared = new PreparedStatements()
  readonly grants: GrantsInUse
  /** Statements whose answer is not complete. */
  readonly runs = new Set<Run>()
  /** Set while a statement waits for people: the way to end that wait. */
  wait: Interruptible | undefined
  /** Refused in the extended protocol by the gateway alone: everything up to Sync is dropped. */
  dropping = false
  /** Nothing is sent to either side any more. */
  ended = false
  /** A Parse that waits for the message behind it: a held Bind then has not sent even the Parse. */
  #stash: { readonly frame: Buffer; readonly expected: Expected; readonly prepared: Prepared } | undefined
  /** How many Syncs and Queries have gone out. */
  stretch = 0

  constructor(of: SessionParts, out: Outbox, line: TargetLine, cut: (order: CutOrder) => void) {
    this.of = of
    this.out = out
    this.line = line
    this.judge = new Judge({ ...of, prepared: this.prepared })
    this.grants = new GrantsInUse(of.app, of.session, cut)
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

  /** A statement that goes to the target now. Its end is recorded, and ends what it alone was granted. */
  run(text: string, cleared: Cleared): Run {
    const { app, session, state } = this.of
    this.judge.ran += 1
    const run = new Run(app, { session, number: this.judge.ran, text, ...cleared }, (over, failed) => {
      this.runs.delete(over)
      this.grants.over(over)
      if (failed) state.failed()
    })
    this.runs.add(run)
    if (cleared.leave !== undefined) this.grants.use(run, cleared.leave)
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
      else if (effect.kind === 'discard_all' || effect.kind === 'deallocate') this.prepared.clear()
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
