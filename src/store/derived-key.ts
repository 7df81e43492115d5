import { hkdfSync } from 'node:crypto'
import type { Keyring } from './keyring.ts'

/** 32 bytes for one purpose (RFC 5869), the same on every replica for as long as the keyring's first key is. */
export function derivedKey({ current, keys }: Keyring, purpose: string): Buffer {
  const key = keys.get(current)
  if (key === undefined) throw new Error('a keyring has its current key')
  return Buffer.from(hkdfSync('sha256', key, '', `holdpoint ${purpose}`, 32))
}
