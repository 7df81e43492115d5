import { createHmac } from 'node:crypto'
import type { Clock } from '../ports/clock.ts'
import type { Delivery } from '../ports/jobs.ts'
import type { Sealer } from '../ports/secrets.ts'
import type { Store } from '../ports/store.ts'
import type { SendWebhook } from '../ports/webhooks.ts'
import { openSecret } from '../secrets/create-secret-use-cases.ts'
import { secretOf } from './webhooks.ts'

export interface DeliverDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Clock
  readonly baseUrl: () => string
  readonly send: SendWebhook
}

/**
 * One attempt at one delivery: a CloudEvent (1.0, structured JSON) in the headers of Standard Webhooks. At least once:
 * an attempt whose end nobody wrote down is made again under the same `webhook-id`. Rejects to be tried again.
 */
export async function deliver(deps: DeliverDeps, delivery: Delivery, signal: AbortSignal): Promise<void> {
  const { store, clock, send } = deps
  const webhook = await store.webhooks.find(delivery.webhook)
  // Removed meanwhile: nobody wants to know.
  if (webhook === undefined) return
  const secret = await openSecret(deps, secretOf(webhook.name))
  if (secret === undefined) throw new Error('the secret that it is signed with is not there')
  const body = JSON.stringify({
    specversion: '1.0',
    id: delivery.event,
    source: deps.baseUrl(),
    type: `dev.holdpoint.${delivery.type}`,
    subject: delivery.subject,
    time: new Date(delivery.at).toISOString(),
    datacontenttype: 'application/json',
    data: { ...delivery.facts, ...linkOf(deps, delivery) },
  })
  const timestamp = String(Math.floor(clock.now() / 1_000))
  const { status } = await send({
    url: webhook.url,
    headers: {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'webhook-id': delivery.event,
      'webhook-timestamp': timestamp,
      'webhook-signature': sign(secret, delivery.event, timestamp, body),
    },
    body,
    signal,
  })
  if (status < 200 || status > 299) throw new Error(`the receiver answered ${status}`)
}

const linkOf = ({ baseUrl }: Pick<DeliverDeps, 'baseUrl'>, { facts }: Delivery) =>
  typeof facts['request'] === 'string' ? { url: `${baseUrl()}/r/${facts['request']}` } : {}

/** Standard Webhooks, `v1`: HMAC-SHA256 over id, time and body. */
const sign = (secret: string, id: string, timestamp: string, body: string): string =>
  `v1,${createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64')}`
