import type { Expected } from './target-line.ts'

/** As long as this, an array is shifted at no cost worth naming; a longer one would be moved as a whole every time. */
const SHORT = 64

/**
 * What the target owes, oldest first. A client may pipeline a hundred thousand messages before it reads an answer, so
 * taking the oldest costs the same however many stand behind it.
 */
export class Owed {
  readonly #items: (Expected | undefined)[] = []
  #from = 0
  #opening = 0

  get length(): number {
    return this.#items.length - this.#from
  }
  get first(): Expected | undefined {
    return this.#items[this.#from]
  }
  get last(): Expected | undefined {
    return this.length === 0 ? undefined : this.#items.at(-1)
  }
  /** Whether one of them opens a transaction, said or unsaid: a Bind or an Execute. */
  get opens(): boolean {
    return this.#opening > 0
  }

  push(expected: Expected): void {
    this.#items.push(expected)
    if (opens(expected)) this.#opening += 1
  }

  shift(): Expected | undefined {
    const first = this.#items[this.#from]
    if (first === undefined) return undefined
    if (opens(first)) this.#opening -= 1
    if (this.#from === 0 && this.#items.length <= SHORT) this.#items.shift()
    else {
      this.#items[this.#from] = undefined
      this.#from += 1
      if (this.#from * 2 >= this.#items.length) {
        this.#items.splice(0, this.#from)
        this.#from = 0
      }
    }
    return first
  }

  /** How many up to and with the first that ends with the target being ready; undefined when none does. */
  get stretch(): number | undefined {
    const at = this.#items.findIndex((one, i) => i >= this.#from && (one?.kind === 'query' || one?.kind === 'sync'))
    return at < 0 ? undefined : at - this.#from + 1
  }
  /** The first so many become others of the same kind. */
  replace(count: number, change: (one: Expected) => Expected): void {
    for (let at = this.#from; at < this.#from + count; at++) {
      const one = this.#items[at]
      if (one !== undefined) this.#items[at] = change(one)
    }
  }

  clear(): void {
    this.#items.length = 0
    this.#from = 0
    this.#opening = 0
  }
}

const opens = ({ kind }: Expected): boolean => kind === 'bind' || kind === 'execute'
