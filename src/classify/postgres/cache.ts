/** A bounded map that keeps what was used lately: two generations, so that a hit in the young one costs a lookup and nothing else. */
export interface Cache<T> {
  get(key: string): T | undefined
  /** @param weight what the value takes, in characters. */
  set(key: string, value: T, weight: number): void
  clear(): void
}

/**
 * @param entries most entries of one generation; there are two.
 * @param characters most characters of keys and values in one generation; what takes an eighth of that by itself is not kept.
 */
export function createCache<T>(entries: number, characters: number): Cache<T> {
  interface Entry {
    readonly value: T
    readonly weight: number
  }
  let young = new Map<string, Entry>()
  let old = new Map<string, Entry>()
  let size = 0
  const put = (key: string, entry: Entry): void => {
    if (entry.weight > characters / 8) return
    if (young.size >= entries || size + entry.weight > characters) {
      old = young
      young = new Map()
      size = 0
    }
    // What stood under this key before counts on until its generation goes.
    young.set(key, entry)
    size += entry.weight
  }
  return {
    get(key) {
      const hit = young.get(key)
      if (hit !== undefined) return hit.value
      const found = old.get(key)
      if (found === undefined) return undefined
      put(key, found)
      return found.value
    },
    set(key, value, weight) {
      put(key, { value, weight: key.length + weight })
    },
    clear() {
      young = new Map()
      old = new Map()
      size = 0
    },
  }
}
