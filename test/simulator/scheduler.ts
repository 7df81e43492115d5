/** Random numbers of which a seed makes always the same (sfc32, C. Doty-Humphrey). */
export class Random {
  #a: number
  #b: number
  #c: number
  #n = 1
  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = (seed * 0x9e3779b1) | 0
    this.#c = 0x6b43a9b5
    for (let i = 0; i < 12; i++) this.next()
  }
  /** At least 0, less than 1. */
  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#n++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return (t >>> 0) / 2 ** 32
  }
  /** A whole number from `least` to `most`. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }
  chance(of: number): boolean {
    return this.next() < of
  }
  pick<T>(list: readonly T[]): T {
    const one = list[this.int(0, list.length - 1)]
    if (one === undefined) throw new Error('nothing to pick from')
    return one
  }
}

interface Event {
  readonly at: number
  /** Of what happens in the same millisecond, nobody knows what is first. */
  readonly tie: number
  readonly run: () => void
  over: boolean
}

/**
 * Virtual time, in ms. What is to happen is an event; between two of them everything that can go on goes on, so a seed
 * decides every interleaving.
 */
export class Scheduler {
  readonly #random: Random
  readonly #heap: Event[] = []
  now = 1_000_000
  /** How many there were. */
  events = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Runs once in `ms`. Returns the way to take it back. */
  after(ms: number, run: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, ms), tie: this.#random.next(), run, over: false }
    this.#push(event)
    return () => void (event.over = true)
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** Until `done` says so, asked at each event, or nothing is left to happen. */
  async run(done: () => boolean): Promise<void> {
    while (!done()) {
      const event = this.#pop()
      if (event === undefined) return
      if (event.over) continue
      this.now = Math.max(this.now, event.at)
      this.events++
      event.run()
      // Every promise that can go on has gone on by then.
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    for (let up = (at - 1) >> 1; at > 0 && sooner(event, heap[up]); at = up, up = (at - 1) >> 1) swap(heap, at, up)
  }
  #pop(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let at = 0; ;) {
      let least = at
      for (const down of [2 * at + 1, 2 * at + 2]) if (sooner(heap[down], heap[least])) least = down
      if (least === at) return first
      swap(heap, at, least)
      at = least
    }
  }
}

const sooner = (a: Event | undefined, b: Event | undefined): boolean =>
  a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.tie < b.tie))
function swap(heap: Event[], a: number, b: number): void {
  const [x, y] = [heap[a], heap[b]]
  if (x === undefined || y === undefined) return
  heap[a] = y
  heap[b] = x
}
