import type { Classifier } from '../../classify/postgres/shape.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import type { Caller, TokenScope } from '../app.ts'
import type { CatalogueSource } from '../ports/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { DocumentReader } from '../ports/document-reader.ts'
import type { Store } from '../ports/store.ts'
import type { OpenTarget, TargetControl } from '../ports/target.ts'
import { refuse, type Result } from '../result.ts'
import type { PolicyKeeper } from './keeper.ts'

/** What the use cases of documents need. Made in boot. */
export interface DocumentDeps {
  readonly store: Store
  readonly clock: Clock
  readonly keeper: PolicyKeeper
  readonly classifier: Classifier
  readonly targets: Pick<TargetControl, 'probe' | 'estimate'>
  readonly catalogue: CatalogueSource
  readonly reader: DocumentReader
  /** The target with its password. Refuses with words when the password cannot be had. */
  readonly openTarget: (profile: Profile) => Promise<Result<OpenTarget>>
  /** Where clients reach the gateway, for the line that people copy. */
  readonly gateway: { readonly host: string; readonly port: number }
  /** Signs page cursors; at least 32 bytes, the same on every replica. */
  readonly cursorKey: Uint8Array
}

/** Undefined when the caller's token is good for this; a person who signed in has `all`. */
export const outOfScope = (caller: Caller, ...any: readonly TokenScope[]) =>
  caller.scopes.includes('all') || any.some((scope) => caller.scopes.includes(scope))
    ? undefined
    : refuse('scope_too_narrow', `this needs the scope ${any.join(' or ')}`)

/** A read of the policy in force, or why there is none. */
export const inForce = (deps: Pick<DocumentDeps, 'keeper'>) => deps.keeper.current() ?? refuse('policy_unavailable')
