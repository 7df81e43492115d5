/** A bounded map that keeps what was used lately: two generations, so that a hit in the young one costs a lookup and nothing else. */
export interface Cache<T> {
  get(key: string): T | undefined
  set(key: string, value: T): void
  clear(): void
}

/**
 * @param entries most entries of one generation; there are two.
 * @param characters most characters of keys in one generation; a longer key is not kept.
 */
export function createCache<T>(entries: number, characters: number): Cache<T> {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  let size = 0
  const put = (key: string, value: T): void => {
    if (key.length > characters / 8) return
    if (young.size >= entries || size + key.length > characters) {
      old = young
      young = new Map()
      size = 0
    }
    young.set(key, value)
    size += key.length
  }
  return {
    get(key) {
      const hit = young.get(key)
      if (hit !== undefined) return hit
      const found = old.get(key)
      if (found !== undefined) put(key, found)
      return found
    },
    set: put,
    clear() {
      young = new Map()
      old = new Map()
      size = 0
    },
  }
}
