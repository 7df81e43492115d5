import type { PrincipalId, TokenId } from '../../domain/ids.ts'
import type { Principal, Role } from '../../domain/principal.ts'
import type { Instant, Millis } from '../../domain/time.ts'
import type { TokenInfo } from '../app.ts'

/** A token as it is stored: never its text. Only gateway tokens have SCRAM keys (RFC 5802, section 3). */
export interface StoredToken extends TokenInfo {
  /** SHA-256 of the text. */
  readonly hash: Buffer
  readonly scram?: { readonly storedKey: Buffer; readonly serverKey: Buffer }
}

/** A live token, and whose it is. */
export interface Bearer {
  readonly token: TokenInfo
  readonly principal: Principal
}

/** So many attempts at once, and one more after each `refill`. */
export interface Rate {
  readonly burst: number
  readonly refill: Millis
}

/** Accounts, passwords, tokens, sign-in throttling. Names are unique for ever: accounts are disabled, never deleted. */
export interface PeopleStore {
  find(name: PrincipalId): Promise<Principal | undefined>
  /** By name. */
  list(): Promise<readonly Principal[]>
  /** False when the name is taken. */
  insert(principal: Principal, gatewaySalt: Buffer, now: Instant): Promise<boolean>
  /** The account, and nobody else changes it before this transaction ends. */
  lock(name: PrincipalId): Promise<Principal | undefined>
  update(principal: Principal): Promise<void>
  /** Enabled users with the role; none of them loses it before this transaction ends. */
  lockHolders(role: Role): Promise<readonly PrincipalId[]>
  hasAdministrator(): Promise<boolean>

  passwordHash(name: PrincipalId): Promise<string | undefined>
  setPassword(name: PrincipalId, hash: string): Promise<void>

  /** Replaces the one-time code; there is one at most. */
  setSetupCode(hash: Buffer): Promise<void>
  /** True for exactly one caller who has the code: it is gone with this transaction. */
  takeSetupCode(hash: Buffer): Promise<boolean>

  insertToken(token: StoredToken): Promise<void>
  /** By the database's clock. Undefined when it is expired or revoked, or its owner or the owner's sponsor is disabled. */
  bearer(hash: Buffer): Promise<Bearer | undefined>
  /** The same, by id: whether what was begun with the token may go on. */
  isLive(token: TokenId): Promise<boolean>
  noteTokenUse(token: TokenId): Promise<void>
  liveTokens(owner: PrincipalId): Promise<readonly TokenInfo[]>
  findToken(token: TokenId): Promise<TokenInfo | undefined>
  revokeToken(token: TokenId, now: Instant): Promise<void>
  /** All live ones of the kinds, but for `except`. */
  revokeTokens(
    owner: PrincipalId,
    kinds: readonly TokenInfo['kind'][],
    now: Instant,
    except?: TokenId,
  ): Promise<readonly TokenId[]>
  gatewaySalt(owner: PrincipalId): Promise<Buffer | undefined>
  /** SCRAM keys of the owner's live gateway tokens, the newest first; none when the owner is disabled. */
  gatewayKeys(
    owner: PrincipalId,
  ): Promise<readonly { readonly token: TokenId; readonly storedKey: Buffer; readonly serverKey: Buffer }[]>
  /** A secret of 32 bytes for `purpose`, the same on all replicas and for ever. */
  installationKey(purpose: string): Promise<Buffer>

  /** Takes one attempt; false when none is left. Take the buckets of one act in alphabetical order. */
  takeAttempt(bucket: string, rate: Rate, now: Instant): Promise<boolean>
  giveBackAttempt(bucket: string, rate: Rate): Promise<void>
  clearAttempts(bucket: string): Promise<void>
}
