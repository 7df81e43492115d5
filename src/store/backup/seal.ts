import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Keyring } from '../keyring.ts'
import type { EndLine } from './manifest.ts'
import type { CheckSeal } from './read-format.ts'

/** A key for nothing else (RFC 5869). */
const macKey = (master: Buffer): Buffer =>
  Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), 'holdpoint backup', 32))
const mac = (master: Buffer, sha256: Buffer): Buffer => createHmac('sha256', macKey(master)).update(sha256).digest()

/** Seals a backup with the keyring's current key: whoever has only the file cannot change it unseen. */
export function createSeal({ current, keys }: Keyring): (sha256: Buffer) => EndLine['seal'] {
  return (sha256) => {
    const master = keys.get(current)
    if (master === undefined) throw new Error('the current key is not in the keyring')
    return { key: current, mac: mac(master, sha256).toString('base64') }
  }
}

/** Whether a backup was sealed with a key of this keyring; the words say why not. */
export const checkSealWith =
  ({ keys }: Keyring): CheckSeal =>
  (sha256, seal) => {
    const master = keys.get(seal.key)
    if (master === undefined)
      return `The backup is sealed with the key ${seal.key}, which is not in the keyring. Put the keyring of that installation in its place first (HP_KEYRING_FILE).`
    // As text: several texts decode to the same bytes.
    const given = Buffer.from(seal.mac)
    const due = Buffer.from(mac(master, sha256).toString('base64'))
    return given.length === due.length && timingSafeEqual(given, due)
      ? undefined
      : 'The backup was changed by somebody who does not have the keyring.'
  }
