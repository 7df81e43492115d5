/** A key of one caller, and a digest of what was asked with it. */
export interface IdempotentCall {
  readonly principal: string
  readonly key: string
  readonly digest: string
}

/** An answer as JSON can say it. */
export interface StoredAnswer {
  readonly status: number
  readonly body: unknown
}

/** Remembers changing calls by their key for a day, over all replicas. */
export interface IdempotencyStore {
  /** Claims the key, or says what became of it. A claim lapses after a minute: its process died, and nobody answered. */
  begin(call: IdempotentCall): Promise<
    | { readonly kind: 'mine' }
    | { readonly kind: 'running' }
    | { readonly kind: 'answered'; readonly answer: StoredAnswer }
    /** The key came with something else before. */
    | { readonly kind: 'other_body' }
  >
  finish(call: IdempotentCall, answer: StoredAnswer): Promise<void>
  /** Nothing was changed: the key is free again. */
  abandon(call: IdempotentCall): Promise<void>
}
