import type { PrincipalId, ResourceName, SessionId } from '../ids.ts'
import type { Instant } from '../time.ts'
import type { Verb } from '../verb.ts'

export const CLOSE_REASONS = [
  'client_left',
  'target_left',
  'cut',
  'expired',
  'refused',
  'failed',
  'gateway_died',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

/** The target's process behind a session. `startedAt` guards against a reused pid; `backend_start` as ISO 8601 with its offset. */
export interface Backend {
  readonly pid: number
  readonly startedAt: string
}

export interface SessionCommon {
  readonly id: SessionId
  readonly principal: PrincipalId
  readonly resource: ResourceName
  readonly database: string
  readonly client: string
  readonly sourceAddress: string
  readonly openedAt: Instant
  readonly expiresAt?: Instant
  readonly backend?: Backend
}
export type Session = SessionCommon &
  ({ readonly state: 'open' } | { readonly state: 'closed'; readonly why: CloseReason; readonly at: Instant })

/** One line of the statement record. Written in the background; never holds a secret or more than the text. */
export interface StatementEntry {
  readonly session: SessionId
  /** Counts from 1 within the session. */
  readonly number: number
  readonly at: Instant
  readonly verbs: readonly Verb[]
  readonly decision: 'allow' | 'hold' | 'deny'
  readonly rules: readonly string[]
  readonly request?: string
  /** Whole with `record: full`, otherwise with literals replaced by `?`; secrets masked in both. */
  readonly text: string
  readonly objects: readonly string[]
  readonly rows?: number
  readonly durationMicros: number
  /** `started`: written before its end was known, and nothing was written behind it: how it ended is not known. */
  readonly outcome: 'started' | 'succeeded' | 'failed' | 'refused' | 'withdrawn' | 'cut'
  readonly sqlstate?: string
}
