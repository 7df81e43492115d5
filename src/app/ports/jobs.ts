import type { RequestId } from '../../domain/ids.ts'
import type { Instant } from '../../domain/time.ts'

/**
 * Work that is done later, by any replica, at least once: whoever does it asks the store what is true now and changes
 * it only if it still is. Never the only guard of a deadline; the reconciler does what a lost job should have done.
 * INVARIANT: no secret and nothing that a person wrote is in a job: it is kept, and shown to administrators.
 */
export type Job =
  /** Look at what is due of a pending request: a reminder, an escalation, its end. */
  | { readonly queue: 'request-step'; readonly data: { readonly request: RequestId } }
  /** Tell one webhook of one event. */
  | { readonly queue: 'delivery'; readonly data: Delivery }
export type QueueName = Job['queue']
export const QUEUES = ['request-step', 'delivery'] as const satisfies readonly QueueName[]

/** What a webhook is told: structural facts, never a text or a reason. */
export interface Delivery {
  readonly webhook: string
  /** The same at every attempt: receivers know by it what they have had. */
  readonly event: string
  /** `request.opened` */
  readonly type: string
  readonly at: Instant
  /** What the event is about: `request/HP-7`. */
  readonly subject: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** Enqueues in the transaction that causes the work: both are there, or neither. */
export interface JobQueue {
  /** @param at when to begin; now when left out. */
  enqueue(jobs: readonly (Job & { readonly at?: Instant })[]): Promise<void>
}

export type JobState = 'waiting' | 'running' | 'retrying' | 'done' | 'failed'

/** A job as it is shown. `failed` ones are dead letters: nobody tries them again unless somebody asks. */
export interface JobView {
  readonly id: string
  readonly queue: QueueName
  readonly state: JobState
  /** What it is about: `HP-7`, `https://hooks.example.com request.opened`. */
  readonly about: string
  readonly attempts: number
  readonly createdAt: Instant
  /** When it is tried (again). */
  readonly dueAt: Instant
  readonly endedAt?: Instant
  /** Why the last attempt failed, in one line. */
  readonly error?: string
}

/** What administrators see of the queues. */
export interface JobBoard {
  /** Newest first. */
  list(query: {
    readonly state?: JobState
    readonly queue?: QueueName
    readonly webhook?: string
    readonly limit: number
  }): Promise<readonly JobView[]>
  /** By its id, or by the first eight or more of it where only one begins so. */
  find(id: string): Promise<JobView | undefined>
  /** One more attempt at a failed job, now. False when it is not failed (any more). */
  retry(id: string): Promise<boolean>
  /** How many are failed, and how many should have been done a while ago. */
  counts(): Promise<{ readonly failed: number; readonly late: number }>
}
