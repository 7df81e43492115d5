import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Sealer } from '../app/ports/secrets.ts'
import type { Keyring } from './keyring.ts'

const VERSION = 1
const NONCE = 12
const TAG = 16
const KEY = 32
const WRAPPED = NONCE + KEY + TAG

/**
 * Envelopes: each value has a key of its own (AES-256-GCM), which is sealed in turn with the keyring's current key.
 * Both bind the key's id and the context as associated data. Bytes: version, sealed key, sealed value.
 */
export function createSealer({ current, keys }: Keyring): Sealer {
  return {
    async seal(context, value) {
      const master = keys.get(current)
      if (master === undefined) throw new Error('the current key is not in the keyring')
      const key = randomBytes(KEY)
      const bytes = Buffer.concat([
        Buffer.of(VERSION),
        encrypt(master, bound('key', current, context), key),
        encrypt(key, bound('value', current, context), value),
      ])
      return { keyId: current, bytes }
    },
    async open(context, { keyId, bytes }) {
      const master = keys.get(keyId)
      if (master === undefined)
        throw new Error(`${context} is sealed with the key ${keyId}, which is not in the keyring`)
      if (bytes[0] !== VERSION || bytes.length < 1 + WRAPPED + NONCE + TAG)
        throw new Error(`${context} is not a sealed value`)
      try {
        const key = decrypt(master, bound('key', keyId, context), bytes.subarray(1, 1 + WRAPPED))
        return decrypt(key, bound('value', keyId, context), bytes.subarray(1 + WRAPPED))
      } catch (cause) {
        throw new Error(`${context} does not open: it was changed, or sealed as something else`, { cause })
      }
    },
  }
}

const bound = (part: string, keyId: string, context: string): Buffer =>
  Buffer.from(JSON.stringify(['holdpoint', VERSION, part, keyId, context]))

/** Nonce, ciphertext, tag. */
function encrypt(key: Buffer, associated: Buffer, value: Buffer): Buffer {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated)
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Buffer, associated: Buffer, bytes: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG }).setAAD(
    associated,
  )
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE, bytes.length - TAG)), decipher.final()])
}
