import type { Action, Context } from '../action.ts'
import type { PolicyScope } from './build-snapshot.ts'
import { judge, viewsFor } from './decide.ts'
import type { Decision } from './decision.ts'
import { whenClause, type Clause } from './explain.ts'
import { checkOn, type Rule } from './rule.ts'

/** Rules evaluated at most in looking for a change: each candidate that is tried decides over all of them again. */
const MOST_EVALUATED = 20_000

/**
 * The nearest change that would flip the outcome: one clause of one rule, found by deciding again with that rule
 * matched, or left out. Undefined when no single change would.
 */
export function findFlip(scope: PolicyScope, action: Action, context: Context, now: Decision): string | undefined {
  const one = scope.caseOf(action.verb)
  let left = MOST_EVALUATED
  const outcomeOf: OutcomeOf = (candidates) => {
    left -= one.candidates.length + 1
    // Where it would take too long to find out, nothing is claimed.
    return left < 0 ? now.outcome : judge(one, action, context, candidates()).outcome
  }
  if (now.cause === 'unknown_action') return 'If it could be classified, the rules for its verb would decide.'
  if (now.cause === 'incomplete_profile')
    return `With an owner and a classification in the profile of ${scope.profile.name}, the rules would decide.`
  const failure = now.failures[0]
  if (failure !== undefined && now.outcome === 'hold')
    return `If what rule ${failure.rule} needs were known (${failure.message}), it could be decided.`

  const flips = [...flipsAmong(scope, action, context, now, outcomeOf), ...flipsNear(scope, action, now, outcomeOf)]
  // What is held is asked about by people who want it to run.
  return (flips.find((flip) => flip.outcome === 'allow') ?? flips[0])?.text
}

interface Flip {
  readonly outcome: Decision['outcome']
  readonly text: string
}
type OutcomeOf = (candidates: () => readonly Rule[]) => Decision['outcome']

/** Candidates that are left out, or that match after all. */
function flipsAmong(
  scope: PolicyScope,
  action: Action,
  context: Context,
  now: Decision,
  outcomeOf: OutcomeOf,
): readonly Flip[] {
  const one = scope.caseOf(action.verb)
  const variables = viewsFor(one, action, context)
  const made = new Set<string>(now.rules)
  // What made the outcome first: there may be too many to try them all.
  const nearest = one.candidates.toSorted((a, b) => Number(made.has(b.name)) - Number(made.has(a.name)))
  return nearest.flatMap((rule): Flip[] => {
    const left = made.has(rule.name)
    const outcome = outcomeOf(() =>
      left
        ? one.candidates.filter((other) => other !== rule)
        : one.candidates.map((other) => (other === rule ? matching(rule) : other)),
    )
    if (outcome === now.outcome) return []
    const clauses = rule.when?.clauses.map((text) => whenClause(text, variables)) ?? []
    if (!left)
      return [
        {
          outcome,
          text: sentence(
            clauses.find((clause) => !clause.holds),
            rule,
            outcome,
          ),
        },
      ]
    const held = clauses.find((clause) => clause.holds)
    const text =
      held === undefined
        ? `Without rule ${rule.name} it would be: ${outcome}.`
        : `If ${held.text} did not hold (${held.saw}), rule ${rule.name} would not match, and it would be: ${outcome}.`
    return [{ outcome, text }]
  })
}

/** Rules that miss by one key of `on`. */
function flipsNear(scope: PolicyScope, action: Action, now: Decision, outcomeOf: OutcomeOf): readonly Flip[] {
  const { candidates } = scope.caseOf(action.verb)
  const known = new Set(candidates)
  return scope.snapshot.rules.flatMap((rule): Flip[] => {
    if (known.has(rule)) return []
    const [only, ...more] = checkOn(rule, scope.profile, scope.principal, scope.teams, action.verb).filter(
      (check) => !check.holds,
    )
    if (only === undefined || more.length > 0) return []
    const outcome = outcomeOf(() => [...candidates, rule])
    if (outcome === now.outcome) return []
    const text = `If ${only.key} were ${[...only.wanted].join(' or ')} (it is ${only.saw.join(', ') || 'not set'}), rule ${rule.name} would make it: ${outcome}.`
    return [{ outcome, text }]
  })
}

/** The rule as if its expression held. */
function matching(rule: Rule): Rule {
  const { when: _when, ...rest } = rule
  return rest
}

const sentence = (clause: Clause | undefined, rule: Rule, outcome: string): string =>
  clause === undefined
    ? `If rule ${rule.name} matched, it would be: ${outcome}.`
    : `If ${clause.text} held (${clause.saw}), rule ${rule.name} would match, and it would be: ${outcome}.`
