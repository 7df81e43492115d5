import type { HoldTerms } from '../policy/decision.ts'
import { after } from '../time.ts'
import type { Instant } from '../time.ts'
import { eligible } from './eligibility.ts'
import type { Asking, Staff } from './eligibility.ts'
import type { OpenEscalation, RequestCommon } from './request.ts'

/** What happens by itself while a request waits. Numbers never change: a step that was taken is not taken again. */
export interface WaitingStep {
  readonly number: number
  readonly kind: 'nudge' | 'escalation'
  readonly at: Instant
  readonly done?: Instant
}

type Waiting = Pick<RequestCommon, 'nudge' | 'escalations'>

/** What a request that is opened now will do while it waits. What would come after its end is left out. */
export function waitingFor(
  terms: Pick<HoldTerms, 'nudge' | 'escalations'>,
  asking: Asking & Pick<RequestCommon, 'openedAt' | 'expiresAt' | 'requirements'>,
  staff: Staff,
): Waiting {
  const keys = new Set(asking.requirements.map((one) => one.key))
  const nudge = terms.nudge === undefined ? undefined : after(asking.openedAt, terms.nudge)
  const escalations = (terms.escalations ?? []).flatMap(({ key, pool, after: length }): OpenEscalation[] => {
    const at = after(asking.openedAt, length)
    const people = eligible({ pool }, asking, staff)
    return keys.has(key) && at < asking.expiresAt && people.length > 0 ? [{ key, pool, at, eligible: people }] : []
  })
  return {
    ...(nudge === undefined || nudge >= asking.expiresAt ? {} : { nudge: { at: nudge } }),
    ...(escalations.length === 0 ? {} : { escalations }),
  }
}

/** By number: the reminder is 0, escalations follow in their order. */
export const stepsOf = ({ nudge, escalations = [] }: Waiting): readonly WaitingStep[] => [
  ...(nudge === undefined ? [] : [{ number: 0, kind: 'nudge' as const, ...nudge }]),
  ...escalations.map(({ at, done }, i) => ({
    number: i + 1,
    kind: 'escalation' as const,
    at,
    ...(done === undefined ? {} : { done }),
  })),
]

/** Steps whose time has come and which nobody has taken, the earliest first. */
export const dueSteps = (request: Waiting, now: Instant): readonly WaitingStep[] =>
  stepsOf(request)
    .filter((step) => step.done === undefined && step.at <= now)
    .toSorted((a, b) => a.at - b.at)
