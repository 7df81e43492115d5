import { parsePrincipalId } from '../../domain/ids.ts'
import type { App, Caller } from '../app.ts'
import { done, refuse } from '../result.ts'
import type { PeopleDeps } from './deps.ts'
import { grantToken, LIFETIMES, tokenSubject } from './grant-token.ts'
import { provePassword } from './prove-password.ts'
import { hashToken, isTokenText } from './token-text.ts'

/** Unknown, disabled and passwordless names answer like a wrong password. */
export async function signIn(
  { store }: PeopleDeps,
  { name, password, sourceAddress }: Parameters<App['signIn']>[0],
): ReturnType<App['signIn']> {
  const id = parsePrincipalId(name)
  const proof = await provePassword(store, { person: id.ok ? id.value : undefined, password, sourceAddress })
  if (!proof.ok) return proof
  const { person } = proof.value
  return store.transaction(async (tx) => {
    const principal = await tx.people.lock(person)
    if (principal === undefined || principal.disabled || !(await proof.value.accept(tx)))
      return refuse('wrong_credentials')
    const label = `sign-in from ${sourceAddress}`
    return done(
      await grantToken(tx, {
        principal: person,
        kind: 'sign_in',
        scopes: ['all'],
        label,
        lifetime: LIFETIMES.sign_in.usual,
        actor: person,
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
