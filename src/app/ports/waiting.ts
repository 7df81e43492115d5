import type { PrincipalId, RequestId } from '../../domain/ids.ts'
import type { StandIn } from '../../domain/request/request.ts'
import type { Instant } from '../../domain/time.ts'

/** A reviewer who is away, and who answers for them. */
export interface Delegation {
  readonly number: number
  readonly person: PrincipalId
  readonly to: PrincipalId
  readonly madeAt: Instant
  readonly until: Instant
}

/** What happens while a request waits. Everything that changes something is called inside a transaction. */
export interface WaitingStore {
  planSteps(
    request: RequestId,
    steps: readonly { readonly number: number; readonly at: Instant; readonly people: readonly PrincipalId[] }[],
  ): Promise<void>
  /** False when somebody was first. The people of an escalation are asked from then on. */
  takeStep(request: RequestId, number: number, now: Instant): Promise<boolean>
  /** Pending requests with a step that was due before this moment and that nobody has taken. */
  overdueSteps(before: Instant, limit: number): Promise<readonly RequestId[]>

  /** Ends the one in force before it, if there is one. */
  insertDelegation(delegation: Omit<Delegation, 'number'>): Promise<Delegation>
  /** False when none is in force. */
  endDelegation(person: PrincipalId, now: Instant): Promise<boolean>
  /** In force: those that any of these people made; with `to`, also those made to them. */
  delegationsOf(people: readonly PrincipalId[], now: Instant, to?: 'to'): Promise<readonly Delegation[]>
  /** Pending requests that ask this person, changes of documents left out. */
  pendingAsking(person: PrincipalId, limit: number): Promise<readonly RequestId[]>
  /** False when this person stands in for somebody there already. */
  insertStandIn(request: RequestId, standIn: Omit<StandIn, 'until'>, delegation: number): Promise<boolean>
}
