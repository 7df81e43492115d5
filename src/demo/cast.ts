import type { PrincipalKind, Role } from '../domain/principal.ts'

/** Somebody of the demo. Roles are given when the documents are in force: from then on two administrators watch each other. */
export interface CastMember {
  readonly name: string
  readonly displayName: string
  readonly kind: PrincipalKind
  readonly sponsor?: string
  readonly roles: readonly Role[]
  /** One line for the banner. */
  readonly who: string
}

/** The first administrator: makes everybody else. */
export const FIRST = 'sam'
/** Who `hp` speaks as when nobody is named. */
export const DEFAULT = 'ana'

export const CAST: readonly CastMember[] = [
  { name: 'ana', displayName: 'Ana', kind: 'user', roles: [], who: 'site reliability: asks' },
  { name: 'mia', displayName: 'Mia', kind: 'user', roles: [], who: 'owns the shop (team payments): reviews' },
  { name: 'dev', displayName: 'Dev', kind: 'user', roles: [], who: 'database platform (teams database, payments)' },
  {
    name: 'sam',
    displayName: 'Sam',
    kind: 'user',
    roles: ['admin'],
    who: 'security: writes policy, is asked when things are unclear',
  },
  {
    name: 'lee',
    displayName: 'Lee',
    kind: 'user',
    roles: ['admin'],
    who: 'platform lead: agrees to changes of policy',
  },
  {
    name: 'olu',
    displayName: 'Olu',
    kind: 'user',
    roles: ['auditor'],
    who: 'auditor: sees everything, asks for nothing',
  },
  { name: 'bot', displayName: 'Bot', kind: 'agent', sponsor: 'ana', roles: [], who: 'an AI agent that acts for Ana' },
]
