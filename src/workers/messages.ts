/** What the server tells one of its gateway processes. Goes through a pipe that only the two have; never through argv. */
export type ToWorker =
  | ({ readonly kind: 'start' } & StartOrder)
  /** A CancelRequest that reached another worker. */
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: Uint8Array }
  /** Take nothing new, and let what is open come to its end for so long, in ms. */
  | { readonly kind: 'drain'; readonly withinMs: number }
  | { readonly kind: 'stop' }

export interface StartOrder {
  /** Counts from 0. */
  readonly worker: number
  readonly databaseUrl: string
  readonly dataDir: string
  readonly baseUrl: string
  readonly host: string
  readonly port: number
  /** Others listen on the same port. */
  readonly reusePort: boolean
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string }
  readonly logLevel: string
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string; readonly code?: string }
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: Uint8Array }
  /** Nothing is open any more, or the time was up. */
  | { readonly kind: 'drained' }
  | ({ readonly kind: 'counts' } & Counts)

/** How often a worker that listens says so, with its counts. In ms. */
export const COUNTS_MS = 1_000

export interface Counts {
  /** Open client connections. */
  readonly connections: number
  /** Statements that could not be recorded since its start. */
  readonly lost: number
}
