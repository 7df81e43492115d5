import type { Action } from '../../domain/action.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import { NOTHING } from '../../app/gateway/work.ts'
import type { Work } from '../../app/gateway/work.ts'
import type { Desk } from './desk.ts'
import type { Leave } from './hold.ts'
import type { Run } from './run.ts'
import type { RowGate } from './target-line.ts'
import { failure, tooManyRows } from './told.ts'

/** Rows that were passed on: of one run, or of all FETCHes of one cursor. */
interface Counter {
  used: number
}

/** `DECLARE name CURSOR`, `CLOSE name`: plain, or quoted without a quote in it. Undefined where a comment may stand in between. */
const DECLARED = /^\s*declare\s+(?:"([^"]+)"|([a-z_][a-z0-9_$]*))\s/i
const CLOSED = /^\s*close\s+(?:"([^"]+)"|([a-z_][a-z0-9_$]*))\s*;?\s*$/i
function nameIn(text: string, where: RegExp): string | undefined {
  const found = /--|\/\*|U&/i.test(text) ? undefined : where.exec(text)
  return found?.[1] ?? found?.[2]?.toLowerCase()
}

/** What a run adds to, and has to say once the target has answered it. */
interface Counted {
  readonly counter?: Counter
  readonly over?: (succeeded: boolean) => void
}

/**
 * The rows that each open cursor has given so far, so that many small FETCHes are one read. A text that fetches from
 * several has one count for all of them until its transaction is over.
 */
export class CursorCounts {
  readonly #byName = new Map<string, Counter>()

  of(text: string, work: Work): Counted {
    if (work.effects.some((effect) => effect.kind === 'resumes')) return { counter: this.#fetched(work) }
    const tags = work.actions[0]?.facts.sql?.statements ?? []
    if (tags.includes('DECLARE CURSOR')) return this.#declared(nameIn(text, DECLARED))
    const closed = tags[0]?.startsWith('CLOSE') === true ? nameIn(text, CLOSED) : undefined
    return closed === undefined ? {} : { over: (succeeded) => void (succeeded && this.#byName.delete(closed)) }
  }
  transactionOver(): void {
    if (this.#byName.size > 0) this.#byName.delete('')
  }

  #fetched({ effects }: Work): Counter {
    const names = new Set(effects.flatMap((effect) => (effect.kind === 'resumes' ? (effect.name ?? []) : [])))
    const [name = ''] = names.size === 1 ? names : []
    let counter = this.#byName.get(name)
    if (counter === undefined) this.#byName.set(name, (counter = { used: 0 }))
    return counter
  }

  /** Another cursor of this name begins anew; where there was none to be made, the old one is still there. */
  #declared(name: string | undefined): Counted {
    const before = name === undefined ? undefined : this.#byName.get(name)
    if (name === undefined || before === undefined) return {}
    const fresh: Counter = { used: 0 }
    this.#byName.set(name, fresh)
    return { over: (succeeded) => void (succeeded || (fresh.used += before.used)) }
  }
}

/** The gate of one run that may return so many rows. */
export class RowLimit implements RowGate {
  readonly most: number
  readonly #counter: Counter
  readonly #reached: () => void
  #through = false
  /** Rows of this run that were passed on. */
  passed = 0

  constructor(most: number, counter: Counter | undefined, reached: () => void) {
    this.most = most
    this.#counter = counter ?? { used: 0 }
    this.#reached = reached
  }
  takes(): boolean {
    if (!this.#through && this.#counter.used >= this.most) return false
    this.#counter.used += 1
    this.passed += 1
    return true
  }
  reached(): void {
    this.#reached()
  }
  /** It goes on without a limit. */
  open(): void {
    this.#through = true
  }
}

type Judged =
  | { readonly kind: 'go'; readonly leave: Leave | undefined }
  | { readonly kind: 'stop'; readonly told: Told }

/** The row behind the last that a read may return: it is an export from here on, decided as one. */
export async function judgeExport(desk: Desk, run: Run, text: string, work: Work, most: number): Promise<Judged> {
  const { app, principal, resource, session, state } = desk.of
  const { judge } = desk
  const stop = (told: Told): Judged => ({ kind: 'stop', told })
  const bench = judge.bench()
  if (bench === undefined) return stop(failure('policy could not be read; nothing passes until it can'))
  const { revision } = bench.snapshot
  const actions: readonly Action[] = work.actions.map((action) => ({ ...action, verb: 'export' }))
  const decision: Decision = judge.decide(actions, bench) ?? NOTHING
  if (decision.outcome === 'deny') {
    app.refused({ session, principal, resource, actions, decision, revision })
    return stop(tooManyRows(most, resource, decision))
  }
  try {
    if (decision.outcome === 'allow') {
      if (decision.waived.length > 0) await app.waived({ session, principal, resource, actions, decision, revision })
      return { kind: 'go', leave: undefined }
    }
    const covered = await app.covered({
      session,
      principal,
      resource,
      subject: {
        kind: 'statement',
        text,
        parameters: [],
        actions,
        state: state.snapshot(desk.line.inTransaction),
        notCovered: [],
      },
      digest: '' as never,
      decision,
      revision,
      context: judge.context(),
    })
    if (covered === undefined) {
      app.refused({ session, principal, resource, actions, decision, revision })
      return stop(tooManyRows(most, resource, decision))
    }
    const leave = { request: covered.request, expiresAt: covered.expiresAt, once: false, single: false }
    desk.grants.use(run, leave)
    return { kind: 'go', leave }
  } catch (error) {
    desk.log(error, 'an export could not be decided')
    return stop(failure('whether more rows may be returned could not be asked'))
  }
}

/**
 * Decide what stands at its limit, and let it go on or end it. Nothing of the target's is read meanwhile.
 * @param alone nothing else of the client's is being handled: the end may be held back until the transaction has failed.
 */
export async function atLimit(
  desk: Desk,
  run: Run,
  text: string,
  work: Work,
  limit: RowLimit,
  alone: boolean,
): Promise<void> {
  const { line, out } = desk
  const judged = await judgeExport(desk, run, text, work, limit.most)
  if (desk.ended) return
  if (judged.kind === 'go') {
    run.becameExport(judged.leave)
    limit.open()
    line.proceed()
    return
  }
  const { told } = judged
  run.becameExport(undefined)
  run.rows(limit.passed)
  run.finish('refused', told.code)
  out.add(encodeTold(told))
  out.flush()
  const stopped = line.stop(alone)
  // Where more of the client's stands behind it, a cancel could come late and hit that: what is left is swallowed.
  const may = alone && stopped !== 'shown'
  // It may be done before the cancel arrives; then, too, what is left of it is swallowed to its end.
  const cancelled = may
    ? desk.of.cancelTarget().catch((error: unknown) => desk.log(error, 'a cancel could not be sent'))
    : undefined
  line.proceed()
  await cancelled
  if (!may) return
  await line.drain()
  if (desk.ended) return
  // INVARIANT: the client read an error, so its transaction has failed: where the cancel came too late, by this.
  if (line.inTransaction && line.status !== 'failed' && !line.skipping) await line.failQuietly(stopped === 'held')
  if (stopped === 'held' && !desk.ended) out.add(encodeReady(line.status))
  out.flush()
}
