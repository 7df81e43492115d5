import type { Timer } from '../ports/timer.ts'

/** Repeats a step, this long after it last ended, until stopped. A step that fails is told and repeated like any other. */
export function every(
  deps: { readonly timer: Timer; readonly onFault: (what: string, error: unknown) => void },
  ms: number,
  what: string,
  step: () => Promise<void>,
): { stop(): Promise<void> } {
  let stopped = false
  let running: Promise<void> | undefined
  let cancel = (): void => undefined
  const turn = async (): Promise<void> => {
    try {
      await step()
    } catch (error) {
      deps.onFault(what, error)
    }
    schedule()
  }
  const schedule = (): void => {
    if (!stopped) cancel = deps.timer.after(ms, () => void (running = turn()))
  }
  schedule()
  return {
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
