/**
 * The grammar of RFC 5802 section 7, read strictly. Messages are kept as latin1 text, one character a byte, so that
 * the signed text is exactly the bytes that were sent.
 */

/** No message of the exchange is longer; real ones have under 200 bytes. */
export const MAX_MESSAGE_BYTES = 1024

/** `printable = %x21-2B / %x2D-7E`: visible ASCII without the comma. */
const PRINTABLE = /^[\x21-\x2b\x2d-\x7e]+$/
export const isNonce = (text: string): boolean => PRINTABLE.test(text)

/** The text of a message, or undefined when it is empty, too long or holds a NUL. */
export function messageText(bytes: Buffer): string | undefined {
  if (bytes.length === 0 || bytes.length > MAX_MESSAGE_BYTES || bytes.includes(0)) return undefined
  return bytes.toString('latin1')
}

/** `x=value` as `value`; undefined when the attribute is missing or another one. */
export const attribute = (name: string, text: string | undefined): string | undefined =>
  text?.startsWith(`${name}=`) === true ? text.slice(2) : undefined

/** Canonical base64 only: one spelling a value, so that nothing can hide in padding bits. */
export function fromBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined || text === '') return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** `saslname`: no comma, and `=` only as `=2C` or `=3D`. Empty is what libpq sends. */
export const isSaslName = (text: string): boolean => /^(?:[^,=\0]|=2C|=3D)*$/.test(text)

/** `posit-number` of at most seven digits. */
export const positiveNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9][0-9]{0,6}$/.test(text) ? Number(text) : undefined
