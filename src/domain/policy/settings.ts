import type { TeamName } from '../ids.ts'
import { millis, parseDuration, type Millis } from '../time.ts'
import type { Scope } from './decision.ts'
import { readEscalation, type EscalationRule } from './rule.ts'
import type { SettingsBody } from './schema.ts'

/** What holds when no rule says otherwise. */
export interface Settings {
  readonly default: 'hold' | 'deny'
  readonly security: TeamName
  readonly timeout: Millis
  readonly nudge: Millis
  readonly escalate: readonly EscalationRule[]
  readonly grantAtMost: Readonly<Record<Scope, Millis>>
}

const MINUTE = 60_000

/** The one Settings document, or none, with every default filled in. */
export function readSettings(body: SettingsBody | undefined): Settings {
  const length = (text: string | undefined, otherwise: number): Millis =>
    (text === undefined ? undefined : parseDuration(text)) ?? millis(otherwise)
  return {
    default: body?.default ?? 'hold',
    security: (body?.security ?? 'security') as TeamName,
    timeout: length(body?.timeout, 15 * MINUTE),
    nudge: length(body?.nudge, 5 * MINUTE),
    escalate: body?.escalate === undefined ? [] : readEscalation(body.escalate),
    grantAtMost: {
      once: length(body?.grantAtMost?.once, 15 * MINUTE),
      session: length(body?.grantAtMost?.session, 60 * MINUTE),
      window: length(body?.grantAtMost?.window, 60 * MINUTE),
    },
  }
}
