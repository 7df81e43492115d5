import { z } from 'zod'
import { EVENT_TYPES } from '../domain/request/event-types.ts'
import { Limit, Name, Time } from './scalars.ts'

/* People who answer for others, what is done later, and who else is told. */

export const DelegationInput = z
  .strictObject({ to: Name, until: Time })
  .meta({ id: 'DelegationInput', description: 'Who answers in your place, until when: 90 days at most' })
const Delegation = z.object({ person: z.string(), to: z.string(), madeAt: Time, until: Time })
export const Delegated = Delegation.extend({
  requests: z.int().meta({ description: 'How many requests that wait for you now were handed on' }),
}).meta({ id: 'Delegated' })
export const Delegations = z.object({ items: z.array(Delegation.meta({ id: 'Delegation' })) })

const QUEUE = z.enum(['request-step', 'delivery'])
const STATE = z.enum(['waiting', 'running', 'retrying', 'done', 'failed'])
export const Job = z
  .object({
    id: z.string(),
    queue: QUEUE,
    state: STATE,
    about: z.string(),
    attempts: z.int(),
    createdAt: Time,
    dueAt: Time,
    endedAt: Time.optional(),
    error: z.string().optional(),
  })
  .meta({
    id: 'Job',
    description: 'Work that is done later. `failed` is a dead letter: tried again when somebody asks',
  })
export const Jobs = z.object({ items: z.array(Job) })
export const JobsQuery = z.object({
  state: STATE.optional(),
  queue: QUEUE.optional(),
  webhook: Name.optional(),
  limit: Limit.optional(),
})
export const JobParam = z.object({
  id: z.string().regex(/^[0-9a-f]{8}[0-9a-f-]{0,28}$/, 'must be the id of a job, or the first eight or more of it'),
})

export const WebhookInput = z
  .strictObject({
    name: Name,
    url: z.string().min(1).max(2_000),
    events: z.array(z.enum(EVENT_TYPES)).min(1).max(EVENT_TYPES.length).optional(),
  })
  .meta({ id: 'WebhookInput', description: 'All events when none are named' })
const Webhook = z.object({
  name: z.string(),
  url: z.string(),
  events: z.array(z.enum(EVENT_TYPES)),
  madeAt: Time,
  madeBy: z.string(),
})
export const NewWebhook = Webhook.extend({
  secret: z.string().meta({ description: 'Shown once: what deliveries are signed with (Standard Webhooks)' }),
}).meta({ id: 'NewWebhook' })
export const Webhooks = z.object({ items: z.array(Webhook.meta({ id: 'Webhook' })) })
export const WebhookTested = z.object({ event: z.string() })
