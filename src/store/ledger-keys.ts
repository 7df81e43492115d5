import { createPrivateKey, createPublicKey, hkdfSync, sign } from 'node:crypto'
import { noteKey } from '../domain/ledger/note.ts'
import type { NoteKey } from '../domain/ledger/note.ts'
import type { Keyring } from './keyring.ts'
import { KeyringError } from './keyring.ts'
import { readPrivateFile } from './private-file.ts'

/** A key that signs checkpoints, wherever its private half is: here, or in a KMS. */
export interface LedgerKey {
  readonly key: NoteKey
  /** The Ed25519 signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

const SEED_BYTES = 32
/** PKCS #8 of an Ed25519 private key (RFC 8410), up to its 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
/** The last bytes of the SubjectPublicKeyInfo (RFC 8410) are the key. */
const PUBLIC_BYTES = 32

/**
 * The keys that this replica signs with under `origin`, the one in use first: from `HP_LEDGER_KEY` (32 random bytes in
 * base64 a line), from the file that `HP_LEDGER_KEY_FILE` names, or made from the keys of the keyring, so that replicas
 * that share a keyring share these too. Throws KeyringError, or ExposedFile for a file that others may read.
 */
export function readLedgerKeys(origin: string, keyring: Keyring, env: NodeJS.ProcessEnv): readonly LedgerKey[] {
  return seeds(keyring, env).map((seed) => ledgerKey(origin, seed))
}

function seeds(keyring: Keyring, env: NodeJS.ProcessEnv): readonly Buffer[] {
  const text = env['HP_LEDGER_KEY']
  if (text !== undefined && text !== '') return parseSeeds(text, 'HP_LEDGER_KEY')
  const file = env['HP_LEDGER_KEY_FILE']
  if (file !== undefined && file !== '') return parseSeeds(readPrivateFile(file).toString('utf8'), file)
  return [...keyring.keys.values()].map((key) =>
    Buffer.from(hkdfSync('sha256', key, '', 'holdpoint ledger key', SEED_BYTES)),
  )
}

function parseSeeds(text: string, from: string): readonly Buffer[] {
  const found: Buffer[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const encoded = line.trim()
    if (encoded === '' || encoded.startsWith('#')) continue
    const seed = Buffer.from(encoded, 'base64')
    if (seed.length !== SEED_BYTES || seed.toString('base64') !== encoded)
      throw new KeyringError(`${from}, line ${index + 1}: not 32 bytes in base64 (openssl rand -base64 32)`)
    found.push(seed)
  }
  if (found.length === 0) throw new KeyringError(`${from} holds no key`)
  return found
}

/** An Ed25519 key by its seed (RFC 8032, section 5.1.5), signing as `origin`. */
export function ledgerKey(origin: string, seed: Uint8Array): LedgerKey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    key: noteKey(origin, 1, spki.subarray(-PUBLIC_BYTES)),
    sign: (message) => Promise.resolve(sign(null, message, privateKey)),
  }
}
