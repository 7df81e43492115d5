import { BINDING_TYPE } from './channel-binding.ts'
import type { ScramKeys } from './scram-keys.ts'
import { equalBytes, hmac, KEY_BYTES, sha256, xor } from './scram-keys.ts'
import { attribute, fromBase64, isNonce, isSaslName, messageText } from './scram-syntax.ts'

/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS from the server's side (RFC 5802, RFC 7677). Two steps: `challenge` answers the
 * client's first message, `verify` judges its final one. Whoever answers a violation closes the connection; whoever
 * answers `refused` says no more than that.
 */

/** One of several secrets that may open the account; `token` says which one did. */
export interface CandidateKeys extends ScramKeys {
  readonly token: string
}

/** The exchange between the two steps. */
export interface ScramExchange {
  /** `c=` that the final message must have: header and binding in base64. */
  readonly bound: string
  readonly clientFirstBare: string
  readonly serverFirst: string
  readonly nonce: string
}

export type ScramViolation =
  | 'malformed'
  | 'channel_binding_not_chosen'
  | 'channel_binding_missing'
  | 'channel_binding_unknown'
  | 'channel_binding_downgraded'
  | 'authorization_identity'
  | 'extension'
  | 'channel_binding_differs'
  | 'nonce_differs'

type Violation = { readonly kind: 'violation'; readonly reason: ScramViolation }
export type Challenged =
  | { readonly kind: 'challenge'; readonly message: Buffer; readonly exchange: ScramExchange }
  | Violation
export type Verified =
  | { readonly kind: 'accepted'; readonly message: Buffer; readonly token: string }
  /** The proof fits none of the keys. An unknown name ends here too, after the same exchange. */
  | { readonly kind: 'refused' }
  | Violation

const violation = (reason: ScramViolation): Violation => ({ kind: 'violation', reason })

/**
 * Answers client-first. For a name that nobody has, give a salt derived from that name with a secret, so that the
 * answer is the same every time and like any other. `nonce` is at least 18 random bytes in base64, never reused.
 * `endPoint`: what this connection binds to, when SCRAM-SHA-256-PLUS was offered on it; `plus`: the client chose that.
 */
export function challenge(
  clientFirst: Buffer,
  given: {
    readonly salt: Buffer
    readonly iterations: number
    readonly nonce: string
    readonly endPoint?: Buffer | undefined
    readonly plus?: boolean
  },
): Challenged {
  const text = messageText(clientFirst)
  if (text === undefined) return violation('malformed')
  const [flag, authorization, name, clientNonce, ...extensions] = text.split(',')
  const type = attribute('p', flag)
  if (flag !== 'n' && flag !== 'y' && type === undefined) return violation('malformed')
  const { endPoint, plus = false } = given
  if (plus && (type === undefined || endPoint === undefined)) return violation('channel_binding_missing')
  if (!plus && type !== undefined) return violation('channel_binding_not_chosen')
  if (type !== undefined && type !== BINDING_TYPE) return violation('channel_binding_unknown')
  // INVARIANT: `y` says that the client could bind and was not offered it. Where it was, somebody in between took the
  // offer out (RFC 5802 section 6).
  if (flag === 'y' && endPoint !== undefined) return violation('channel_binding_downgraded')
  if (authorization !== '') {
    return violation(attribute('a', authorization) === undefined ? 'malformed' : 'authorization_identity')
  }
  if (name?.startsWith('m=') === true || extensions.length > 0) return violation('extension')
  const user = attribute('n', name)
  const nonce = attribute('r', clientNonce)
  // The name in here is not looked at, as in PostgreSQL: the startup message named the user.
  if (user === undefined || !isSaslName(user) || nonce === undefined || !isNonce(nonce)) return violation('malformed')
  const whole = nonce + given.nonce
  const header = Buffer.from(`${flag},,`)
  const bound = plus && endPoint !== undefined ? Buffer.concat([header, endPoint]) : header
  const serverFirst = `r=${whole},s=${given.salt.toString('base64')},i=${given.iterations}`
  return {
    kind: 'challenge',
    message: Buffer.from(serverFirst, 'latin1'),
    exchange: {
      bound: bound.toString('base64'),
      clientFirstBare: text.slice(header.length),
      serverFirst,
      nonce: whole,
    },
  }
}

/** What is compared against when there is no key, so that an unknown name costs as much as a known one. */
const NO_KEY: CandidateKeys = { token: '', storedKey: Buffer.alloc(KEY_BYTES), serverKey: Buffer.alloc(KEY_BYTES) }

/** Judges client-final. Every candidate is tried, whichever fits; compared in constant time. */
export function verify(exchange: ScramExchange, clientFinal: Buffer, candidates: readonly CandidateKeys[]): Verified {
  const text = messageText(clientFinal)
  if (text === undefined) return violation('malformed')
  const [binding, nonce, proofText, ...rest] = text.split(',')
  if (rest.length > 0) return violation('extension')
  const bound = attribute('c', binding)
  const proof = fromBase64(attribute('p', proofText))
  if (bound === undefined || attribute('r', nonce) === undefined) return violation('malformed')
  if (proof?.length !== KEY_BYTES) return violation('malformed')
  if (bound !== exchange.bound) return violation('channel_binding_differs')
  if (nonce !== `r=${exchange.nonce}`) return violation('nonce_differs')

  const signed = Buffer.from(`${exchange.clientFirstBare},${exchange.serverFirst},${binding},${nonce}`, 'latin1')
  let found: CandidateKeys | undefined
  for (const keys of candidates.length === 0 ? [NO_KEY] : candidates) {
    const clientKey = xor(proof, hmac(keys.storedKey, signed))
    if (equalBytes(sha256(clientKey), keys.storedKey) && keys !== NO_KEY) found ??= keys
  }
  if (found === undefined) return { kind: 'refused' }
  const signature = hmac(found.serverKey, signed).toString('base64')
  return { kind: 'accepted', message: Buffer.from(`v=${signature}`), token: found.token }
}
