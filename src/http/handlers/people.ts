import { present } from '../view/scalars.ts'
import { newTokenView, personView, tokenView } from '../view/people.ts'
import { time } from '../view/scalars.ts'
import { lengthOf } from './input.ts'
import { mapped, nothing } from './handler.ts'
import type { Handlers } from './handler.ts'

type Operations =
  | 'setup'
  | 'signIn'
  | 'signOut'
  | 'getMe'
  | 'listPeople'
  | 'createPerson'
  | 'updatePerson'
  | 'listTokens'
  | 'issueToken'
  | 'revokeToken'
  | 'listSecrets'
  | 'setSecret'
  | 'deleteSecret'

export const people: Handlers<Operations> = {
  setup: async ({ app, body, sourceAddress }) =>
    mapped(await app.setup({ ...present(body), sourceAddress }), newTokenView),
  signIn: async ({ app, body, sourceAddress }) => mapped(await app.signIn({ ...body, sourceAddress }), newTokenView),
  async signOut({ app, caller }) {
    await app.signOut(caller)
    return { ok: true, value: undefined }
  },
  async getMe({ caller }) {
    return {
      ok: true,
      value: { principal: personView(caller.principal), token: { id: caller.token, scopes: [...caller.scopes] } },
    }
  },

  listPeople: async ({ app, caller }) =>
    mapped(await app.listPeople(caller), (items) => ({ items: items.map(personView) })),
  createPerson: async ({ app, caller, body }) => mapped(await app.createPerson(caller, present(body)), personView),
  updatePerson: async ({ app, caller, params, body }) =>
    mapped(await app.updatePerson(caller, params.name, present(body)), personView),

  listTokens: async ({ app, caller }) =>
    mapped(await app.listTokens(caller), (items) => ({ items: items.map(tokenView) })),
  issueToken: async ({ app, caller, body: { lifetime, ...body } }) =>
    mapped(
      await app.issueToken(
        caller,
        present({ ...body, lifetime: lifetime === undefined ? undefined : lengthOf(lifetime) }),
      ),
      newTokenView,
    ),
  revokeToken: async ({ app, caller, params }) => mapped(await app.revokeToken(caller, params.id), nothing),

  listSecrets: async ({ app, caller }) =>
    mapped(await app.listSecrets(caller), (items) => ({
      items: items.map(({ name, updatedAt }) => ({ name, updatedAt: time(updatedAt) })),
    })),
  setSecret: async ({ app, caller, params, body }) =>
    mapped(await app.setSecret(caller, params.name, body.value), nothing),
  deleteSecret: async ({ app, caller, params }) => mapped(await app.deleteSecret(caller, params.name), nothing),
}
