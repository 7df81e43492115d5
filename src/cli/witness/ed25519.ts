import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import type { VerifyEd25519 } from '../../domain/ledger/note.ts'

/** SubjectPublicKeyInfo of Ed25519 before the 32 bytes of the key (RFC 8410, section 4). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  )

/** A new private key, as PEM (PKCS #8). */
export const newPrivateKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

/** @throws for anything but an Ed25519 private key in PEM. */
export function readPrivateKey(pem: string) {
  const key = createPrivateKey(pem)
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key')
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
  return { publicKey, sign: (message: Uint8Array): Uint8Array => sign(null, message, key) }
}
