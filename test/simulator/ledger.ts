import { LedgerUnavailable } from '../../src/app/ports/ledger.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

const PATIENCE_MS = 5_000

/** Signs everything that is committed, soon after somebody waits for it, unless it cannot. */
export class SimulatedLedger {
  readonly #world: World
  /** How many of the record's entries a signed checkpoint covers. */
  signed = 0
  away = false
  #coming = false

  constructor(world: World) {
    this.#world = world
  }

  covered = (process: Process, position: number): Promise<void> =>
    this.#wait(process, () => this.isCovered((seq) => seq === position))
  coveredAbout = (process: Process, subjects: readonly string[]): Promise<void> => {
    const { record } = this.#world.database
    const until = record.length
    void subjects
    return this.#wait(process, () => this.signed >= until)
  }
  /** Whether an entry with this number is covered. */
  isCovered(which: (seq: number) => boolean): boolean {
    const at = this.#world.database.record.findIndex((one) => which(one.seq))
    return at >= 0 && at < this.signed
  }

  async #wait(process: Process, covered: () => boolean): Promise<void> {
    const { scheduler } = this.#world
    const until = scheduler.now + PATIENCE_MS
    while (!covered()) {
      this.#sign()
      await process.sleep(5)
      if (scheduler.now > until) throw new LedgerUnavailable('nobody signs')
    }
  }
  #sign(): void {
    if (this.#coming || this.away) return
    this.#coming = true
    this.#world.scheduler.after(this.#world.random.int(1, 12), () => {
      this.#coming = false
      if (!this.away) this.signed = this.#world.database.record.length
    })
  }
}
