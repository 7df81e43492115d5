import type { PrincipalId } from '../../domain/ids.ts'
import { millis } from '../../domain/time.ts'
import type { Rate } from '../ports/people.ts'
import type { Store, Tx } from '../ports/store.ts'
import type { Result } from '../result.ts'
import { done, refuse } from '../result.ts'
import { verifyPassword } from './password.ts'

/** Wrong passwords for one name, from anywhere: enough for a bad day at the keyboard, too few to guess. */
const BY_NAME: Rate = { burst: 10, refill: millis(30_000) }
/** From one address, for any names. */
const BY_ADDRESS: Rate = { burst: 30, refill: millis(5_000) }

export interface Proof {
  readonly person: PrincipalId
  /**
   * Inside the transaction that relies on the proof, with the account locked: gives the attempts back. False when the
   * password was changed while it was being verified, so that it proves nothing.
   */
  accept(tx: Tx): Promise<boolean>
}

/**
 * Whether `password` is the person's; undefined stands for a name that cannot be one. Every attempt is taken from the
 * buckets before the password is looked at, so that many at once do not slip through; a right password gives it back.
 * Refuses with `too_many_attempts` or `wrong_credentials`, and nobody without a password has the right one.
 */
export async function provePassword(
  store: Store,
  given: { readonly person: PrincipalId | undefined; readonly password: string; readonly sourceAddress: string },
): Promise<Result<Proof>> {
  const { person, password, sourceAddress } = given
  const address = `address/${sourceAddress}`
  const byName = person === undefined ? undefined : `name/${person}`
  const admitted = await store.transaction(
    async (tx) =>
      (await tx.people.takeAttempt(address, BY_ADDRESS, tx.now)) &&
      (byName === undefined || (await tx.people.takeAttempt(byName, BY_NAME, tx.now))),
  )
  if (!admitted) return refuse('too_many_attempts')
  const stored = person === undefined ? undefined : await store.people.passwordHash(person)
  const right = await verifyPassword(password, stored)
  if (!right || person === undefined || byName === undefined) return refuse('wrong_credentials')
  return done({
    person,
    async accept(tx) {
      if ((await tx.people.passwordHash(person)) !== stored) return false
      await tx.people.giveBackAttempt(address, BY_ADDRESS)
      await tx.people.clearAttempts(byName)
      return true
    },
  })
}
