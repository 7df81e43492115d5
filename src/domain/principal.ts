import type { PrincipalId } from './ids.ts'

/** Installation-wide roles. Reviewer and owner are not roles: they follow from teams and profiles. */
export const ROLES = ['admin', 'auditor'] as const
/** `admin` proposes policy and manages accounts, and approves nothing by role alone; `auditor` reads everything and asks for nothing. */
export type Role = (typeof ROLES)[number]

export type PrincipalKind = 'user' | 'service' | 'agent'

export interface Principal {
  readonly id: PrincipalId
  readonly kind: PrincipalKind
  /** Shown to people: `Ana`. */
  readonly displayName: string
  readonly roles: readonly Role[]
  /** The user an agent acts for. An agent has exactly one; nobody else has any. */
  readonly sponsor?: PrincipalId
  readonly disabled: boolean
}
