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

/** Runs one query on a session's own connection, unseen by its client. Undefined when it could not be had. */
export type AskSession = (sql: string) => Promise<readonly (readonly (string | null)[])[] | undefined>

export interface CatalogueWatch {
  /** Undefined when it was never read, or the last look is older than 2 s: then no name is trusted. */
  current(): TargetCatalogue | undefined
  /** Look again now, after something that may have changed it. Rejects when that fails or takes longer than 5 s. */
  refresh(): Promise<void>
  /**
   * The catalogue as one session sees it in the transaction that it has open and that may have changed it. `same`: as
   * `current()` says. Undefined when it is too large, or changes while it is read: then no name is trusted.
   * Only in a transaction block that has not failed. Rejects when the session could not be asked.
   * @param own what the same session was answered before in this transaction.
   */
  within?(ask: AskSession, own: TargetCatalogue | undefined): Promise<TargetCatalogue | 'same' | undefined>
  release(): void
}
