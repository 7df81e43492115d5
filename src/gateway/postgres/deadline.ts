/** Longest that setTimeout takes. */
const LONGEST = 0x7fffffff

/**
 * A moment on this process's monotonic clock at which something must happen, however far away, and although the
 * database may be gone by then. `late` is called once. Answers how to call it off.
 */
export function atDeadline(inMs: number, late: () => void): () => void {
  const when = performance.now() + inMs
  let timer: NodeJS.Timeout
  const arm = () => {
    const left = when - performance.now()
    timer = setTimeout(
      () => (performance.now() >= when ? late() : arm()),
      Math.min(Math.max(0, Math.ceil(left)), LONGEST),
    )
  }
  arm()
  return () => clearTimeout(timer)
}
