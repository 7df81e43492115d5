import type { EventType } from '../../domain/request/event-types.ts'
import type { Instant } from '../../domain/time.ts'

/** Somebody's endpoint that is told of events. Its secret is in the SecretStore. */
export interface Webhook {
  readonly name: string
  readonly url: string
  readonly events: readonly EventType[]
  readonly madeAt: Instant
  readonly madeBy: string
}

export interface WebhookStore {
  /** False when the name is taken. */
  insert(webhook: Webhook): Promise<boolean>
  find(name: string): Promise<Webhook | undefined>
  /** By name. */
  list(): Promise<readonly Webhook[]>
  /** False when there is none. */
  delete(name: string): Promise<boolean>
  /** Names of those that are told of this. */
  listening(type: EventType): Promise<readonly string[]>
}

/**
 * Sends one POST, never to an address that is not the public's unless the operator allows the host. Rejects with words
 * that name no secret; a redirect is an answer like any other.
 */
export type SendWebhook = (message: {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal: AbortSignal
}) => Promise<{ readonly status: number }>

/** Why deliveries to this address would never be sent; undefined when they may be. Asks no name server. */
export type CheckWebhookUrl = (url: string) => string | undefined
