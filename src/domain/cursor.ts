import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

const utf8 = new TextEncoder()
const mac = (key: Uint8Array, query: string, position: string): string =>
  bytesToHex(hmac(sha256, key, utf8.encode(`${query.length}:${query}${position}`)))

/** A place in the answer to one query by one reader: opaque, and of no use to anybody else or for anything else. */
export const writeCursor = (key: Uint8Array, query: string, position: number): string =>
  `${position.toString(36)}.${mac(key, query, String(position))}`

/** The position; undefined for a cursor that was forged, changed, or made for another query. */
export function readCursor(key: Uint8Array, query: string, cursor: string): number | undefined {
  const found = /^([0-9a-z]{1,11})\.([0-9a-f]{64})$/.exec(cursor)
  const position = Number.parseInt(found?.[1] ?? '', 36)
  if (found?.[2] === undefined || !Number.isSafeInteger(position)) return undefined
  const expected = mac(key, query, String(position))
  // Every character is compared, so that time tells nothing about the right ones.
  let different = 0
  for (let i = 0; i < expected.length; i++) different |= expected.charCodeAt(i) ^ found[2].charCodeAt(i)
  return different === 0 ? position : undefined
}
