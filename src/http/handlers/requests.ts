import { entryView, sessionView, statementView } from '../view/session.ts'
import { requestView } from '../view/request.ts'
import { present, time } from '../view/scalars.ts'
import { mapped, nothing } from './handler.ts'
import type { Handlers } from './handler.ts'
import { lengthOf, limitOf, principalOf, requestIdOf, resourceOf } from './input.ts'

type Operations =
  | 'listRequests'
  | 'requestWindow'
  | 'giveCredential'
  | 'getRequest'
  | 'updateRequest'
  | 'review'
  | 'acknowledge'
  | 'withdrawRequest'
  | 'retryRequest'
  | 'extendGrant'
  | 'releaseGrant'
  | 'revokeGrant'
  | 'getInbox'
  | 'listSessions'
  | 'listStatements'
  | 'replaySession'
  | 'cutSession'
  | 'listRecord'

export const requests: Handlers<Operations> = {
  listRequests: async ({ app, caller, query }) =>
    mapped(
      await app.listRequests(
        caller,
        present({
          state: query.state,
          resource: query.resource === undefined ? undefined : resourceOf(query.resource),
          requester: query.requester === undefined ? undefined : principalOf(query.requester),
          cursor: query.cursor,
          limit: limitOf(query.limit),
        }),
      ),
      ({ items, next }) => present({ items: items.map(requestView), next }),
    ),
  requestWindow: async ({ app, caller, body }) =>
    mapped(
      await app.requestWindow(
        caller,
        present({
          resource: body.resource,
          verbs: body.verbs,
          length: lengthOf(body.for),
          reason: body.reason,
          credential: body.credential,
        }),
      ),
      requestView,
    ),
  giveCredential: async ({ app, caller, params }) =>
    mapped(await app.giveCredential(caller, requestIdOf(params.id)), ({ until, ...given }) => ({
      ...given,
      until: time(until),
    })),
  getRequest: async ({ app, caller, params }) =>
    mapped(await app.getRequest(caller, requestIdOf(params.id)), requestView),
  async updateRequest() {
    return { ok: false, refusal: 'read_only_field' }
  },
  review: async ({ app, caller, params, body: { atMost, ...body } }) =>
    mapped(
      await app.review(
        caller,
        requestIdOf(params.id),
        present({ ...body, atMost: atMost === undefined ? undefined : lengthOf(atMost) }),
      ),
      requestView,
    ),
  acknowledge: async ({ app, caller, params, body }) =>
    mapped(await app.acknowledge(caller, requestIdOf(params.id), body), requestView),
  withdrawRequest: async ({ app, caller, params }) =>
    mapped(await app.withdrawRequest(caller, requestIdOf(params.id)), requestView),
  retryRequest: async ({ app, caller, params }) =>
    mapped(await app.retryRequest(caller, requestIdOf(params.id)), requestView),
  extendGrant: async ({ app, caller, params, body }) =>
    mapped(
      await app.extendGrant(
        caller,
        requestIdOf(params.id),
        present({ length: lengthOf(body.for), reason: body.reason }),
      ),
      requestView,
    ),
  releaseGrant: async ({ app, caller, params }) =>
    mapped(await app.releaseGrant(caller, requestIdOf(params.id)), requestView),
  revokeGrant: async ({ app, caller, params, body }) =>
    mapped(await app.revokeGrant(caller, requestIdOf(params.id), present(body)), requestView),
  getInbox: async ({ app, caller }) =>
    mapped(await app.inbox(caller), ({ needsMe, waiting, granted, afterwards }) => ({
      needsMe: needsMe.map(requestView),
      waiting: waiting.map(requestView),
      granted: granted.map(requestView),
      afterwards: afterwards.map(requestView),
    })),

  listSessions: async ({ app, caller, query }) =>
    mapped(
      await app.listSessions(
        caller,
        present({
          open: query.open === undefined ? undefined : query.open === 'true',
          resource: query.resource,
          cursor: query.cursor,
          limit: limitOf(query.limit),
        }),
      ),
      ({ items, next }) => present({ items: items.map(sessionView), next }),
    ),
  listStatements: async ({ app, caller, params, query }) =>
    mapped(
      await app.listStatements(caller, params.id, present({ cursor: query.cursor, limit: limitOf(query.limit) })),
      ({ items, next }) => present({ items: items.map(statementView), next }),
    ),
  replaySession: async ({ app, caller, params, query }) =>
    mapped(
      await app.replaySession(caller, params.id, present({ cursor: query.cursor, limit: limitOf(query.limit) })),
      ({ session, items, next }) =>
        present({
          session: sessionView(session),
          items: items.map((entry) => ({ ...statementView(entry), afterMs: entry.after })),
          next,
        }),
    ),
  cutSession: async ({ app, caller, params }) => mapped(await app.cutSession(caller, params.id), nothing),

  listRecord: async ({ app, caller, query }) =>
    mapped(
      await app.listEntries(
        caller,
        present({
          after: query.cursor,
          resource: query.resource,
          subject: query.subject,
          limit: limitOf(query.limit),
          last: limitOf(query.last),
        }),
      ),
      ({ items, cursor }) => present({ items: items.map(entryView), next: cursor }),
    ),
}
