import type { Action, Context } from '../action.ts'
import type { RuleName } from '../ids.ts'
import type { Verb } from '../verb.ts'
import {
  SCOPES,
  type Cause,
  type Decision,
  type Failure,
  type HoldTerms,
  type Recording,
  type Requirement,
  type Scope,
} from './decision.ts'
import { agreedEscalations, orAbsent, partOf } from './escalations.ts'
import { fewest, rowCapOf } from './row-cap.ts'
import { mergeRequirements, resolveReview, securityRequirement, type Asker } from './requirements.ts'
import type { AllowEffect, HoldEffect, Rule } from './rule.ts'
import type { Settings } from './settings.ts'
import { ActionView, ContextView, ResourceView, type PrincipalView, type Variables } from './views.ts'

/** What one decision needs: the rules that `on` left over for the verb, and who asks. */
export interface Case {
  readonly candidates: readonly Rule[]
  readonly asker: Asker
  readonly settings: Settings
  readonly principal: PrincipalView
  /** The requirements of a hold, resolved; the same for the life of a scope. */
  resolve(rule: Rule, effect: HoldEffect): readonly Requirement[]
  /** What this rule allows when it is the only one that matched: always the same, so it is made once. */
  alone(rule: Rule, effect: AllowEffect): Decision
}
type Facts = Pick<Action, 'verb' | 'facts'>
type Matched<E> = { readonly rule: Rule; readonly effect: E }

/**
 * How rules combine; their order never matters (docs/policy.md):
 * 1. a matching deny wins; 2. all matching holds add up; 3. an allow applies only if it waives every matching hold;
 * 4. nothing matched: the default; 5. an unknown action, and a hold or deny whose expression fails, is a hold for the
 * security team, whatever else matched except a deny. An incomplete profile is never auto-approved either.
 */
export function judge(
  one: Case,
  action: Facts,
  context: Context,
  candidates: readonly Rule[] = one.candidates,
): Decision {
  const denies: Matched<{ message: string }>[] = []
  const holds: Matched<HoldEffect>[] = []
  const failures: Failure[] = []
  let variables: Variables | undefined
  const matches = (rule: Rule): boolean => {
    if (rule.when === undefined) return true
    variables ??= viewsFor(one, action, context)
    const result = rule.when.evaluate(variables)
    if (result.kind === 'value') return result.value
    if (rule.effect.kind !== 'allow') failures.push({ rule: rule.name, message: result.message })
    return false
  }
  for (const rule of candidates) {
    const { effect } = rule
    if (effect.kind === 'allow' || !matches(rule)) continue
    if (effect.kind === 'deny') denies.push({ rule, effect })
    else holds.push({ rule, effect })
  }
  if (failures.length > 1) failures.sort((a, b) => (a.rule < b.rule ? -1 : 1))
  if (denies.length > 0) return deny(denies, failures)

  const { profile } = one.asker
  const doubt: Cause | undefined =
    action.verb === 'unknown'
      ? 'unknown_action'
      : failures.length > 0
        ? 'expression_failed'
        : profile.incomplete
          ? 'incomplete_profile'
          : undefined
  if (doubt === undefined) {
    const allows: Matched<AllowEffect>[] = []
    for (const rule of candidates) {
      const { effect } = rule
      if (effect.kind === 'allow' && holds.every((hold) => effect.waives.has(hold.rule.name)) && matches(rule))
        allows.push({ rule, effect })
    }
    const [first] = allows
    if (first !== undefined && allows.length === 1 && holds.length === 0) return one.alone(first.rule, first.effect)
    if (allows.length > 0) return allow(allows, holds, action.verb)
    if (holds.length > 0) return hold(one, action, holds, [], 'rule', failures)
  }
  if (
    holds.length === 0 &&
    one.settings.default === 'deny' &&
    (doubt === undefined || doubt === 'incomplete_profile')
  ) {
    return {
      outcome: 'deny',
      cause: 'default',
      rules: [],
      failures,
      recording: 'standard',
      message: 'No rule allows this.',
    }
  }
  if (doubt !== undefined) return hold(one, action, holds, [securityRequirement(one.asker)], doubt, failures)
  return hold(
    one,
    action,
    [],
    resolveReview(one.asker, { source: { kind: 'owners' }, count: 1, distinct: true }, []),
    'default',
    failures,
  )
}

/** What expressions see of this case. */
export function viewsFor(one: Case, action: Facts, context: Context): Variables {
  const { profile } = one.asker
  return {
    principal: one.principal,
    resource: new ResourceView(profile, context.now),
    action: new ActionView(action),
    context: new ContextView(context, profile.timezone),
  }
}

const namesOf = (matched: readonly { readonly rule: Rule }[]): readonly RuleName[] =>
  matched.length === 1 && matched[0] !== undefined
    ? [matched[0].rule.name]
    : matched.map((one) => one.rule.name).toSorted()
const recordingOf = (matched: readonly { readonly rule: Rule }[]): Recording =>
  matched.some((one) => one.rule.recording === 'full') ? 'full' : 'standard'

function deny(denies: readonly Matched<{ message: string }>[], failures: readonly Failure[]): Decision {
  const sorted = denies.toSorted((a, b) => (a.rule.name < b.rule.name ? -1 : 1))
  const message = [...new Set(sorted.map((one) => one.effect.message))].join(' ')
  return { outcome: 'deny', cause: 'rule', rules: namesOf(denies), failures, recording: 'standard', message }
}

/** What `allows` say together, over the holds that they waive. */
export function allow(
  allows: readonly Matched<AllowEffect>[],
  waived: readonly { readonly rule: Rule }[],
  verb: Verb,
): Decision {
  const sessionAtMost = shortest(allows.map((one) => one.effect.sessionAtMost))
  const rowsAtMost = verb === 'connect' ? undefined : fewest(allows.map((one) => one.effect.rowsAtMost))
  const reviewAfter = waived.length === 0 ? undefined : shortest(allows.map((one) => one.effect.reviewAfter))
  return {
    outcome: 'allow',
    cause: 'rule',
    rules: namesOf(allows),
    failures: [],
    recording: recordingOf([...allows, ...waived]),
    waived: namesOf(waived),
    ...(sessionAtMost === undefined ? {} : { sessionAtMost }),
    ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
    ...(reviewAfter === undefined ? {} : { reviewAfter }),
  }
}

function hold(
  one: Case,
  action: Facts,
  holds: readonly Matched<HoldEffect>[],
  extra: readonly Requirement[],
  cause: Cause,
  failures: readonly Failure[],
): Decision {
  const asked = holds.map(({ rule, effect }) => ({ effect, requirements: one.resolve(rule, effect) }))
  const wanted = [...extra, ...asked.flatMap((matched) => matched.requirements)]
  // What is in doubt never climbs away from the security team; the default is the settings' own.
  const parts = [
    partOf(one.asker, extra, { usual: cause === 'default' ? one.settings.escalate : [] }),
    ...asked.map(({ effect, requirements }) =>
      partOf(one.asker, requirements, { own: effect.escalate, usual: one.settings.escalate }),
    ),
  ]
  return {
    outcome: 'hold',
    cause,
    rules: namesOf(holds),
    failures,
    recording: recordingOf(holds),
    requirements: mergeRequirements(wanted),
    terms: {
      ...termsOf(
        one.settings,
        action,
        holds.map((matched) => matched.effect),
        cause,
      ),
      ...orAbsent(agreedEscalations(parts)),
    },
  }
}

/** The shortest time, the narrowest scope, the strictest of everything. What could not be understood is agreed to one at a time. */
function termsOf(settings: Settings, action: Facts, effects: readonly HoldEffect[], cause: Cause): HoldTerms {
  const widest: Scope = cause === 'unknown_action' || cause === 'expression_failed' ? 'once' : 'window'
  const caps = effects.flatMap((effect) => effect.rowCap ?? [])
  const rowCap = rowCapOf(caps, action)
  const scope = narrowest([widest, ...effects.flatMap((effect) => effect.scope ?? [])])
  return {
    timeout: shortest(effects.map((effect) => effect.timeout)) ?? settings.timeout,
    nudge: shortest(effects.map((effect) => effect.nudge)) ?? settings.nudge,
    grantAtMost: shortest(effects.map((effect) => effect.grantAtMost)) ?? settings.grantAtMost[scope],
    scope,
    reasonRequired: effects.some((effect) => effect.reasonRequired),
    ...(rowCap === undefined ? {} : { rowCap }),
  }
}

/** The smallest that is given; undefined when none is. */
export function shortest<T extends number>(lengths: readonly (T | undefined)[]): T | undefined {
  let found: T | undefined
  for (const length of lengths) if (length !== undefined && (found === undefined || length < found)) found = length
  return found
}
export const narrowest = (scopes: readonly Scope[]): Scope => SCOPES.find((scope) => scopes.includes(scope)) ?? 'once'

/** Whether a rule for this verb needs the planner's guess. */
export const readsEstimate = (candidates: readonly Rule[], verb: Verb): boolean =>
  verb !== 'unknown' && candidates.some((rule) => rule.readsEstimate)
