import { isUtf8 } from 'node:buffer'
import type { Action } from '../../domain/action.ts'
import { statementDigest } from '../../domain/digest.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { LockReport, ShownParameter, Subject } from '../../domain/request/request.ts'
import { decideRun } from '../../domain/policy/run.ts'
import { readBinary } from '../../wire/postgres/binary-values.ts'
import type { Bind } from '../../wire/postgres/frontend.ts'
import type { Desk, Protocol } from './desk.ts'
import { holdForReview, Interruptible } from './hold.ts'
import type { HoldResult } from './hold.ts'
import type { Bench } from './judge.ts'
import { keepAlive } from './keep-alive.ts'
import { COUNTS_AT_ALL, mayChangeRows, notCountedBesides, whyNotCounted } from './row-count.ts'
import { maskSecrets } from './run.ts'
import { estimateOf } from './settle.ts'
import { withEstimate } from '../../app/gateway/work.ts'
import type { Work } from '../../app/gateway/work.ts'

/** One statement as the client sent it: a Query, or a Bind with the Parse that it binds. */
export interface Asked {
  readonly protocol: Protocol
  readonly text: string
  /** Parameter types that Parse declared. */
  readonly types: readonly number[]
  /** Those that the target worked out, when the client has asked it. */
  readonly described?: readonly number[] | undefined
  readonly bind: Bind | undefined
}

/** Whoever may assume a role in a session may leave it there: PostgreSQL asks who signed in. */
const LEAVES_ROLE = 'the role of the grant, which the code that is called can leave (RESET ROLE, SET ROLE)'

/** Put a statement before people and wait. Only when drained. */
export async function askPeople(
  desk: Desk,
  asked: Asked,
  work: Work,
  given: readonly Action[],
  alone: Extract<Decision, { outcome: 'hold' }>,
  bench: Bench,
): Promise<HoldResult> {
  const { app, principal, resource, session, state } = desk.of
  const run = state.run && decideRun(bench.scope, state.run, { actions: given, decision: alone }, desk.judge.context())
  const decision = run?.decision ?? alone
  if (decision.terms.reasonRequired && state.reason === undefined) {
    return {
      kind: 'refused',
      told: {
        severity: 'ERROR',
        code: '42501',
        message: 'policy asks for a reason; nothing reached the database',
        hint: "SET holdpoint.reason = '...' before the statement.",
      },
    }
  }
  const inTransaction = desk.line.inTransaction
  const wait = new Interruptible()
  desk.wait = wait
  const stop = keepAlive((bytes) => desk.write(bytes), desk.of.keepAliveMs)
  try {
    // A Parse that went ahead keeps a lock on its tables until Sync, although nothing of it ran.
    if (!inTransaction) await desk.line.rest()
    const estimate = given[0]?.facts.estimate ?? (await estimateOf(desk, work, asked))
    const locks = inTransaction ? await locksOf(desk) : undefined
    const uncapped = mayChangeRows(work) ? await whyUncapped(desk, asked, work) : 'it changes no rows'
    const capped = decision.terms.rowCap !== undefined
    const parameters = asked.bind?.values ?? []
    const format = (i: number) => asked.bind?.formats[i] ?? 0
    const subject: Subject = {
      kind: 'statement',
      text: maskSecrets(asked.text, work.classified),
      parameters: parameters.map((value, i) => shown(value, format(i), asked.types[i] || asked.described?.[i])),
      actions: withEstimate(given, estimate),
      state: state.snapshot(inTransaction),
      ...(locks === undefined ? {} : { locks }),
      ...(run === undefined ? {} : { run: run.verbs }),
      notCovered: [
        ...notCovered(work, parameters),
        ...(bench.scope.profile.access === 'ephemeral' && work.verbs.includes('exec') ? [LEAVES_ROLE] : []),
        ...(run === undefined ? [] : [`the other statements of the run (${run.verbs.join(', ')})`]),
        ...(capped && uncapped !== undefined ? [`how many rows it touches (${uncapped})`] : []),
        ...(capped && uncapped === undefined ? notCountedBesides(work, inTransaction) : []),
      ],
      ...(uncapped === undefined ? {} : { uncapped }),
    }
    const digest = statementDigest({
      resource,
      principal: principal.id,
      text: Buffer.from(asked.text),
      protocol: asked.protocol,
      parameters: parameters.map((bytes, i) => ({ format: format(i), bytes })),
      parameterTypes: asked.types,
      state: subject.state,
      ...(run === undefined ? {} : { run: run.verbs }),
    })
    if (desk.ended) return { kind: 'gone' }
    return await holdForReview({
      app,
      input: {
        session,
        principal,
        resource,
        subject,
        digest,
        decision,
        revision: bench.snapshot.revision,
        context: desk.judge.context(),
        ...(state.reason === undefined ? {} : { reason: state.reason }),
        ...(inTransaction ? { waitAtMostMs: desk.of.holdInTransactionMs } : {}),
      },
      snapshot: bench.snapshot,
      because: work.because,
      run: run?.verbs,
      besidesRun: run === undefined && state.run !== undefined,
      inTransaction,
      estimate,
      timeZone: state.timeZone,
      kind: 'statement',
      wait,
      tell: (told) => desk.tell(told),
      log: (error, what) => desk.log(error, what),
    })
  } finally {
    stop()
    desk.wait = undefined
  }
}

/** Why no number of rows can hold; undefined where it can. */
async function whyUncapped(desk: Desk, { protocol }: Asked, work: Work): Promise<string | undefined> {
  const why = whyNotCounted(work)
  const { line } = desk
  if (why !== undefined || line.status === 'failed' || (protocol === 'simple' && line.unsynced)) return why
  const rows = await line.ask(COUNTS_AT_ALL)
  return rows?.[0]?.[0] === 'on' ? undefined : 'the target does not count (track_counts is off)'
}

async function locksOf(desk: Desk): Promise<LockReport | undefined> {
  try {
    return await desk.of.control.locks(desk.of.target, desk.of.backend)
  } catch (error) {
    desk.log(error, 'the locks could not be read')
    return undefined
  }
}

/** Larger values are not put before people; the digest covers them all the same. */
const LARGEST_SHOWN = 64 * 1024

function shown(value: Buffer | null, format: number, type: number | undefined): ShownParameter {
  if (value === null) return { kind: 'null' }
  if (value.length > LARGEST_SHOWN) return { kind: 'masked', bytes: value.length }
  if (format === 0 && isUtf8(value)) return { kind: 'text', text: value.toString('utf8') }
  const hex = value.toString('hex')
  const reads = type === undefined || format === 0 ? undefined : readBinary(type, value)
  return reads === undefined ? { kind: 'binary', hex } : { kind: 'binary', hex, reads }
}

function notCovered(work: Work, parameters: readonly (Buffer | null)[]): string[] {
  const told = work.copies ? ['the rows that COPY FROM STDIN will send'] : []
  const large = parameters.flatMap((value, i) => (value !== null && value.length > LARGEST_SHOWN ? [`$${i + 1}`] : []))
  return large.length === 0
    ? told
    : [...told, `too large to be shown: ${large.join(', ')} (the digest covers it all the same)`]
}
