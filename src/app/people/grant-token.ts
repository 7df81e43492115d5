import type { PrincipalId } from '../../domain/ids.ts'
import type { Millis } from '../../domain/time.ts'
import { after, millis } from '../../domain/time.ts'
import type { NewToken, TokenInfo, TokenScope } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { hashToken, newTokenId, newTokenText, scramKeys } from './token-text.ts'

const HOUR = 3_600_000
/** How long a token lives when nobody says, and at most. */
export const LIFETIMES = {
  sign_in: { usual: millis(12 * HOUR), longest: millis(12 * HOUR) },
  api: { usual: millis(90 * 24 * HOUR), longest: millis(365 * 24 * HOUR) },
  gateway: { usual: millis(HOUR), longest: millis(12 * HOUR) },
} as const satisfies Record<TokenInfo['kind'], { readonly usual: Millis; readonly longest: Millis }>

export interface Grantee {
  readonly principal: PrincipalId
  readonly kind: TokenInfo['kind']
  readonly scopes: readonly TokenScope[]
  readonly label: string
  readonly lifetime: Millis
  /** Who caused it; the principal, or an administrator for a machine. */
  readonly actor: PrincipalId
}

/** Makes a token and records that it was made, never what it is. The text exists only in the answer. */
export async function grantToken(
  tx: Tx,
  { principal, kind, scopes, label, lifetime, actor }: Grantee,
): Promise<NewToken> {
  const text = newTokenText()
  const info: TokenInfo = {
    id: newTokenId(),
    principal,
    kind,
    scopes,
    label,
    createdAt: tx.now,
    expiresAt: after(tx.now, lifetime),
  }
  const salt = kind === 'gateway' ? await tx.people.gatewaySalt(principal) : undefined
  await tx.people.insertToken({
    ...info,
    hash: hashToken(text),
    ...(salt === undefined ? {} : { scram: await scramKeys(text, salt) }),
  })
  await tx.record.append({
    kind: 'token.issued',
    subject: tokenSubject(principal, info.id),
    actor,
    body: { principal, token: info.id, kind, scopes, label, expiresAt: info.expiresAt },
  })
  return { ...info, text }
}

/** Not `account/...`: whoever listens for changes of accounts need not look for each sign-in. */
export const tokenSubject = (principal: PrincipalId, token: string): string => `token/${principal}/${token}`
