/** Figures by their name. Null where a program is missing or the part was not asked for and had to be there. */
export type Figures = Map<string, number | null>

export const MODES = ['simple', 'extended', 'prepared'] as const
export type Mode = (typeof MODES)[number]
export const CLIENTS = [1, 8, 32] as const
const RATIOS = ['vs_direct', 'vs_pgbouncer', 'cpu_vs_pgbouncer'] as const

export const COPY_RATIOS = ['vs_direct', 'vs_pgbouncer'] as const

export const RULE_COUNTS = [100, 1_000, 10_000] as const

/** Every figure there is, in the order it is printed. */
export const KEYS: readonly string[] = [
  ...MODES.flatMap((mode) => CLIENTS.flatMap((n) => RATIOS.map((ratio) => `gateway.${mode}.${n}.${ratio}`))),
  'gateway.prepared.1.added_p50_us',
  ...COPY_RATIOS.map((ratio) => `gateway.copy_out.${ratio}`),
  'gateway.tls.prepared.8.vs_pgbouncer_tls',
  'gateway.hold_beside.vs_alone',
  ...RULE_COUNTS.map((n) => `decide.${n}.p50_us`),
  'ledger.appends_per_s',
  'ledger.vs_no_ledger',
  'ledger.verify_1m_s',
  'release.approve_to_forward.p99_ms',
  'lapse.expiry_to_cut.p99_ms',
  'removal.revoke_to_gone.p99_ms',
  'takeover.after_kill_ms',
  'start.cold_ms',
  'start.warm_ms',
  'memory.idle1000_mib',
]

/** The value below which `share` of the samples lie (nearest rank). */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new Error('no samples')
  return value
}
export const median = (samples: readonly number[]): number => percentile(samples, 0.5)

/** Three significant digits are more than a repeat would confirm. */
export const rounded = (value: number): number => Number(value.toPrecision(3))
