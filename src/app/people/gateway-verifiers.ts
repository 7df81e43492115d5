import { createHmac } from 'node:crypto'
import { parsePrincipalId } from '../../domain/ids.ts'
import type { GatewayVerifiers } from '../ports/gateway.ts'
import type { Store } from '../ports/store.ts'
import { SALT_BYTES, SCRAM_ITERATIONS } from './token-text.ts'

/**
 * What a gateway needs to run one SCRAM exchange for `user` that tries each of their live tokens. A name that nobody
 * has is shown a salt too, the same one every time: asking does not tell who exists.
 */
export async function gatewayVerifiers(store: Store, user: string): Promise<GatewayVerifiers> {
  const id = parsePrincipalId(user)
  const [principal, salt, keys] = id.ok
    ? await Promise.all([
        store.people.find(id.value),
        store.people.gatewaySalt(id.value),
        store.people.gatewayKeys(id.value),
      ])
    : [undefined, undefined, []]
  const iterations = SCRAM_ITERATIONS
  if (principal === undefined || salt === undefined) {
    const key = await store.people.installationKey('scram salts of unknown names')
    const made = createHmac('sha256', key).update(user).digest().subarray(0, SALT_BYTES)
    // Somebody who never had a token: nothing signs in, and the refusal says whose name it was.
    return { salt: made, iterations, keys: [], ...(principal === undefined ? {} : { principal }) }
  }
  return { salt, iterations, keys: principal.disabled ? [] : keys, principal }
}
