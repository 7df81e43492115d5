/**
 * Tells waiters on every replica that a subject changed (LISTEN/NOTIFY). A hint, never a promise:
 * whoever waits also polls at least once a second.
 */
export interface Wake {
  /** Calls `heard` with the subject, for every subject that starts with `prefix`. Returns the way to stop. */
  subscribe(prefix: string, heard: (subject: string) => void): () => void
}
