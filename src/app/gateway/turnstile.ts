/** Runs a piece of work when its turn comes. */
export type Turnstile = <T>(work: () => Promise<T>) => Promise<T>

/** At most `most` works are under way at once; the others wait, first come first served. */
export function turnstile(most: number): Turnstile {
  const waiting: (() => void)[] = []
  let under = 0
  return async (work) => {
    if (under < most) under += 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      // The place goes to the next one without being free in between.
      if (next === undefined) under -= 1
      else next()
    }
  }
}
