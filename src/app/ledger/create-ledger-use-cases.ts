import type { App } from '../app.ts'
import type { LedgerUseDeps } from './deps.ts'
import { eraseBodies } from './erase-bodies.ts'
import { olderCheckpoints, readBodies, verifierKeys } from './mirror-ledger.ts'
import { checkpointNote, ledgerStatus, proveConsistency, proveEntry, readBundle, readTile } from './read-ledger.ts'

/** The part of the App that is about the ledger. */
export const createLedgerUseCases = (
  deps: LedgerUseDeps,
): Pick<
  App,
  | 'ledgerCheckpoint'
  | 'ledgerTile'
  | 'ledgerBundle'
  | 'ledgerBodies'
  | 'ledgerCheckpoints'
  | 'ledgerKeys'
  | 'ledgerStatus'
  | 'proveEntry'
  | 'proveConsistency'
  | 'eraseBodies'
> => ({
  ledgerCheckpoint: (of) => checkpointNote(deps, of),
  ledgerTile: (at) => readTile(deps, at),
  ledgerBundle: (caller, at) => readBundle(deps, caller, at),
  ledgerBodies: (caller, at) => readBodies(deps, caller, at),
  ledgerCheckpoints: (after) => olderCheckpoints(deps, after),
  ledgerKeys: () => verifierKeys(deps),
  ledgerStatus: (caller) => ledgerStatus(deps, caller),
  proveEntry: (caller, index) => proveEntry(deps, caller, index),
  proveConsistency: (caller, sizes) => proveConsistency(deps, caller, sizes),
  eraseBodies: (caller, input) => eraseBodies(deps, caller, input),
})
