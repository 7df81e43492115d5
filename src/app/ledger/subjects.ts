/** Wakes whoever sequences: somebody waits. No entry of the record has such a subject. */
export const WANTED = 'ledger:wanted'
/** Wakes whoever waits: there is a new checkpoint. */
export const CHECKPOINT = 'ledger:checkpoint'
