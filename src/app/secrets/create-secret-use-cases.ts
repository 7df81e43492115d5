import { isName } from '../../domain/ids.ts'
import type { App, Caller } from '../app.ts'
import type { Sealer } from '../ports/secrets.ts'
import type { Store } from '../ports/store.ts'
import { done, refuse } from '../result.ts'

export interface SecretDeps {
  readonly store: Store
  readonly sealer: Sealer
}

const LONGEST_BYTES = 65_536
const context = (name: string): string => `secret/${name}`
const mayManage = (caller: Caller): boolean => caller.principal.roles.includes('admin') && caller.scopes.includes('all')
const notPermitted = () => refuse('not_permitted', 'secrets are managed by administrators')

/** The part of the App that is about sealed secrets. They go in and are used; no answer ever holds one. */
export function createSecretUseCases({
  store,
  sealer,
}: SecretDeps): Pick<App, 'setSecret' | 'listSecrets' | 'deleteSecret'> {
  return {
    async setSecret(caller, name, value) {
      if (!mayManage(caller)) return notPermitted()
      if (!isName(name)) return refuse('invalid_input', "a secret's name is 1 to 63 of a-z, 0-9, '.', '_' or '-'")
      const bytes = Buffer.from(value, 'utf8')
      if (bytes.length === 0 || bytes.length > LONGEST_BYTES || value.includes('\0')) {
        return refuse('invalid_input', `a secret has 1 to ${LONGEST_BYTES} bytes, and no NUL`)
      }
      const sealed = await sealer.seal(context(name), bytes)
      return store.transaction(async (tx) => {
        await tx.secrets.put(name, sealed, caller.principal.id, tx.now)
        await tx.record.append({
          kind: 'secret.set',
          subject: context(name),
          actor: caller.principal.id,
          body: { name, key: sealed.keyId },
        })
        return done(undefined)
      })
    },
    async listSecrets(caller) {
      return mayManage(caller) ? done(await store.secrets.list()) : notPermitted()
    },
    async deleteSecret(caller, name) {
      if (!mayManage(caller)) return notPermitted()
      return store.transaction(async (tx) => {
        if (!(await tx.secrets.delete(name))) return refuse('not_found')
        await tx.record.append({
          kind: 'secret.deleted',
          subject: context(name),
          actor: caller.principal.id,
          body: { name },
        })
        return done(undefined)
      })
    },
  }
}

/**
 * The value, for the moment of using it; undefined when there is none. Throws when it cannot be opened.
 * Only for the program's own use: nothing that answers people may call it.
 */
export async function openSecret({ store, sealer }: SecretDeps, name: string): Promise<string | undefined> {
  const sealed = await store.secrets.get(name)
  return sealed && (await sealer.open(context(name), sealed)).toString('utf8')
}
