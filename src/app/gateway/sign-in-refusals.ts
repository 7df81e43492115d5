import type { Clock } from '../ports/clock.ts'
import type { GatewayApp } from '../ports/gateway.ts'
import type { Store } from '../ports/store.ts'
import type { Timer } from '../ports/timer.ts'
import { bounded, createRefusalRecorder } from '../record/record-refusals.ts'
import { createStrangerLimit } from '../record/stranger-limit.ts'

const MINUTE = 60_000
/** Addresses whose further refusals are counted apart; those of any more are counted together. */
const MOST_ADDRESSES = 100
const WHAT = 'sign-in at the PostgreSQL gateway'

export interface SignInRefusals {
  readonly refused: GatewayApp['signInRefused']
  /** Writes what is gathered and counted. */
  close(): Promise<void>
}

/**
 * Records who was turned away at a gateway's door. Whoever proved nothing is bounded, by address; what is beyond the
 * bound becomes one entry a minute for each address, with its count.
 */
export function createSignInRefusals(deps: {
  readonly store: Store
  readonly clock: Pick<Clock, 'now'>
  readonly timer: Timer
  readonly onFault: (what: string, error: unknown) => void
}): SignInRefusals {
  const recorder = createRefusalRecorder({
    store: deps.store,
    log: (message) => deps.onFault('recording refused sign-ins', new Error(message)),
  })
  const mayList = createStrangerLimit(() => deps.clock.now())
  const beyond = new Map<string, number>()
  let cancel: (() => void) | undefined

  const tellBeyond = (): void => {
    cancel = undefined
    for (const [sourceAddress, count] of beyond) {
      const body = { what: WHAT, why: 'more than are listed', refusal: 'wrong_credentials', sourceAddress }
      recorder.gather({ actor: undefined, about: undefined, body }, count)
    }
    beyond.clear()
  }

  return {
    refused({ user, principal, proven, refusal, sourceAddress: from, resource }) {
      const sourceAddress = bounded(from, 100)
      if (!proven && !mayList(sourceAddress)) {
        const key = beyond.has(sourceAddress) || beyond.size < MOST_ADDRESSES ? sourceAddress : 'other addresses'
        beyond.set(key, (beyond.get(key) ?? 0) + 1)
        cancel ??= deps.timer.after(MINUTE, tellBeyond)
        return
      }
      const why =
        refusal !== 'wrong_credentials'
          ? {}
          : principal === undefined
            ? { why: 'nobody has this name' }
            : { why: principal.disabled ? 'the account is disabled' : 'no live gateway token of theirs' }
      // A name that nobody has may be anything that was typed: it is kept short, and only here.
      const typed = principal === undefined ? { user: bounded(user, 64) } : {}
      recorder.gather({
        actor: proven ? principal?.id : undefined,
        about: principal?.id,
        body: { what: WHAT, refusal, ...why, ...typed, ...(resource === undefined ? {} : { resource }), sourceAddress },
      })
    },
    async close() {
      cancel?.()
      tellBeyond()
      await recorder.close()
    },
  }
}
