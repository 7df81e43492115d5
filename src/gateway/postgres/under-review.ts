import type { SessionEffect } from '../../classify/postgres/shape.ts'
import type { RequestId } from '../../domain/ids.ts'
import type { Kept, Run } from './run.ts'

interface Reviewed {
  readonly run: Run
  /** Counts what was sent under a review. */
  readonly number: number
  /** The target has done it, in a transaction that is not over. */
  done: boolean
}
interface Savepoint {
  readonly name: string
  /** The number of the last that was sent before it. */
  readonly behind: number
}

/**
 * The runs of a session under a review, from the moment that they are sent until the transaction they ran in is over:
 * so long their grants live, and only then is it known what became of what they did. Empty for most sessions at most
 * times, and then it costs a look at its size.
 */
export class UnderReview {
  #runs: readonly Reviewed[] = []
  #savepoints: readonly Savepoint[] = []
  #sent = 0
  /** What is on its way may commit: if the session ends now, nobody knows. */
  #committing = false
  #undoing = false
  /** Up to which number something may have committed what was sent, and a failure behind it takes nothing of that back. */
  #mayBeKept = 0
  #told: Promise<unknown> = Promise.resolve()
  readonly #settled: (run: Run) => void

  /** @param settled told of each run whose transaction is over, or which failed by itself. */
  constructor(settled: (run: Run) => void) {
    this.#settled = settled
  }

  get size(): number {
    return this.#runs.length
  }
  /** Each once. */
  get requests(): readonly RequestId[] {
    return [...new Set(this.#runs.flatMap(({ run }) => run.leave?.request ?? []))]
  }

  /** It is being sent. */
  begin(run: Run): void {
    this.#sent += 1
    this.#runs = [...this.#runs, { run, number: this.#sent, done: false }]
  }
  /** The statement is over. One that failed has done nothing; of one that was cut nobody knows. */
  over(run: Run, succeeded: boolean): void {
    const reviewed = this.#runs.find((one) => one.run === run)
    if (reviewed === undefined) return
    reviewed.done = succeeded
    if (!succeeded) this.#settle((one) => one === reviewed, false)
  }
  /** Everything in the transaction was confirmed, and what commits it is being sent. */
  commits(): void {
    this.#committing = true
  }

  /**
   * How to hear, statement by statement, that a message with these effects was carried out. Undefined when none of
   * them says anything about a transaction. To be asked for when the message is sent.
   */
  watch(effects: readonly SessionEffect[]): ((frame: Buffer) => void) | undefined {
    if (!effects.some(({ kind }) => ENDING.has(kind))) return undefined
    const behind = this.#sent
    let at = 0
    return (frame) => {
      const effect = effects[at++]
      if (effect !== undefined) this.#completed(effect, frame, behind)
    }
  }

  /**
   * How to say that a DO or CALL has run, which may commit what it and its pipeline did until then. To be asked for when
   * it is sent.
   */
  commitsByItself(): () => void {
    const behind = this.#sent
    return () => (this.#mayBeKept = behind)
  }

  /**
   * The target is ready for more.
   * @param idle no transaction is open any more.
   * @param failed something failed since it was last ready, or the transaction had failed before.
   */
  ready(idle: boolean, failed: boolean): void {
    this.#committing = false
    if (!idle) return
    const kept = !failed && !this.#undoing
    this.#undoing = false
    this.#savepoints = []
    if (!kept) this.#settle((one) => one.done && one.number <= this.#mayBeKept, undefined)
    this.#mayBeKept = 0
    this.#settle((one) => one.done, kept)
  }
  /** The gateway itself rolls back now. */
  undoes(): void {
    this.#undoing = true
  }
  /** Everything was taken back. */
  rolledBack(): void {
    this.#undoing = false
    this.#savepoints = []
    this.#settle((one) => one.done, false)
  }
  /** The session is over, and the target takes back what nobody committed. Resolves once all of it was told. */
  async close(): Promise<void> {
    if (!this.#committing) this.#settle((one) => one.done, false)
    this.#runs = []
    await this.#told
  }

  #completed(effect: SessionEffect, frame: Buffer, behind: number): void {
    switch (effect.kind) {
      case 'commit': {
        this.#savepoints = []
        // COMMIT of a transaction that has failed says ROLLBACK.
        const kept = frame.toString('latin1', 5, frame.length - 1) !== 'ROLLBACK'
        if (kept) for (const { run } of this.#runs) run.committed()
        return this.#settle((one) => one.done, kept)
      }
      case 'rollback':
        return this.rolledBack()
      case 'savepoint':
        this.#savepoints = [...this.#savepoints, { name: effect.name, behind }]
        return undefined
      case 'release':
        this.#savepoints = this.#savepoints.slice(0, Math.max(0, this.#indexOf(effect.name)))
        return undefined
      case 'rollback_to': {
        const index = this.#indexOf(effect.name)
        // One that is not known was made before anything here was sent.
        const { behind: from } = this.#savepoints[index] ?? { behind: 0 }
        this.#savepoints = this.#savepoints.slice(0, index + 1)
        return this.#settle((one) => one.done && one.number > from, false)
      }
      default:
        return undefined
    }
  }
  #indexOf(name: string): number {
    return this.#savepoints.findLastIndex((one) => one.name === name)
  }

  #settle(which: (one: Reviewed) => boolean, kept: Kept): void {
    const over = this.#runs.filter(which)
    if (over.length === 0) return
    this.#runs = this.#runs.filter((one) => !over.includes(one))
    for (const { run } of over) {
      this.#told = Promise.all([this.#told, run.settle(kept)])
      this.#settled(run)
    }
  }
}

const ENDING: ReadonlySet<SessionEffect['kind']> = new Set([
  'commit',
  'rollback',
  'savepoint',
  'release',
  'rollback_to',
])
