import type { Millis } from '../time.ts'
import type { Escalation, Requirement } from './decision.ts'
import { escalationPools, keyOf, type Asker } from './requirements.ts'
import type { EscalationRule } from './rule.ts'

/** What one rule, or one decision, asks for and lets climb. */
export interface EscalationPart {
  /** Keys of the requirements that it asks for. */
  readonly keys: ReadonlySet<string>
  readonly escalations: readonly Escalation[]
}

/**
 * What a rule with these requirements lets climb: as it says itself, or else as the settings do. In a sponsor's place
 * others answer only where the rule that asks the sponsor says so.
 */
export function partOf(
  asker: Asker,
  requirements: readonly Requirement[],
  { own, usual }: { readonly own?: readonly EscalationRule[] | undefined; readonly usual: readonly EscalationRule[] },
): EscalationPart {
  const keys = new Set(requirements.map((one) => one.key))
  const climbing = own === undefined ? [...keys].filter((key) => !key.startsWith('sponsor:')) : [...keys]
  const escalations = (own ?? usual).flatMap(({ after, source }) =>
    escalationPools(asker, source).flatMap((pool) =>
      climbing.filter((key) => key !== keyOf(pool)).map((key) => ({ key, after, pool })),
    ),
  )
  return { keys, escalations }
}

/**
 * What all of them together let climb: an escalation adds people, so it counts only where every rule that asks for the
 * requirement names the same people, and not before the last of them would. The order of rules never matters.
 */
export function agreedEscalations(parts: readonly EscalationPart[]): readonly Escalation[] {
  const found = new Map<string, Escalation>()
  for (const { key, pool } of parts.flatMap((part) => part.escalations)) {
    const id = `${key} ${keyOf(pool)}`
    if (found.has(id)) continue
    const times = parts
      .filter((part) => part.keys.has(key))
      .map((part) => soonest(part.escalations.filter((one) => one.key === key && keyOf(one.pool) === keyOf(pool))))
    const agreed = times.flatMap((time) => time ?? [])
    const [first] = agreed
    if (first === undefined || agreed.length < times.length) continue
    found.set(id, { key, after: agreed.reduce((a, b) => (b > a ? b : a), first), pool })
  }
  return [...found].toSorted(([a, x], [b, y]) => x.after - y.after || (a < b ? -1 : 1)).map(([, one]) => one)
}

const soonest = (all: readonly Escalation[]): Millis | undefined =>
  all.map((one) => one.after).toSorted((a, b) => a - b)[0]

/** For `terms`: absent when nothing climbs, so that a decision without it is the same as ever. */
export const orAbsent = (escalations: readonly Escalation[]): { readonly escalations?: readonly Escalation[] } =>
  escalations.length === 0 ? {} : { escalations }
