import { formatVerifierKey } from '../../domain/ledger/note.ts'
import type { LedgerSigner } from '../ports/ledger.ts'
import type { Store } from '../ports/store.ts'

/**
 * Makes the signer's keys known to the installation. A new one needs one beside it that is known already: the log then
 * names it under a signature that verifiers trust. Answers why this replica may not sign; undefined when it may.
 */
export const registerKeys = (store: Store, signer: Pick<LedgerSigner, 'keys'>): Promise<string | undefined> =>
  store.transaction(async (tx) => {
    // Of two replicas that start at once, the second finds the keys of the first.
    await tx.ledger.lock()
    const known = await tx.ledger.keys()
    const own = signer.keys.map(formatVerifierKey)
    const previous = own.find((key) => known.includes(key))
    if (known.length > 0 && previous === undefined)
      return `the ledger is signed with ${known.join(' or ')}, and this replica has neither: give it the keyring (or HP_LEDGER_KEY_FILE) of the others`
    for (const key of own.filter((one) => !known.includes(one))) {
      await tx.ledger.addKey(key, tx.now)
      await tx.record.append({
        kind: 'key.rotated',
        subject: 'ledger',
        body: { key, ...(previous === undefined ? {} : { previous }) },
      })
    }
    return undefined
  })
