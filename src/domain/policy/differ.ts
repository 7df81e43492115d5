import type { PrincipalId } from '../ids.ts'
import type { Decision, Requirement } from './decision.ts'

/** Who may fill a requirement, under the policy that decided. */
export type Eligible = (requirement: Requirement) => readonly PrincipalId[]

/** Whether the same people must agree, in the same number. Which rules asked does not matter. */
export function requirementsEqual(
  before: readonly Requirement[],
  after: readonly Requirement[],
  eligible?: { readonly before: Eligible; readonly after: Eligible },
): boolean {
  if (before.length !== after.length) return false
  const byKey = new Map(after.map((requirement) => [requirement.key, requirement]))
  return before.every((a) => {
    const b = byKey.get(a.key)
    if (b === undefined || a.count !== b.count || a.distinct !== b.distinct) return false
    return eligible === undefined || sameSet(eligible.before(a), eligible.after(b))
  })
}

/**
 * Why an approval given under `before` does not stand under `after` (I8); undefined when it does. Two allows agree;
 * two denies agree; two holds agree when the same reviewers are required, and the scope is as wide as it was.
 */
export function decisionsDiffer(
  before: Decision,
  after: Decision,
  eligible?: { readonly before: Eligible; readonly after: Eligible },
): string | undefined {
  if (before.outcome !== after.outcome) return `the decision is now ${after.outcome}, it was ${before.outcome}`
  if (before.outcome !== 'hold' || after.outcome !== 'hold') return undefined
  if (!requirementsEqual(before.requirements, after.requirements, eligible)) return 'other reviewers are required now'
  if (before.terms.scope !== after.terms.scope)
    return `the scope is now ${after.terms.scope}, it was ${before.terms.scope}`
  return undefined
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === new Set(a).size
