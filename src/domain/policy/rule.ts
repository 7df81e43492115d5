import type { RuleName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { Profile } from '../profile/profile.ts'
import { parseDuration, type Millis } from '../time.ts'
import type { Verb } from '../verb.ts'
import type { Recording, Scope } from './decision.ts'
import type { DocumentOf } from './documents.ts'
import { compileExpression, type Expression } from './expression.ts'
import { parseFactor, type CapRule } from './row-cap.ts'
import type { EscalationBody, RuleBody } from './schema.ts'

/** Where a review must come from, as written: resolved against one principal, resource and verb in requirements.ts. */
export type ReviewSource =
  | { readonly kind: 'owners'; readonly layer?: string }
  | { readonly kind: 'team'; readonly team: string }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'sponsor' }

export interface Review {
  readonly source: ReviewSource
  readonly count: number
  readonly distinct: boolean
}

/** Who else may answer once nobody has for so long, as written. */
export interface EscalationRule {
  readonly after: Millis
  readonly source: ReviewSource
}

export interface HoldEffect {
  readonly kind: 'hold'
  readonly reviews: readonly Review[]
  readonly timeout?: Millis
  readonly nudge?: Millis
  /** Undefined where the rule does not say: then the settings do. */
  readonly escalate?: readonly EscalationRule[]
  readonly scope?: Scope
  readonly grantAtMost?: Millis
  readonly reasonRequired: boolean
  readonly rowCap?: CapRule
}
export interface AllowEffect {
  readonly kind: 'allow'
  readonly sessionAtMost?: Millis
  readonly rowsAtMost?: number
  readonly waives: ReadonlySet<string>
  readonly reviewAfter?: Millis
}
export type Effect = { readonly kind: 'deny'; readonly message: string } | HoldEffect | AllowEffect

const ON_KEYS = [
  'env',
  'verbs',
  'classification',
  'criticality',
  'type',
  'resource',
  'compliance',
  'principal',
  'team',
] as const
export type OnKey = (typeof ON_KEYS)[number]

/** A rule ready to be matched. */
export interface Rule {
  readonly name: RuleName
  /** Each key that was given, with its values. A key that was left out matches everything. */
  readonly on: ReadonlyMap<OnKey, ReadonlySet<string>>
  readonly when?: Expression
  /** `when` reads the statement or its estimate: nothing to go by before there is one. */
  readonly readsStatement: boolean
  readonly readsEstimate: boolean
  readonly effect: Effect
  readonly recording: Recording
  readonly path?: string
  readonly line?: number
}

/** Expressions by their text, to spare compiling the same again at the next revision. */
export type ExpressionCache = Map<string, Expression>

/** @throws when the expression was never validated: a fault, not a finding. */
export function readRule(document: DocumentOf<'Rule'>, known?: ExpressionCache): Rule {
  const { body } = document
  const on = new Map<OnKey, ReadonlySet<string>>()
  for (const key of ON_KEYS) {
    const value = body.on?.[key]
    if (value !== undefined) on.set(key, new Set<string>([value].flat()))
  }
  const when = body.when === undefined ? undefined : expressionOf(body.when, body.name, known)
  const reads = [...(when?.reads ?? [])]
  const effect = readEffect(body)
  const cap = effect.kind === 'hold' ? effect.rowCap : undefined
  return {
    name: body.name as RuleName,
    on,
    ...(when === undefined ? {} : { when }),
    readsStatement: reads.some((path) => /^action(\.(sql|estimate)(\.|$)|$)/.test(path)),
    // A cap at a multiple of the estimate needs one, whatever `when` reads.
    readsEstimate: reads.some((path) => /^action(\.estimate(\.|$)|$)/.test(path)) || 'factor' in (cap ?? {}),
    effect,
    recording: body.hold?.record ?? body.allow?.record ?? 'standard',
    ...(document.path === undefined ? {} : { path: document.path }),
    ...(document.line === undefined ? {} : { line: document.line }),
  }
}

function expressionOf(text: string, rule: string, known: ExpressionCache | undefined): Expression {
  const cached = known?.get(text)
  if (cached !== undefined) return cached
  const compiled = compileExpression(text)
  if (!compiled.ok) throw new Error(`rule ${rule}: ${compiled.problem.message}`)
  known?.set(text, compiled.expression)
  return compiled.expression
}

function readEffect(body: RuleBody): Effect {
  if (body.deny !== undefined) return { kind: 'deny', message: body.deny }
  if (body.hold !== undefined) {
    const { reviews, timeout, nudge, escalate, scope, grantAtMost, reason, rowCap } = body.hold
    return {
      kind: 'hold',
      reviews: reviews.map((review) => ({
        source: readSource(review.from),
        count: review.count ?? 1,
        distinct: review.distinct ?? true,
      })),
      ...optional('timeout', timeout),
      ...optional('nudge', nudge),
      ...(escalate === undefined ? {} : { escalate: readEscalation(escalate) }),
      ...(scope === undefined ? {} : { scope }),
      ...optional('grantAtMost', grantAtMost),
      reasonRequired: reason === 'required',
      ...(rowCap === undefined ? {} : { rowCap: readCap(rowCap) }),
    }
  }
  const { sessionAtMost, for: length, waives, reviewAfter, rowsAtMost } = body.allow ?? {}
  const bounds = [sessionAtMost, length].flatMap((text) => (text === undefined ? [] : [parseDuration(text) ?? 0]))
  return {
    kind: 'allow',
    ...(bounds.length === 0 ? {} : { sessionAtMost: Math.min(...bounds) as Millis }),
    waives: new Set(waives ?? []),
    ...optional('reviewAfter', reviewAfter),
    ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
  }
}

/** As the schema has checked. @throws when it has not: a cap that cannot be read must not be left out. */
function readCap(cap: number | string): CapRule {
  if (typeof cap === 'number') return { rows: cap }
  const factor = parseFactor(cap)
  if (factor === undefined) throw new Error(`a row cap of ${cap}`)
  return { factor }
}

const optional = <K extends string>(key: K, text: string | undefined): Partial<Record<K, Millis>> => {
  const value = text === undefined ? undefined : parseDuration(text)
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<K, Millis>>)
}

/** As the schema has checked: one, or a list. */
export const readEscalation = (escalate: EscalationBody): readonly EscalationRule[] =>
  [escalate].flat().flatMap(({ after, to }) => {
    const length = parseDuration(after)
    return length === undefined ? [] : [{ after: length, source: readSource(to) }]
  })

/** `owners`, `owners:LAYER`, `team:NAME`, `user:NAME` or `sponsor`, as the schema has checked. */
export function readSource(from: string): ReviewSource {
  const [kind, rest] = from.split(':', 2)
  if (kind === 'team' && rest !== undefined) return { kind, team: rest }
  if (kind === 'user' && rest !== undefined) return { kind, user: rest }
  if (kind === 'sponsor') return { kind }
  return rest === undefined ? { kind: 'owners' } : { kind: 'owners', layer: rest }
}

/** One key of `on` with what it was compared to; `verbs` is compared when a verb is given. */
export interface OnCheck {
  readonly key: OnKey
  readonly wanted: ReadonlySet<string>
  readonly saw: readonly string[]
  readonly holds: boolean
}

const SEEN: Readonly<
  Record<
    Exclude<OnKey, 'verbs'>,
    (profile: Profile, principal: Principal, teams: readonly string[]) => readonly string[]
  >
> = {
  env: (profile) => (profile.env === undefined ? [] : [profile.env]),
  classification: (profile) => [profile.classification],
  criticality: (profile) => (profile.criticality === undefined ? [] : [profile.criticality]),
  type: (profile) => [profile.type],
  resource: (profile) => [profile.name],
  compliance: (profile) => profile.compliance,
  principal: (_profile, principal) => [principal.kind],
  team: (_profile, _principal, teams) => teams,
}

/** Every key of `on`, checked one by one. */
export function checkOn(
  rule: Rule,
  profile: Profile,
  principal: Principal,
  teams: readonly string[],
  verb?: Verb,
): readonly OnCheck[] {
  return [...rule.on].flatMap(([key, wanted]): OnCheck[] => {
    if (key === 'verbs' && verb === undefined) return []
    const saw = key === 'verbs' ? [verb ?? ''] : SEEN[key](profile, principal, teams)
    return [{ key, wanted, saw, holds: saw.some((value) => wanted.has(value)) }]
  })
}

/** Whether everything in `on` but the verb fits. */
export function matchesStatically(
  rule: Rule,
  profile: Profile,
  principal: Principal,
  teams: readonly string[],
): boolean {
  for (const [key, wanted] of rule.on) {
    if (key !== 'verbs' && !SEEN[key](profile, principal, teams).some((value) => wanted.has(value))) return false
  }
  return true
}

/** Whether the rule may speak about `verb`. `unknown` is never named, so only a rule without verbs does. */
export const coversVerb = (rule: Rule, verb: Verb): boolean => rule.on.get('verbs')?.has(verb) ?? true
