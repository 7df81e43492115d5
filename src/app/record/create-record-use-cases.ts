import type { App } from '../app.ts'
import type { RecordDeps } from './deps.ts'
import { followEntries, listEntries, settledCursor } from './read-entries.ts'
import { createRefusalRecorder } from './record-refusals.ts'

/** The part of the App that is about the record. `close` writes refusals that are still gathered. */
export function createRecordUseCases(
  deps: RecordDeps,
): Pick<App, 'listEntries' | 'settledCursor' | 'followEntries' | 'recordRefusal'> & { close(): Promise<void> } {
  const refusals = createRefusalRecorder(deps)
  return {
    listEntries: (caller, filter) => listEntries(deps, caller, filter),
    settledCursor: (caller, filter) => settledCursor(deps, caller, filter),
    followEntries: (caller, filter, signal) => followEntries(deps, caller, filter, signal),
    recordRefusal: refusals.record,
    close: () => refusals.close(),
  }
}
