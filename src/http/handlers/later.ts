import type { JobView } from '../../app/ports/jobs.ts'
import { present, time } from '../view/scalars.ts'
import { mapped, nothing } from './handler.ts'
import type { Handlers } from './handler.ts'
import { limitOf } from './input.ts'

type Operations =
  | 'listDelegations'
  | 'delegate'
  | 'endDelegation'
  | 'listJobs'
  | 'retryJob'
  | 'listWebhooks'
  | 'createWebhook'
  | 'deleteWebhook'
  | 'testWebhook'

const delegationView = (one: {
  readonly person: string
  readonly to: string
  readonly madeAt: number
  readonly until: number
}) => ({ person: one.person, to: one.to, madeAt: time(one.madeAt), until: time(one.until) })

const jobView = ({ createdAt, dueAt, endedAt, error, ...job }: JobView) =>
  present({
    ...job,
    createdAt: time(createdAt),
    dueAt: time(dueAt),
    endedAt: endedAt === undefined ? undefined : time(endedAt),
    error,
  })

export const later: Handlers<Operations> = {
  listDelegations: async ({ app, caller }) =>
    mapped(await app.listDelegations(caller), (items) => ({ items: items.map(delegationView) })),
  delegate: async ({ app, caller, body }) =>
    mapped(await app.delegate(caller, { to: body.to, until: Date.parse(body.until) }), (made) => ({
      ...delegationView(made),
      requests: made.requests,
    })),
  endDelegation: async ({ app, caller }) => mapped(await app.endDelegation(caller), nothing),

  listJobs: async ({ app, caller, query }) =>
    mapped(await app.listJobs(caller, present({ ...query, limit: limitOf(query.limit) })), (items) => ({
      items: items.map(jobView),
    })),
  retryJob: async ({ app, caller, params }) => mapped(await app.retryJob(caller, params.id), jobView),

  listWebhooks: async ({ app, caller }) =>
    mapped(await app.listWebhooks(caller), (items) => ({
      items: items.map(({ madeAt, events, ...one }) => ({ ...one, events: [...events], madeAt: time(madeAt) })),
    })),
  createWebhook: async ({ app, caller, body }) =>
    mapped(await app.createWebhook(caller, present(body)), ({ madeAt, events, ...one }) => ({
      ...one,
      events: [...events],
      madeAt: time(madeAt),
    })),
  deleteWebhook: async ({ app, caller, params }) => mapped(await app.deleteWebhook(caller, params.name), nothing),
  testWebhook: async ({ app, caller, params }) => await app.testWebhook(caller, params.name),
}
