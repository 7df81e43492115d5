import { createHash, randomBytes } from 'node:crypto'
import { parsePrincipalId } from '../../domain/ids.ts'
import { millis } from '../../domain/time.ts'
import type { App } from '../app.ts'
import type { Rate } from '../ports/people.ts'
import { done, refuse } from '../result.ts'
import type { PeopleDeps } from './deps.ts'
import { grantToken, LIFETIMES } from './grant-token.ts'
import { hashPassword, isWeak } from './password.ts'
import { SALT_BYTES } from './token-text.ts'

/** Crockford's base 32: no letters that look alike. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const RATE: Rate = { burst: 10, refill: millis(30_000) }

/** The same code however it is typed: case, spaces and hyphens do not count. */
const hashCode = (code: string): Buffer =>
  createHash('sha256').update(code.toUpperCase().replace(/[\s-]/g, '')).digest()

/**
 * A new one-time code when nobody is administrator yet; undefined otherwise. To be shown on the terminal of the
 * operator and nowhere else. It replaces any earlier code: of several replicas, the one that started last has it.
 */
export async function prepareSetup({ store }: Pick<PeopleDeps, 'store'>): Promise<string | undefined> {
  // 256 is a multiple of 32: no letter is likelier than another.
  const letters = Array.from(randomBytes(20), (byte) => ALPHABET[byte % 32]).join('')
  const code = letters.replace(/(.{4})(?=.)/g, '$1-')
  return store.transaction(async (tx) => {
    if (await tx.people.hasAdministrator()) return undefined
    await tx.people.setSetupCode(hashCode(code))
    return code
  })
}

export const setupNeeded = async ({ store }: PeopleDeps): Promise<boolean> => !(await store.people.hasAdministrator())

/** Makes the first administrator and signs them in. The code works once, for whoever is first. */
export async function setup(
  { store }: PeopleDeps,
  { code, name, displayName, password }: Parameters<App['setup']>[0],
): ReturnType<App['setup']> {
  const id = parsePrincipalId(name)
  if (!id.ok) return refuse('invalid_input', id.message)
  if (!(await store.transaction((tx) => tx.people.takeAttempt('setup', RATE, tx.now))))
    return refuse('too_many_attempts')
  if (await store.people.hasAdministrator()) return refuse('setup_done')
  if (isWeak(password, id.value)) return refuse('weak_password')
  const hash = await hashPassword(password)
  return store.transaction(async (tx) => {
    // Whoever takes the code holds its row until the end: a second one with the same code finds it gone.
    if (!(await tx.people.takeSetupCode(hashCode(code)))) return refuse('wrong_code')
    const principal = {
      id: id.value,
      kind: 'user',
      displayName: displayName ?? name,
      roles: ['admin'],
      disabled: false,
    } as const
    if (!(await tx.people.insert(principal, randomBytes(SALT_BYTES), tx.now)))
      throw new Error('an account exists, and no administrator')
    await tx.people.setPassword(id.value, hash)
    const { kind, roles } = principal
    await tx.record.append({
      kind: 'account.created',
      subject: `account/${name}`,
      actor: name,
      body: { kind, displayName: principal.displayName, roles, setup: true },
    })
    return done(
      await grantToken(tx, {
        principal: id.value,
        kind: 'sign_in',
        scopes: ['all'],
        label: 'setup',
        lifetime: LIFETIMES.sign_in.usual,
        actor: id.value,
      }),
    )
  })
}
