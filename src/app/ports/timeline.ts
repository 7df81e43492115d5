import type { Tx } from './store.ts'

/** Which of the servers that the database has lived on is its present one. */
export interface Timeline {
  /**
   * When another server has taken over since anybody last made sure (a standby that was promoted, a restore to a point in
   * time), runs `settle` and, in the same transaction, makes the server's timeline the known one. Until then every other
   * transaction of every replica rejects. Of several replicas one does it. False when nothing was new.
   */
  accept(settle: (tx: Tx, to: { readonly timeline: string; readonly was: string }) => Promise<void>): Promise<boolean>
}
