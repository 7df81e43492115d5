/** How long a probe waits for the store, in ms: shorter than whoever asks is patient. */
export const PROBE_WITHIN_MS = 2_000

/** What `work` comes to. @throws Error when that takes longer than `withinMs`; `work` is heard no more then. */
export async function inTime<T>(work: Promise<T>, withinMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms`)), withinMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
