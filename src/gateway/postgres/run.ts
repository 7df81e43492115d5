import type { GatewayApp } from '../../app/ports/gateway.ts'
import type { SessionId } from '../../domain/ids.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { StatementEntry } from '../../domain/session/session.ts'
import type { Classified } from '../../classify/postgres/shape.ts'
import type { Leave } from './hold.ts'
import type { RunListener } from './target-line.ts'
import type { Work } from '../../app/gateway/work.ts'

/** The text as people may see it: literals that are secrets replaced. Ranges are UTF-8 bytes of `text`. */
export function maskSecrets(text: string, classified: Classified): string {
  if (classified.kind !== 'statements' || classified.secrets.length === 0) return text
  const bytes = Buffer.from(text)
  const parts: Buffer[] = []
  let at = 0
  for (const { start, end } of [...classified.secrets].sort((a, b) => a.start - b.start)) {
    if (start < at) continue
    parts.push(bytes.subarray(at, start), Buffer.from("'***'"))
    at = end
  }
  return Buffer.concat([...parts, bytes.subarray(at)]).toString('utf8')
}

/** What the statement record keeps of a text. */
export function recordedText(text: string, classified: Classified, recording: Decision['recording']): string {
  if (classified.kind !== 'statements') return `(${Buffer.byteLength(text)} bytes that could not be classified)`
  return recording === 'full' ? maskSecrets(text, classified) : classified.normalised
}

export interface RunOf {
  readonly session: SessionId
  readonly number: number
  readonly text: string
  readonly work: Work
  readonly decision: Decision
  /** Set when it runs under a review. */
  readonly leave: Leave | undefined
}

/** One run of one client message on the target, from the forwarded bytes to its line in the statement record. */
export class Run implements RunListener {
  readonly #app: GatewayApp
  readonly #of: RunOf
  readonly #at
  readonly #began = performance.now()
  readonly #over: (run: Run, failed: boolean) => void
  #rows: number | undefined
  #done = false

  /** `over` is called once, when the target has answered or nobody waits for it any more. */
  constructor(app: GatewayApp, of: RunOf, over: (run: Run, failed: boolean) => void) {
    this.#app = app
    this.#of = of
    this.#at = app.now()
    this.#over = over
  }

  get isOver(): boolean {
    return this.#done
  }
  get leave(): Leave | undefined {
    return this.#of.leave
  }

  rows(count: number): void {
    this.#rows = (this.#rows ?? 0) + count
  }
  ended(how: 'succeeded' | 'failed' | 'suspended', sqlstate?: string): void {
    if (how !== 'suspended') this.finish(how, sqlstate)
  }

  /** Only the first call counts. */
  finish(outcome: 'succeeded' | 'failed' | 'cut', sqlstate?: string): void {
    if (this.#done) return
    this.#done = true
    const { leave } = this.#of
    record(
      this.#app,
      this.#of,
      this.#at,
      Math.round((performance.now() - this.#began) * 1000),
      outcome,
      this.#rows,
      sqlstate,
    )
    // Cut while it ran: nobody knows whether the target did it, and the end of the session says so.
    if (leave?.once === true && outcome !== 'cut') {
      const result = {
        outcome,
        ...(this.#rows === undefined ? {} : { rows: this.#rows }),
        ...(sqlstate === undefined ? {} : { sqlstate }),
      }
      // Not waited for: a grant whose end cannot be recorded ends with its session, or at its time.
      void this.#app.finish(leave.request, result).catch(() => undefined)
    }
    this.#over(this, outcome !== 'succeeded')
  }
}

/** A line in the statement record, for what ran and for what did not. */
export function record(
  app: GatewayApp,
  of: RunOf,
  at: StatementEntry['at'],
  durationMicros: number,
  outcome: StatementEntry['outcome'],
  rows?: number,
  sqlstate?: string,
): void {
  const { decision, leave } = of
  app.record({
    session: of.session,
    number: of.number,
    at,
    verbs: of.work.verbs,
    decision: leave === undefined ? decision.outcome : 'hold',
    rules: decision.rules,
    text: recordedText(of.text, of.work.classified, decision.recording),
    objects: of.work.objects,
    durationMicros,
    outcome,
    ...(leave === undefined ? {} : { request: leave.request }),
    ...(rows === undefined ? {} : { rows }),
    ...(sqlstate === undefined ? {} : { sqlstate }),
  })
}
