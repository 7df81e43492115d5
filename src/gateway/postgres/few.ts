/*
 * A set and a map that mostly hold one entry, which comes and goes with every statement. The built-in ones make a new
 * table for it again and again, and every table that was left holds its entries and the next table until the old part
 * of the heap is collected: most of what a session allocates would live that long.
 */

export class FewSet<T extends object> {
  #one: T | undefined
  readonly #more = new Set<T>()

  get size(): number {
    return this.#more.size + (this.#one === undefined ? 0 : 1)
  }
  add(item: T): void {
    if (item === this.#one) return
    if (this.#one === undefined && this.#more.size === 0) this.#one = item
    else this.#more.add(item)
  }
  delete(item: T): void {
    if (item === this.#one) this.#one = undefined
    else if (this.#more.size > 0) this.#more.delete(item)
  }
  /** What is deleted meanwhile does not come any more. */
  *[Symbol.iterator](): Generator<T> {
    if (this.#one !== undefined) yield this.#one
    yield* this.#more
  }
}

export class FewMap<K extends string, V extends object> {
  #key: K | undefined
  #value: V | undefined
  readonly #more = new Map<K, V>()

  get size(): number {
    return this.#more.size + (this.#value === undefined ? 0 : 1)
  }
  get(key: K): V | undefined {
    return key === this.#key ? this.#value : this.#more.size === 0 ? undefined : this.#more.get(key)
  }
  set(key: K, value: V): void {
    if (this.#value === undefined && !this.#more.has(key)) this.#key = key
    if (key === this.#key) this.#value = value
    else this.#more.set(key, value)
  }
  delete(key: K): void {
    if (key !== this.#key) return void this.#more.delete(key)
    this.#key = undefined
    this.#value = undefined
  }
  clear(): void {
    this.#key = undefined
    this.#value = undefined
    if (this.#more.size > 0) this.#more.clear()
  }
}
