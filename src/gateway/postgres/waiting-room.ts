/** One connection that signs in. */
interface Waiting {
  readonly address: string
  /** Monotonic, in ms. */
  readonly since: number
  readonly turnOut: () => void
}

/** Whoever signs in takes a few round trips. One that takes longer may have to make room. */
const PATIENCE_MS = 1000

/**
 * Who is signing in, within a bound. Whoever opens connections and says nothing keeps nobody else out: when it is full,
 * the oldest of the address with the most in it makes room.
 */
export class WaitingRoom {
  readonly #most: number
  readonly #now: () => number
  readonly #inside = new Set<Waiting>()

  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most
    this.#now = now
  }

  /** Answers the way out, to be called once; undefined when there is no room. `turnOut` is called at most once. */
  enter(address: string, turnOut: () => void): (() => void) | undefined {
    const now = this.#now()
    if (this.#inside.size >= this.#most) {
      const one = this.#first()
      if (one === undefined || now - one.since < PATIENCE_MS) return undefined
      this.#inside.delete(one)
      one.turnOut()
    }
    const mine: Waiting = { address, since: now, turnOut }
    this.#inside.add(mine)
    return () => void this.#inside.delete(mine)
  }

  /** The oldest of the address with the most. A set keeps the order in which they came. */
  #first(): Waiting | undefined {
    const counts = new Map<string, number>()
    for (const { address } of this.#inside) counts.set(address, (counts.get(address) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const one of this.#inside) if (counts.get(one.address) === most) return one
    return undefined
  }
}
