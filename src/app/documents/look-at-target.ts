import type { TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { Estimate } from '../../domain/action.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import { DEFAULT_SEARCH_PATH } from './classify-text.ts'
import type { DocumentDeps } from './deps.ts'

/** A target as the gateway would see it in a session that has just begun. */
export interface TargetLook {
  /** Undefined when the target cannot be asked; `missing` says why. */
  readonly catalogue: TargetCatalogue | undefined
  readonly missing: string | undefined
  estimate(text: string): Promise<Estimate | undefined>
  release(): void
}

type Deps = Pick<DocumentDeps, 'catalogue' | 'targets' | 'openTarget'>

/** Never rejects: a target that cannot be asked is said to be one. Nothing but the planner is asked to do anything. */
export async function lookAtTarget(deps: Deps, profile: Profile): Promise<TargetLook> {
  const nothing = (missing: string): TargetLook => ({
    catalogue: undefined,
    missing,
    estimate: () => Promise.resolve(undefined),
    release: () => undefined,
  })
  try {
    const target = await deps.openTarget(profile)
    if (!target.ok) return nothing(target.detail ?? 'its password cannot be had')
    const { database } = profile.target
    const watch = await deps.catalogue.watch(target.value, database)
    const catalogue = watch.current()
    if (catalogue === undefined) {
      watch.release()
      return nothing('it cannot be reached')
    }
    return {
      catalogue,
      missing: undefined,
      estimate: (text) =>
        deps.targets
          .estimate(target.value, database, text, catalogue.searchPath ?? DEFAULT_SEARCH_PATH)
          .catch(() => undefined),
      release: () => watch.release(),
    }
  } catch {
    return nothing('it cannot be reached')
  }
}
