import { parsePrincipalId } from '../../domain/ids.ts'
import { millis } from '../../domain/time.ts'
import type { App, Caller } from '../app.ts'
import type { Rate } from '../ports/people.ts'
import { done, refuse } from '../result.ts'
import type { PeopleDeps } from './deps.ts'
import { grantToken, LIFETIMES, tokenSubject } from './grant-token.ts'
import { verifyPassword } from './password.ts'
import { hashToken, isTokenText } from './token-text.ts'

/** Wrong passwords for one name, from anywhere: enough for a bad day at the keyboard, too few to guess. */
const BY_NAME: Rate = { burst: 10, refill: millis(30_000) }
/** From one address, for any names. */
const BY_ADDRESS: Rate = { burst: 30, refill: millis(5_000) }

/**
 * Every attempt is taken from the buckets before the password is looked at, so that many at once do not slip
 * through; a right password gives it back. Unknown, disabled and passwordless names answer like a wrong password.
 */
export async function signIn(
  { store }: PeopleDeps,
  { name, password, sourceAddress }: Parameters<App['signIn']>[0],
): ReturnType<App['signIn']> {
  const id = parsePrincipalId(name)
  const address = `address/${sourceAddress}`
  const byName = id.ok ? `name/${id.value}` : undefined
  const admitted = await store.transaction(
    async (tx) =>
      (await tx.people.takeAttempt(address, BY_ADDRESS, tx.now)) &&
      (byName === undefined || (await tx.people.takeAttempt(byName, BY_NAME, tx.now))),
  )
  if (!admitted) return refuse('too_many_attempts')
  const stored = id.ok ? await store.people.passwordHash(id.value) : undefined
  const right = await verifyPassword(password, stored)
  if (!right || !id.ok || byName === undefined) return refuse('wrong_credentials')
  return store.transaction(async (tx) => {
    const principal = await tx.people.lock(id.value)
    // Disabled, or given another password, while this one was being verified.
    if (principal === undefined || principal.disabled || (await tx.people.passwordHash(id.value)) !== stored)
      return refuse('wrong_credentials')
    await tx.people.giveBackAttempt(address, BY_ADDRESS)
    await tx.people.clearAttempts(byName)
    const label = `sign-in from ${sourceAddress}`
    return done(
      await grantToken(tx, {
        principal: id.value,
        kind: 'sign_in',
        scopes: ['all'],
        label,
        lifetime: LIFETIMES.sign_in.usual,
        actor: id.value,
      }),
    )
  })
}

/** Ends the caller's own token. Safe to repeat. */
export async function signOut({ store }: PeopleDeps, caller: Caller): Promise<void> {
  const { id } = caller.principal
  await store.transaction(async (tx) => {
    await tx.people.revokeToken(caller.token, tx.now)
    await tx.record.append({
      kind: 'token.revoked',
      subject: tokenSubject(id, caller.token),
      actor: id,
      body: { principal: id, token: caller.token },
    })
  })
}

/** One look into the store, by its clock. Rejects when the store does not answer: in doubt nobody is anybody. */
export async function authenticate(
  { store }: PeopleDeps,
  text: string,
  sourceAddress: string,
): Promise<Caller | undefined> {
  if (!isTokenText(text)) return undefined
  const bearer = await store.people.bearer(hashToken(text))
  if (bearer === undefined) return undefined
  const { token, principal } = bearer
  // Not waited for: it decides nothing, and a failure shows in what comes next.
  store.people.noteTokenUse(token.id).catch(() => undefined)
  return { principal, token: token.id, scopes: token.scopes, sourceAddress }
}
