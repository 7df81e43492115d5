import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import type { TokenId } from '../../domain/ids.ts'

/** PostgreSQL's default. More would protect a guessable secret; these are 256 random bits. */
export const SCRAM_ITERATIONS = 4_096
export const SALT_BYTES = 16

/** The text of a new token: a prefix that secret scanners can look for, and 256 random bits. */
export const newTokenText = (): string => `hp_${randomBytes(32).toString('base64url')}`
/** Names a token without helping anybody to use it. */
export const newTokenId = (): TokenId => `T-${randomBytes(8).toString('hex')}` as TokenId

/** Whether a text could be a token at all: worth a look into the store. */
export const isTokenText = (text: string): boolean => /^hp_[A-Za-z0-9_-]{43}$/.test(text)

/** SHA-256 suffices for 256 random bits, and lets the store find a token by its hash. */
export const hashToken = (text: string): Buffer => createHash('sha256').update(text).digest()

const derive = (text: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    pbkdf2(text, salt, SCRAM_ITERATIONS, 32, 'sha256', (error, key) => (error ? reject(error) : resolve(key)))
  })
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** StoredKey and ServerKey of RFC 5802, section 3. A token's text is ASCII, so SASLprep leaves it as it is. */
export async function scramKeys(
  text: string,
  salt: Buffer,
): Promise<{ readonly storedKey: Buffer; readonly serverKey: Buffer }> {
  const salted = await derive(text, salt)
  return {
    storedKey: createHash('sha256').update(hmac(salted, 'Client Key')).digest(),
    serverKey: hmac(salted, 'Server Key'),
  }
}
