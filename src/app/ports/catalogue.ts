import type { TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { OpenTarget } from './target.ts'

/** Follows the catalogues of targets while sessions need them (made by the connector, used by the gateway, wired in boot). */
export interface CatalogueSource {
  /**
   * Begin to follow one database of a target, or share a watch that runs already. Resolves once the first load
   * succeeded or failed. The watch ends when every holder has called `release`.
   */
  watch(target: OpenTarget, database: string): Promise<CatalogueWatch>
  close(): Promise<void>
}

export interface CatalogueWatch {
  /** Undefined when it was never read, or the last look is older than 2 s: then no name is trusted. */
  current(): TargetCatalogue | undefined
  /** Look again now, after something that may have changed it. Rejects when that fails or takes longer than 5 s. */
  refresh(): Promise<void>
  release(): void
}
