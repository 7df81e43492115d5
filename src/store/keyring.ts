import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Sealer, SecretStore } from '../app/ports/secrets.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import { createSealer } from './sealing.ts'

const KEY_BYTES = 32

/** The keys that values are sealed with, by id. New values use `current`; the others still open old ones. */
export interface Keyring {
  readonly current: string
  readonly keys: ReadonlyMap<string, Buffer>
}

/** The keyring cannot be used. The message is for the operator, and holds no key. */
export class KeyringError extends Error {
  override readonly name = 'KeyringError'
}

/**
 * From `HP_KEYRING` (the text itself), the file `HP_KEYRING_FILE` names, or `keyring` in the data
 * folder, which is made at the first start. All replicas need the same one. Throws KeyringError, or ExposedFile for
 * a file that others may read.
 * @param claimed the key that the others have: then none is made.
 */
export function readKeyring(dataDir: string, env: NodeJS.ProcessEnv, claimed?: string): Keyring {
  const text = env['HP_KEYRING']
  if (text !== undefined && text !== '') return parseKeyring(text, 'HP_KEYRING')
  const given = env['HP_KEYRING_FILE']
  const file = given !== undefined && given !== '' ? given : join(dataDir, 'keyring')
  if (file !== given && !existsSync(file)) {
    if (claimed !== undefined)
      throw new KeyringError(`There is no keyring in ${dataDir}, and ${SHARED} ${claimed}. ${GIVE}`)
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    try {
      writePrivateFile(file, `${newKey()}\n`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  return parseKeyring(readPrivateFile(file).toString('utf8'), file)
}

/** A line of a keyring: the key's id, a colon, and 32 random bytes in base64. */
function newKey(): string {
  const key = randomBytes(KEY_BYTES)
  return `${keyIdOf(key)}:${key.toString('base64')}`
}

/** Says which key it is, and nothing about it: two keyrings never mean different keys by one id. */
const keyIdOf = (key: Buffer): string =>
  createHash('sha256').update('holdpoint key id').update(key).digest('hex').slice(0, 16)

/** One key a line, the current one first; empty lines and lines that begin with # do not count. */
export function parseKeyring(text: string, from: string): Keyring {
  const lines = text.split('\n').map((line) => line.trim())
  const keys = new Map<string, Buffer>()
  for (const [index, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue
    const [, id, encoded] = /^([0-9a-f]{16}):([A-Za-z0-9+/]{43}=)$/.exec(line) ?? []
    const key = Buffer.from(encoded ?? '', 'base64')
    if (id === undefined || key.length !== KEY_BYTES || keyIdOf(key) !== id)
      throw new KeyringError(`${from}, line ${index + 1}: not a key of a keyring`)
    keys.set(id, key)
  }
  const [current] = keys.keys()
  if (current === undefined) throw new KeyringError(`${from} holds no key`)
  return { current, keys }
}

const SHARED = 'the replicas of this database seal with the key'
const GIVE = 'Give this replica the keyring of the others (HP_KEYRING_FILE), or restore it from the backup.'

/** Throws KeyringError when something in the store was sealed with a key that is not here. */
export function checkKeyring(keyring: Keyring, inUse: readonly string[]): void {
  const missing = inUse.filter((id) => !keyring.keys.has(id))
  if (missing.length > 0) {
    throw new KeyringError(
      `Secrets in this database are sealed with the key ${missing.join(', ')}, which is not in the keyring. ${GIVE}`,
    )
  }
}

/**
 * The keyring as a sealer. Throws KeyringError when it lacks the key that the replicas of this database seal with, or
 * one that something in `secrets` needs: better at the start than at the first use.
 */
export async function openKeyring(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  secrets?: Pick<SecretStore, 'keysInUse' | 'claimedKey' | 'claimKey'>,
): Promise<Sealer> {
  const keyring = readKeyring(dataDir, env, await secrets?.claimedKey())
  if (secrets !== undefined) {
    checkKeyring(keyring, await secrets.keysInUse())
    await claim(keyring, secrets)
  }
  return createSealer(keyring)
}

/** Of replicas that start at once with keyrings of their own, one is the first and the rest are refused. */
async function claim(keyring: Keyring, secrets: Pick<SecretStore, 'claimedKey' | 'claimKey'>): Promise<void> {
  for (;;) {
    const claimed = await secrets.claimedKey()
    if (claimed === keyring.current) return
    if (claimed !== undefined && !keyring.keys.has(claimed))
      throw new KeyringError(`The keyring lacks a key: ${SHARED} ${claimed}. ${GIVE}`)
    // A keyring with a new first line moves it on, while it still has the old one.
    if (await secrets.claimKey(keyring.current, claimed)) return
  }
}
