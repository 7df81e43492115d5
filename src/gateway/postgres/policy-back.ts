import { setTimeout as after } from 'node:timers/promises'

/** How long a statement waits for a policy that could not be confirmed for a moment, in ms. */
const PATIENCE_MS = 3000
const LOOK_MS = 25

/**
 * What `read` answers, as soon as it answers something. A store that was busy for two seconds is no reason to fail a
 * client's work; one that stays away is (I7), and then this is undefined.
 * @param over nobody waits any more.
 */
export async function policyBack<T>(read: () => T | undefined, over: () => boolean): Promise<T | undefined> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const found = read()
    if (found !== undefined || over() || performance.now() > until) return found
    await after(LOOK_MS)
  }
}
