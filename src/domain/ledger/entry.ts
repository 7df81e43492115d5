/**
 * One change of state, as it is recorded. The body is canonicalised (RFC 8785) and stored as bytes in the
 * transaction that makes the change; a Merkle log is built over these bytes, so they never change.
 */
export interface Entry {
  /** `request.opened`, `review.given`, `grant.ended`, `revision.applied`, `account.created`, `access.refused`, ... */
  readonly kind: string
  /** What it is about, and what waiters are woken by: `request/HP-142`, `grant/G-7`, `revision`, `account/ana`. */
  readonly subject: string
  /** Who caused it; absent for what the program did by itself. */
  readonly actor?: string
  /** The resource it belongs to on a profile's timeline. */
  readonly resource?: string
  /** JSON values only. Never a secret, a password hash or a bound value that the profile masks. */
  readonly body: Readonly<Record<string, unknown>>
}
