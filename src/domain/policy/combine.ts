import type { Cause, Decision } from './decision.ts'
import { narrowest, shortest } from './decide.ts'
import { agreedEscalations, orAbsent } from './escalations.ts'
import { fewest, strictestCap } from './row-cap.ts'
import { mergeRequirements } from './requirements.ts'
import type { Millis } from '../time.ts'

type Of<O extends Decision['outcome']> = Extract<Decision, { readonly outcome: O }>
const only = <O extends Decision['outcome']>(decisions: readonly Decision[], outcome: O): readonly Of<O>[] =>
  decisions.filter((decision): decision is Of<O> => decision.outcome === outcome)

/** In falling weight: the cause that is told when several actions were held for different ones. */
const CAUSES: readonly Cause[] = ['unknown_action', 'expression_failed', 'incomplete_profile', 'rule', 'default']

/**
 * The decision over several actions of one message: one deny denies it all, else one hold holds it all with every
 * requirement of every hold, else it is allowed. Order never matters. @throws RangeError on none: nothing is not allowed.
 */
export function combine(decisions: readonly Decision[]): Decision {
  const [first] = decisions
  if (first === undefined) throw new RangeError('combine needs a decision')
  if (decisions.length === 1) return first
  const denies = only(decisions, 'deny')
  if (denies.length > 0) {
    return {
      outcome: 'deny',
      ...common(denies),
      message: [...new Set(denies.map((deny) => deny.message))].toSorted().join(' '),
    }
  }
  const holds = only(decisions, 'hold')
  if (holds.length > 0) {
    const terms = holds.map((hold) => hold.terms)
    const rowCap = strictestCap(terms.map((term) => term.rowCap))
    const nudge = shortest(terms.map((term) => term.nudge))
    const climbing = holds.map(({ requirements, terms: { escalations = [] } }) => ({
      keys: new Set(requirements.map((one) => one.key)),
      escalations,
    }))
    return {
      outcome: 'hold',
      ...common(holds),
      requirements: mergeRequirements(holds.flatMap((hold) => hold.requirements)),
      terms: {
        timeout: least(terms.map((term) => term.timeout)),
        ...(nudge === undefined ? {} : { nudge }),
        ...orAbsent(agreedEscalations(climbing)),
        grantAtMost: least(terms.map((term) => term.grantAtMost)),
        scope: narrowest(terms.map((term) => term.scope)),
        reasonRequired: terms.some((term) => term.reasonRequired),
        ...(rowCap === undefined ? {} : { rowCap }),
      },
    }
  }
  const allows = only(decisions, 'allow')
  const sessionAtMost = shortest(allows.map((allow) => allow.sessionAtMost))
  const rowsAtMost = fewest(allows.map((allow) => allow.rowsAtMost))
  const reviewAfter = shortest(allows.map((allow) => allow.reviewAfter))
  return {
    outcome: 'allow',
    ...common(allows),
    waived: [...new Set(allows.flatMap((allow) => allow.waived))].toSorted(),
    ...(sessionAtMost === undefined ? {} : { sessionAtMost }),
    ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
    ...(reviewAfter === undefined ? {} : { reviewAfter }),
  }
}

function common(decisions: readonly Decision[]): Pick<Decision, 'cause' | 'rules' | 'failures' | 'recording'> {
  const failures = new Map(
    decisions
      .flatMap((decision) => decision.failures)
      .map((failure) => [`${failure.rule} ${failure.message}`, failure]),
  )
  return {
    cause: CAUSES.find((cause) => decisions.some((decision) => decision.cause === cause)) ?? 'default',
    rules: [...new Set(decisions.flatMap((decision) => decision.rules))].toSorted(),
    failures: [...failures].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, failure]) => failure),
    recording: decisions.some((decision) => decision.recording === 'full') ? 'full' : 'standard',
  }
}

const least = (lengths: readonly Millis[]): Millis => lengths.reduce((a, b) => (b < a ? b : a))
