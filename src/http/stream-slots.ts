const PER_PERSON = 16
const IN_ALL = 1_000

/** Bounds the event streams that are open at a time, in all and of one person. */
export interface StreamSlots {
  /** The way to give the slot back, once or often; undefined when there is none left. */
  take(person: string): (() => void) | undefined
}

export function createStreamSlots(changed: (open: number) => void): StreamSlots {
  const open = new Map<string, number>()
  let total = 0
  return {
    take(person) {
      const now = open.get(person) ?? 0
      if (now >= PER_PERSON || total >= IN_ALL) return undefined
      open.set(person, now + 1)
      changed((total += 1))
      let given = true
      return () => {
        if (!given) return
        given = false
        changed((total -= 1))
        const left = (open.get(person) ?? 1) - 1
        if (left === 0) open.delete(person)
        else open.set(person, left)
      }
    },
  }
}
