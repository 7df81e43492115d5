import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** RFC 7677. The second is the same with channel binding (RFC 5802 section 6). */
export const SCRAM_MECHANISM = 'SCRAM-SHA-256'
export const SCRAM_PLUS_MECHANISM = 'SCRAM-SHA-256-PLUS'
/** Bytes of SHA-256: the length of every key, proof and signature here. */
export const KEY_BYTES = 32

/** What a server keeps instead of a password (RFC 5802 section 3): it proves and disproves, and signs nobody in. */
export interface ScramKeys {
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

export const hmac = (key: Buffer, text: Buffer): Buffer => createHmac('sha256', key).update(text).digest()
export const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

/** Compares in constant time; false for different lengths. */
export const equalBytes = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b)

/** `a XOR b`, of equal length. */
export function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.alloc(a.length)
  for (let i = 0; i < a.length; i++) out[i] = (a[i] ?? 0) ^ (b[i] ?? 0)
  return out
}

const NOT_ASCII = /[^\x00-\x7f]/ // oxlint-disable-line no-control-regex
/** RFC 4013 section 2.1: these become a space, and those become nothing. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu

/**
 * The bytes of a password as PostgreSQL derives keys from it: SASLprep's mapping and NFKC, without its lists of
 * prohibited code points (PostgreSQL takes a password with one of those as it stands; so few have any that this
 * does not tell them apart).
 */
export function preparePassword(password: string): Buffer {
  const prepared = NOT_ASCII.test(password)
    ? password.replaceAll(SPACES, ' ').replaceAll(NOTHING, '').normalize('NFKC')
    : password
  return Buffer.from(prepared === '' ? password : prepared)
}

/** `Hi(password, salt, iterations)` of RFC 5802 section 2.2. Blocks for about 1 ms per 4,000 iterations. */
export const saltPassword = (password: string, salt: Buffer, iterations: number): Buffer =>
  pbkdf2Sync(preparePassword(password), salt, iterations, KEY_BYTES, 'sha256')

/** The keys a server stores for `password` (RFC 5802 section 3). */
export function deriveScramKeys(password: string, salt: Buffer, iterations: number): ScramKeys {
  const salted = saltPassword(password, salt, iterations)
  return { storedKey: sha256(hmac(salted, CLIENT_KEY)), serverKey: hmac(salted, SERVER_KEY) }
}

export const CLIENT_KEY = Buffer.from('Client Key')
export const SERVER_KEY = Buffer.from('Server Key')
