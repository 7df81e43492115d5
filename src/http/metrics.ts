import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What the store counts when a scrape asks. */
export interface Gauges {
  readonly pendingRequests: number
  readonly openSessions: number
  /** Grants whose end the target has not confirmed in time. */
  readonly overdueGrants: number
  /** Roles on targets that no grant stands for, and nobody has said why. */
  readonly leftovers: number
  /** Dead letters: what was to be done later, failed each time, and waits for somebody to look. */
  readonly failedJobs: number
  /** What should have been done a minute ago, and nobody has taken. */
  readonly lateJobs: number
  /** Lines of the statement record that were dropped since the start, because the store was away. */
  readonly lostStatements: number
  /** Of the newest checkpoint of the ledger. */
  readonly ledgerSize: number
  /** How long the oldest entry that no checkpoint covers has waited, in seconds. */
  readonly ledgerUnsigned: number
  /** How long the witness that is furthest behind has signed nothing newer, in seconds; only once it is late. */
  readonly ledgerUnwitnessed: number
}

export interface HttpMetrics {
  /** `operation` is an operation id or `page`, never a path. */
  answered(operation: string, method: string, status: number, seconds: number): void
  streams(open: number): void
  /** Prometheus text format. A gauge that cannot be read is left out, never zero. */
  text(): Promise<{ readonly type: string; readonly body: string }>
}

/**
 * The metrics of one server. Labels are closed sets: no names of people, resources or paths.
 * @param registry another part's metrics may stand in it too.
 */
export function createMetrics(
  version: string,
  gauges: (() => Promise<Gauges>) | undefined,
  registry: Registry = new Registry(),
): HttpMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'holdpoint_http_requests_total',
    help: 'Requests answered by the API',
    labelNames: ['operation', 'method', 'status'],
    registers,
  })
  const duration = new Histogram({
    name: 'holdpoint_http_request_duration_seconds',
    help: 'From the whole head received to the answer begun',
    labelNames: ['operation'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const streams = new Gauge({ name: 'holdpoint_http_event_streams', help: 'Open event streams', registers })
  new Gauge({ name: 'holdpoint_build_info', help: 'Always 1', labelNames: ['version', 'node'], registers }).set(
    { version, node: process.versions.node },
    1,
  )
  const counted = {
    pendingRequests: new Gauge({
      name: 'holdpoint_pending_requests',
      help: 'Requests that wait for people',
      registers,
    }),
    openSessions: new Gauge({ name: 'holdpoint_open_sessions', help: 'Open sessions through the gateways', registers }),
    overdueGrants: new Gauge({
      name: 'holdpoint_overdue_grants',
      help: 'Grants that should have ended and are not confirmed gone from their target',
      registers,
    }),
    leftovers: new Gauge({
      name: 'holdpoint_leftovers',
      help: 'Roles on targets that no grant stands for and that nobody ignores: hp leftovers',
      registers,
    }),
    failedJobs: new Gauge({
      name: 'holdpoint_failed_jobs',
      help: 'Dead letters: deliveries and steps that failed each time: hp jobs --failed',
      registers,
    }),
    lateJobs: new Gauge({
      name: 'holdpoint_late_jobs',
      help: 'Work that should have been done a minute ago and that nobody has taken',
      registers,
    }),
    lostStatements: new Gauge({
      name: 'holdpoint_lost_statements',
      help: 'Lines of the statement record that could not be kept, since this process started',
      registers,
    }),
    ledgerSize: new Gauge({
      name: 'holdpoint_ledger_size',
      help: 'Entries that the newest checkpoint of the ledger covers',
      registers,
    }),
    ledgerUnsigned: new Gauge({
      name: 'holdpoint_ledger_unsigned_seconds',
      help: 'How long the oldest entry that no checkpoint covers has waited; above 5 nothing that is held can run',
      registers,
    }),
    ledgerUnwitnessed: new Gauge({
      name: 'holdpoint_ledger_unwitnessed_seconds',
      help: 'How long a witness has signed nothing of the ledger though there was something new; 0 while none is late',
      registers,
    }),
  }

  return {
    answered(operation, method, status, seconds) {
      requests.inc({ operation, method, status: String(status) })
      duration.observe({ operation }, seconds)
    },
    streams: (open) => streams.set(open),
    async text() {
      const now = await gauges?.().catch(() => undefined)
      for (const [name, gauge] of Object.entries(counted)) {
        const value = now?.[name as keyof Gauges]
        if (value === undefined) gauge.remove()
        else gauge.set(value)
      }
      return { type: registry.contentType, body: await registry.metrics() }
    },
  }
}
