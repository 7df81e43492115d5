import type { SessionId } from '../../domain/ids.ts'
import type { CutOrder } from '../ports/gateway.ts'
import type { GatewayDeps } from './deps.ts'
import { endSession } from './sessions.ts'

/** The sessions that this process carries, and the way to end each. */
export interface Cuts {
  onCut(session: SessionId, cut: (order: CutOrder) => void): () => void
  /** Ask the store which of them must end, and tell their gateways. Level-triggered: a missed wake costs a second at most. */
  check(): Promise<void>
  /** End them all: this process is not entitled to carry them any more. */
  cutAll(order: CutOrder): void
  /** End those that the store has as open here and this process does not know: their opening was answered too late, or never. */
  endStrays(): Promise<void>
  close(): void
}

/** More than any process carries. */
const MOST = 100_000

/** @param mine every session that this process has begun to open, until the store knows its end. */
export function createCuts(
  deps: Pick<GatewayDeps, 'store' | 'clock' | 'wake' | 'replica' | 'onFault'>,
  mine: ReadonlySet<SessionId>,
): Cuts {
  const carried = new Map<SessionId, { readonly cut: (order: CutOrder) => void; told: boolean }>()
  let checking: Promise<void> | undefined
  let again = false

  const tell = (session: SessionId, order: CutOrder): void => {
    const one = carried.get(session)
    if (one === undefined || one.told) return
    one.told = true
    try {
      one.cut(order)
    } catch (error) {
      deps.onFault(`cutting ${session}`, error)
    }
  }
  const look = async (): Promise<void> => {
    do {
      again = false
      if (carried.size === 0) return
      for (const { session, order } of await deps.store.requests.sessionsToCut(deps.replica.id(), deps.clock.now()))
        tell(session, order)
    } while (again)
  }
  /** One look at a time; whoever asks during one gets another after it. */
  const check = (): Promise<void> => {
    again = true
    checking ??= look().finally(() => (checking = undefined))
    return checking
  }
  const heard = (): void => {
    check().catch((error: unknown) => deps.onFault('looking for sessions to cut', error))
  }
  const stops = [
    deps.wake.subscribe('grant/', heard),
    deps.wake.subscribe('session/', (subject) => {
      if (carried.has(subject.slice('session/'.length) as SessionId)) heard()
    }),
  ]

  return {
    onCut(session, cut) {
      const one = { cut, told: false }
      carried.set(session, one)
      return () => {
        if (carried.get(session) === one) carried.delete(session)
      }
    },
    check,
    cutAll(order) {
      for (const session of carried.keys()) tell(session, order)
    },
    async endStrays() {
      for (const session of await deps.store.requests.openSessionsOfReplica(deps.replica.id(), MOST))
        if (!mine.has(session)) await endSession(deps.store, session, 'failed')
    },
    close() {
      for (const stop of stops) stop()
    },
  }
}
