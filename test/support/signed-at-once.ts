import type { Ledger } from '../../src/app/ports/ledger.ts'

/** A ledger that has covered everything, for worlds that are about something else. */
export const signedAtOnce: Ledger = {
  covered: () => Promise.resolve(),
  coveredAbout: () => Promise.resolve(),
}
