import type { GatewayApp } from '../../app/ports/gateway.ts'
import { ROLLED_BACK } from '../../domain/grant/grant.ts'
import type { SessionId } from '../../domain/ids.ts'
import type { Touched } from '../../domain/request/divergence.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { StatementEntry } from '../../domain/session/session.ts'
import type { Classified } from '../../classify/postgres/shape.ts'
import type { Leave } from './hold.ts'
import type { Verb } from '../../domain/verb.ts'
import { commitsByItself, endsTransactions } from './row-count.ts'
import type { RowGate, RunListener } from './target-line.ts'
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
  readonly #over: (run: Run, succeeded: boolean) => void
  #rows: number | undefined
  #done = false
  #durationMicros: number | undefined
  /** By object, where it was counted. */
  touched: readonly Touched[] | undefined
  /** Bounds its rows. */
  gate: RowGate | undefined
  /** It returned more rows than a read may: an export, under this grant if it needs one. */
  #export: { readonly leave: Leave | undefined } | undefined
  /** It touched more than was agreed, and is rolled back. */
  overCap = false
  /** Its execution was asked for: what was only bound has been planned and no more. */
  executed = false

  #announced = false
  /** Its portal has given a part of its rows, and the next was not asked for. */
  #suspended = false
  #result: { readonly outcome: 'succeeded' | 'failed'; readonly sqlstate?: string } | undefined

  /** `over` is called once, when the target has answered or nobody waits for it any more. */
  constructor(app: GatewayApp, of: RunOf, over: (run: Run, succeeded: boolean) => void) {
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

  /** A line before its end is known: what reads of it alone has not ended as far as anybody knows. */
  announce(): void {
    if (this.#done || this.#announced || !this.executed) return
    this.#announced = true
    record(this.#app, this.#of, this.#at, 0, 'started')
  }

  rows(count: number): void {
    this.#rows = (this.#rows ?? 0) + count
  }
  ended(how: 'succeeded' | 'failed' | 'suspended', sqlstate?: string): void {
    this.#suspended = how === 'suspended'
    if (how !== 'suspended') this.finish(how, sqlstate)
  }

  becameExport(leave: Leave | undefined): void {
    this.#export = { leave }
  }

  /** A COMMIT: portals are gone, and what they had done by then is kept. */
  committed(): void {
    if (this.#suspended) this.letGo()
  }
  /** Its portal is gone. What it had done by then stands; what was never executed has not succeeded. */
  letGo(): void {
    if (this.executed) this.finish('succeeded')
    else this.finish('failed', NEVER_EXECUTED)
  }

  /** The statement is over, whatever becomes of its transaction. Only the first call counts. */
  finish(outcome: 'succeeded' | 'failed' | 'cut' | 'refused', sqlstate?: string): void {
    if (this.#done) return
    this.#done = true
    this.#durationMicros = Math.round((performance.now() - this.#began) * 1000)
    const { work, leave } = this.#of
    const exported = this.#export && {
      work: { ...work, verbs: [...new Set<Verb>([...work.verbs, 'export'])].sort() },
      leave: this.#export.leave ?? leave,
    }
    record(
      this.#app,
      exported === undefined ? this.#of : { ...this.#of, ...exported },
      this.#at,
      this.#durationMicros,
      outcome,
      this.#rows,
      sqlstate,
    )
    // Cut while it ran: nobody knows whether the target did it, and the end of the session says so.
    if (outcome === 'succeeded' || outcome === 'failed')
      this.#result = { outcome, ...(sqlstate === undefined ? {} : { sqlstate }) }
    this.#over(this, outcome === 'succeeded')
  }

  /**
   * The transaction is over, too: the end of the execution is told, and with it the grant of a single run has done its
   * work. Never rejects.
   */
  settle(kept: Kept): Promise<void> {
    const { leave } = this.#of
    if (leave?.once !== true || this.#result === undefined) return Promise.resolve()
    const undone = kept !== true && this.#result.outcome === 'succeeded'
    const lost =
      kept === false ? { outcome: 'failed' as const, sqlstate: ROLLED_BACK } : { outcome: 'unknown' as const }
    const end = undone ? lost : this.#result
    const result = {
      ...end,
      ...(this.#rows === undefined ? {} : { rows: this.#rows }),
      ...(this.#durationMicros === undefined ? {} : { durationMicros: this.#durationMicros }),
      ...(this.touched === undefined ? {} : { touched: this.touched }),
      ...(this.overCap ? { overCap: true as const } : {}),
      ...(this.#mayStandInPart(end, undone) ? { partly: true as const } : {}),
    }
    this.#result = undefined
    // A grant whose end cannot be recorded ends with its session, or at its time.
    return this.#app.finish(leave.request, result).catch(() => undefined)
  }

  #mayStandInPart({ outcome, sqlstate }: { readonly outcome: string; readonly sqlstate?: string }, undone: boolean) {
    const { work } = this.#of
    if (outcome !== 'failed' || sqlstate === NEVER_EXECUTED) return false
    return undone ? commitsByItself(work) : endsTransactions(work)
  }
}

/** What became of a run that succeeded: its transaction kept it (true) or took it back; undefined where nobody knows. */
export type Kept = boolean | undefined

/** query_canceled: approved and bound, and then the client let it be. */
const NEVER_EXECUTED = '57014'

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
