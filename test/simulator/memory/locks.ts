/** Row locks of PostgreSQL, weakest first (documentation, 13.3.2). */
export type LockMode = 'key share' | 'share' | 'no key update' | 'update'

const CONFLICTS: Readonly<Record<LockMode, ReadonlySet<LockMode>>> = {
  'key share': new Set(['update']),
  share: new Set(['no key update', 'update']),
  'no key update': new Set(['share', 'no key update', 'update']),
  update: new Set(['key share', 'share', 'no key update', 'update']),
}

interface Waiting {
  readonly by: object
  readonly mode: LockMode
  readonly granted: () => void
  readonly refused: (error: Error) => void
}
interface Row {
  readonly name: string
  readonly held: Map<object, Set<LockMode>>
  waiting: readonly Waiting[]
}

/** What PostgreSQL says to the one whose wait closed the circle. */
export class DeadlockDetected extends Error {
  readonly code = '40P01'
}

/** Who may do what with which row. A holder is any object; it keeps its locks until it lets go of all of them. */
export class Locks {
  readonly #rows = new Map<string, Row>()
  readonly #of = new Map<object, Set<string>>()
  readonly #waitedFor = new Set<Row>()
  /** Circles that were found. */
  deadlocks = 0

  /** Resolves once it is held. Rejects when waiting for it could never end. */
  async take(by: object, row: string, mode: LockMode): Promise<void> {
    const found = this.#rows.get(row) ?? { name: row, held: new Map(), waiting: [] }
    this.#rows.set(row, found)
    const ahead = found.waiting.some((one) => one.by !== by && CONFLICTS[mode].has(one.mode))
    if (!conflicts(found, by, mode) && (!ahead || found.held.has(by))) return this.#grant(found, by, row, mode)
    await new Promise<void>((granted, refused) => {
      const one = { by, mode, granted, refused }
      found.waiting = [...found.waiting, one]
      this.#waitedFor.add(found)
      if (!this.#waitsFor(by, by, new Set())) return
      this.deadlocks++
      found.waiting = found.waiting.filter((other) => other !== one)
      refused(new DeadlockDetected('deadlock detected'))
    })
  }

  /** The holder is over: its locks go to those who wait, in their order. A wait of its own is refused with `error`. */
  release(by: object, error = new Error('the transaction is over')): void {
    for (const row of this.#waitedFor) {
      for (const one of row.waiting) if (one.by === by) one.refused(error)
      row.waiting = row.waiting.filter((one) => one.by !== by)
    }
    for (const name of this.#of.get(by) ?? []) {
      const row = this.#rows.get(name)
      row?.held.delete(by)
      if (row !== undefined && row.held.size === 0 && row.waiting.length === 0) this.#rows.delete(name)
    }
    this.#of.delete(by)
    for (const row of this.#waitedFor) {
      for (const one of row.waiting) {
        if (conflicts(row, one.by, one.mode)) break
        row.waiting = row.waiting.filter((other) => other !== one)
        this.#grant(row, one.by, row.name, one.mode)
        one.granted()
      }
      if (row.waiting.length === 0) this.#waitedFor.delete(row)
    }
  }

  #grant(row: Row, by: object, name: string, mode: LockMode): void {
    row.held.set(by, (row.held.get(by) ?? new Set()).add(mode))
    this.#of.set(by, (this.#of.get(by) ?? new Set()).add(name))
  }

  /** Whether `from` waits, over any number of others, for `goal`. */
  #waitsFor(from: object, goal: object, seen: Set<object>): boolean {
    for (const row of this.#waitedFor)
      for (const one of row.waiting) {
        if (one.by !== from) continue
        for (const [holder, modes] of row.held) {
          if (holder === from || ![...modes].some((mode) => CONFLICTS[one.mode].has(mode))) continue
          if (holder === goal) return true
          if (seen.has(holder)) continue
          seen.add(holder)
          if (this.#waitsFor(holder, goal, seen)) return true
        }
      }
    return false
  }
}

const conflicts = (row: Row, by: object, mode: LockMode): boolean =>
  [...row.held].some(([holder, modes]) => holder !== by && [...modes].some((one) => CONFLICTS[mode].has(one)))
