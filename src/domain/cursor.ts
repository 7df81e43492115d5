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
  const [, text, given] = /^([0-9a-z]{1,11})\.([0-9a-f]{64})$/.exec(cursor) ?? []
  const position = Number.parseInt(text ?? '', 36)
  // One spelling for one position: a cursor with leading zeros was changed.
  if (given === undefined || !Number.isSafeInteger(position) || position.toString(36) !== text) return undefined
  return same(given, mac(key, query, String(position))) ? position : undefined
}

/** `writeCursor` for a place that is no number: lower-case letters and digits. Such cursors sort as their places do. */
export const signPlace = (key: Uint8Array, query: string, place: string): string => `${place}.${mac(key, query, place)}`

/** What `signPlace` was given; undefined as in `readCursor`. */
export function readPlace(key: Uint8Array, query: string, cursor: string): string | undefined {
  const [, place, given] = /^([0-9a-z]{1,64})\.([0-9a-f]{64})$/.exec(cursor) ?? []
  return place !== undefined && given !== undefined && same(given, mac(key, query, place)) ? place : undefined
}

/** Every character is compared, so that time tells nothing about the right ones. Both have the same length. */
function same(given: string, expected: string): boolean {
  let different = 0
  for (let i = 0; i < expected.length; i++) different |= expected.charCodeAt(i) ^ given.charCodeAt(i)
  return different === 0
}
