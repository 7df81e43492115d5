import type { App } from '../app.ts'
import { createPerson, listPeople, updatePerson } from './accounts.ts'
import type { PeopleDeps } from './deps.ts'
import { prepareDecoy } from './password.ts'
import { setup, setupNeeded } from './setup.ts'
import { authenticate, signIn, signOut } from './sign-in.ts'
import { issueToken, listTokens, revokeToken } from './tokens.ts'

type PeopleUseCases = Pick<
  App,
  | 'setupNeeded'
  | 'setup'
  | 'signIn'
  | 'signOut'
  | 'authenticate'
  | 'listPeople'
  | 'createPerson'
  | 'updatePerson'
  | 'listTokens'
  | 'issueToken'
  | 'revokeToken'
>

/** The part of the App that is about people. */
export function createPeopleUseCases(deps: PeopleDeps): PeopleUseCases {
  void prepareDecoy()
  return {
    setupNeeded: () => setupNeeded(deps),
    setup: (input) => setup(deps, input),
    signIn: (input) => signIn(deps, input),
    signOut: (caller) => signOut(deps, caller),
    authenticate: (token, sourceAddress) => authenticate(deps, token, sourceAddress),
    listPeople: () => listPeople(deps),
    createPerson: (caller, input) => createPerson(deps, caller, input),
    updatePerson: (caller, name, input) => updatePerson(deps, caller, name, input),
    listTokens: (caller) => listTokens(deps, caller),
    issueToken: (caller, input) => issueToken(deps, caller, input),
    revokeToken: (caller, id) => revokeToken(deps, caller, id),
  }
}
