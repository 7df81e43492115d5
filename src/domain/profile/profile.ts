import type { PrincipalId, ResourceName, Revision, TeamName } from '../ids.ts'
import type { Millis } from '../time.ts'
import type { NamedVerb } from '../verb.ts'

/** In rising order: comparing indexes compares levels. */
export const CLASSIFICATIONS = ['public', 'internal', 'confidential', 'restricted'] as const
export type Classification = (typeof CLASSIFICATIONS)[number]
/** `tier-1` is the most critical. */
export const CRITICALITIES = ['tier-1', 'tier-2', 'tier-3', 'tier-4'] as const
export type Criticality = (typeof CRITICALITIES)[number]

export const ACCESS = ['standing', 'ephemeral'] as const
export type Access = (typeof ACCESS)[number]

export type ResourceType = 'postgres'

/** Where the target's password comes from. `secret` is sealed in the store under `name`. */
export type CredentialSource =
  | { readonly from: 'env'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'secret'; readonly name: string }

export interface OwnerLayer {
  readonly layer: string
  readonly team: TeamName
  readonly decides: readonly NamedVerb[]
}

/** Read from `connect: postgres://user@host:port/database?sslmode=require`; never holds a password. */
export interface PostgresTarget {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly sslmode: 'disable' | 'prefer' | 'require' | 'verify-full'
  /** A Unix socket directory, when `host` is one. */
  readonly socket?: string
  /** TLS from the first byte, as PostgreSQL 17 and newer take it. */
  readonly direct?: true
}

/** What is known about a resource, as policy sees it. `incomplete` counts as restricted and goes to the security team. */
export interface Profile {
  readonly name: ResourceName
  /** The revision in which this profile last changed. */
  readonly revision: Revision
  readonly type: ResourceType
  readonly target: PostgresTarget
  readonly credential?: CredentialSource
  /** How a grant becomes access: through the one account of `target`, or through a role made for it alone. Standing when left out. */
  readonly access?: Access
  /** Whoever asks for a window may be given a credential for its role, and go past the gateway. */
  readonly directCredential?: true
  readonly env?: string
  /** `restricted` when the file gave none. */
  readonly classification: Classification
  readonly criticality?: Criticality
  readonly purpose?: string
  readonly compliance: readonly string[]
  readonly owners: readonly OwnerLayer[]
  readonly audit?: { readonly last: string; readonly every: Millis }
  /** No result is shown before the statement record holds what ran (`audit: sync`). */
  readonly recordFirst?: true
  readonly labels: Readonly<Record<string, string>>
  /** IANA name, for `context.weekday` and `context.hour`; UTC when left out. */
  readonly timezone: string
  readonly incomplete: boolean
}

export interface Team {
  readonly name: TeamName
  readonly members: readonly PrincipalId[]
  readonly lead?: PrincipalId
}
