import type { Instant } from '../../domain/time.ts'

/** Ciphertext, and which key of the keyring it needs. */
export interface Sealed {
  readonly keyId: string
  readonly bytes: Buffer
}

/** Sealed values. The store sees ciphertext only. */
export interface SecretStore {
  put(name: string, sealed: Sealed, by: string, now: Instant): Promise<void>
  get(name: string): Promise<Sealed | undefined>
  list(): Promise<readonly { readonly name: string; readonly updatedAt: Instant }[]>
  /** False when there was none. */
  delete(name: string): Promise<boolean>
  /** Ids of the keys that something is sealed with. */
  keysInUse(): Promise<readonly string[]>
  /** The id of the key that every replica must have; undefined before the first has claimed one. */
  claimedKey(): Promise<string | undefined>
  /** Claims `keyId` when none is claimed, or when `from` is. False when it is another one by now. */
  claimKey(keyId: string, from: string | undefined): Promise<boolean>
}

/**
 * Seals what must be kept and not seen. `context` says what the value is (`secret/payments-db`) and is bound into
 * it: a value moved to another place does not open.
 */
export interface Sealer {
  seal(context: string, value: Buffer): Promise<Sealed>
  /** Throws when the value was changed or moved, or its key is not in the keyring; never says what is inside. */
  open(context: string, sealed: Sealed): Promise<Buffer>
}
