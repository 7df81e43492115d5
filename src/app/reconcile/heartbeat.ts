import type { Cuts } from '../gateway/cuts.ts'
import type { Timer } from '../ports/timer.ts'
import { every } from './every.ts'
import type { Replica } from './replica.ts'

/** What a process needs that carries sessions. */
export interface HeartbeatDeps {
  readonly replica: Replica
  readonly cuts: Pick<Cuts, 'check' | 'cutAll' | 'endStrays'>
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}

const EVERY_MS = 1_000

/**
 * Every process that carries sessions says each second that it lives, and asks which of its sessions must end.
 * Registers it (`replica.start`) before it resolves, so that sessions may be opened. The process's row is ended by
 * whoever owns it.
 */
export async function startHeartbeat(deps: HeartbeatDeps): Promise<{ stop(): Promise<void> }> {
  const { replica, cuts } = deps
  const beat = async (): Promise<void> => {
    if (!(await replica.beat())) {
      // Others took this process for dead and have closed its sessions: nothing of them may go on here.
      cuts.cutAll({ why: 'this gateway had lost touch with the store', reason: 'cut' })
      await replica.start()
    }
    await cuts.endStrays()
  }
  await replica.start()
  // Apart from each other: a long look must not seem like death.
  const loops = [
    every(deps, EVERY_MS, 'the heartbeat', beat),
    every(deps, EVERY_MS, 'looking for sessions to cut', () => cuts.check()),
  ]
  return {
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
