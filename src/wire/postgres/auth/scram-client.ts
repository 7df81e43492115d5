import { BINDING_TYPE } from './channel-binding.ts'
import { CLIENT_KEY, equalBytes, hmac, KEY_BYTES, saltPassword, SERVER_KEY, sha256, xor } from './scram-keys.ts'
import { attribute, fromBase64, isNonce, messageText, positiveNumber } from './scram-syntax.ts'

/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS from the client's side (RFC 5802, RFC 7677): `clientFirst`, then `clientFinal`,
 * then `checkServer`, which must say `verified` before anything else is sent.
 */

/** PostgreSQL's default is the least we accept: fewer would make a captured exchange cheap to guess from. */
export const MIN_ITERATIONS = 4096
/** A server that asks for more would only burn our time; 600,000 take about 0.2 s. */
export const MAX_ITERATIONS = 600_000

/** A violation's reason, one phrase for people; holds nothing of what was sent. */
type Violation = { readonly kind: 'violation'; readonly reason: string }

export interface ScramStart {
  readonly message: Buffer
  readonly bare: string
  readonly nonce: string
  /** `c=` of the final message: header and binding in base64. */
  readonly bound: string
}
export type ScramAnswer =
  | { readonly kind: 'answer'; readonly message: Buffer; readonly serverSignature: Buffer }
  | Violation
export type ScramChecked = { readonly kind: 'verified' } | { readonly kind: 'refused' } | Violation

/**
 * What the exchange is bound to (RFC 5802 section 6). A hash of the server's certificate for SCRAM-SHA-256-PLUS.
 * `server_offers_none`: we could bind, and the server has not offered it; one that did offer it then refuses.
 */
export type ClientBinding = { readonly endPoint: Buffer } | 'not_possible' | 'server_offers_none'

/** `nonce`: at least 18 random bytes in base64, never reused. @throws RangeError when it has other characters. */
export function clientFirst(nonce: string, user = '', binding: ClientBinding = 'not_possible'): ScramStart {
  if (!isNonce(nonce)) throw new RangeError('a nonce is visible ASCII without a comma')
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  const flag = typeof binding === 'object' ? `p=${BINDING_TYPE}` : binding === 'not_possible' ? 'n' : 'y'
  const header = Buffer.from(`${flag},,`)
  const bound = typeof binding === 'object' ? Buffer.concat([header, binding.endPoint]) : header
  return {
    message: Buffer.concat([header, Buffer.from(bare)]),
    bare: Buffer.from(bare).toString('latin1'),
    nonce,
    bound: bound.toString('base64'),
  }
}

/** Answers server-first. Blocks for the key derivation. */
export function clientFinal(start: ScramStart, serverFirst: Buffer, password: string): ScramAnswer {
  const text = messageText(serverFirst)
  if (text === undefined) return violation('the first message of the server is not SCRAM')
  const [first, second, third, ...rest] = text.split(',')
  if (first?.startsWith('m=') === true || rest.length > 0) return violation('the server wants an extension')
  const nonce = attribute('r', first)
  const salt = fromBase64(attribute('s', second))
  const iterations = positiveNumber(attribute('i', third))
  if (nonce === undefined || salt === undefined || iterations === undefined) {
    return violation('the first message of the server is not SCRAM')
  }
  if (!isNonce(nonce) || !nonce.startsWith(start.nonce) || nonce.length === start.nonce.length) {
    return violation('the server did not continue our nonce')
  }
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
    return violation(`the server asks for ${iterations} iterations, outside ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`)
  }
  const salted = saltPassword(password, salt, iterations)
  const clientKey = hmac(salted, CLIENT_KEY)
  const withoutProof = `c=${start.bound},r=${nonce}`
  const signed = Buffer.from(`${start.bare},${text},${withoutProof}`, 'latin1')
  const proof = xor(clientKey, hmac(sha256(clientKey), signed)).toString('base64')
  return {
    kind: 'answer',
    message: Buffer.from(`${withoutProof},p=${proof}`, 'latin1'),
    serverSignature: hmac(hmac(salted, SERVER_KEY), signed),
  }
}

/** Judges server-final: only a server that knows our keys can have signed it. */
export function checkServer(serverSignature: Buffer, serverFinal: Buffer): ScramChecked {
  const text = messageText(serverFinal)
  if (text === undefined) return violation('the final message of the server is not SCRAM')
  if (attribute('e', text) !== undefined) return { kind: 'refused' }
  const signature = fromBase64(attribute('v', text))
  if (signature?.length !== KEY_BYTES) return violation('the final message of the server is not SCRAM')
  if (!equalBytes(signature, serverSignature)) return violation('the server does not know the password it asked for')
  return { kind: 'verified' }
}

const violation = (reason: string): Violation => ({ kind: 'violation', reason })
