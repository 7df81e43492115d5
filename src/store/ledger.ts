import type { LedgerStore } from '../app/ports/ledger.ts'
import type { Executor } from './database.ts'
import { noteQueries } from './ledger-notes.ts'
import { tileQueries } from './ledger-tiles.ts'
import { treeQueries } from './ledger-tree.ts'

/** The aggregate of the ledger: the queue and the tree, its tiles and leaves, and what was signed. */
export const ledgerStore = (executor: Executor): LedgerStore => ({
  ...treeQueries(executor),
  ...tileQueries(executor),
  ...noteQueries(executor),
})
