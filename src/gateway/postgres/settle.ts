import type { SessionEffect } from '../../classify/postgres/shape.ts'
import type { Action, Estimate } from '../../domain/action.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Verb } from '../../domain/verb.ts'
import { encodeReady } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { Asked } from './ask-people.ts'
import { askPeople } from './ask-people.ts'
import type { Cleared, Desk } from './desk.ts'
import { policyBack } from './policy-back.ts'
import { record } from './run.ts'
import { readJson, STATE_QUERY } from './target-state.ts'
import { failure, notice, notUnderstood, refusedByPolicy, roughly } from './told.ts'
import { NOTHING, weigh } from '../../app/gateway/work.ts'
import { whyNoRole } from '../../app/roles/why-no-role.ts'
import type { Work } from '../../app/gateway/work.ts'

export type Verdict =
  | ({ readonly kind: 'go' } & Cleared)
  | { readonly kind: 'refused'; readonly told: Told }
  /** The target's own error was passed on. */
  | { readonly kind: 'answered' }
  /** Skipped by the target, or nobody is there to answer. */
  | { readonly kind: 'gone' }

const GONE: Verdict = { kind: 'gone' }
export const SYNC_FIRST = 'a simple query inside a pipeline is not understood here; send Sync first'

/** People could agree, and nothing could be made that may do it. */
const NO_ROLE: ReadonlySet<Verb> = new Set<Verb>(['admin', 'unknown'])

const END_FIRST =
  'what stands behind the end of a transaction that changed what names mean is not understood here; send the end by itself'

/** Ways to end a transaction or a part of it, and with it what was set inside; or to run what was begun inside. */
const ENDS: ReadonlySet<SessionEffect['kind']> = new Set(['commit', 'rollback', 'rollback_to', 'resumes'])

/** Whether a text ends a transaction and then goes on with names, which may mean again what they meant before it. */
function goesOnBehindEnd({ classified }: Work): boolean {
  if (classified.kind !== 'statements') return false
  const at = classified.statements.findIndex(({ effect }) => ENDS.has(effect.kind))
  const behind = at < 0 ? [] : classified.statements.slice(at + 1)
  return behind.some(({ effect, verbs }) => effect.kind === 'execute' || verbs.some((verb) => verb !== 'connect'))
}

const EXECUTE_IT = 'FETCH from a portal that Bind made is not understood here; send Execute'

/** It would run what was decided at Bind past all that watches an Execute. */
const fetchesBound = (desk: Desk, { effects }: Work): boolean =>
  effects.some((effect) => effect.kind === 'resumes' && effect.name !== undefined && desk.bound(effect.name))

/**
 * The way of what policy plainly allows: no waiting, no store. Undefined for everything else.
 * @param named a statement that is bound by its name.
 */
export function clearAtOnce(desk: Desk, text: string, types?: readonly number[], named = false): Cleared | undefined {
  const { judge } = desk
  const { state } = desk.of
  const work = judge.work(text, types)
  // What the classifier could not take, or not at once, goes the long way.
  if (work.refused !== undefined || work.classified.kind !== 'statements' || fetchesBound(desk, work)) return undefined
  // INVARIANT: where the session has to be looked at, even a harmless text may not be what its name means by now: half
  // of a text that failed, or a function, may have prepared another under it.
  if (state.ownIsOld) state.catalogueStale = true
  if ((state.stale || state.catalogueStale) && (named || !work.steers)) return undefined
  if (state.unsettled && goesOnBehindEnd(work)) return undefined
  // A name may be about to mean something else: what was sent must be answered first.
  if (!desk.line.quiet && (state.unsettled || work.effects.some((effect) => effect.kind === 'execute')))
    return undefined
  const bench = judge.bench()
  if (bench === undefined || judge.needsEstimate(work, bench)) return undefined
  const decision = judge.decide(work.actions, bench) ?? NOTHING
  return decision.outcome === 'allow' && decision.waived.length === 0 ? { work, decision, leave: undefined } : undefined
}

/**
 * The way of everything else: drain, so that the target's transaction is known and whatever is said stands at its
 * place; look again where something may have changed; decide; ask people; and decide again when something changed
 * while they thought about it.
 */
export async function settle(desk: Desk, asked: Asked): Promise<Verdict> {
  const { judge, line } = desk
  const { app, state, principal, resource, session } = desk.of
  await line.drain()
  if (desk.ended || line.skipping) return GONE
  // What had to wait for an answer alone may need nothing else: a question would make a pipeline of it.
  const plain = clearAtOnce(desk, asked.text, asked.types, isNamed(asked))
  if (plain !== undefined) return { kind: 'go', ...plain }
  for (let why: string | undefined; ;) {
    // A pipeline that ran something in a transaction that had failed has ended it: nothing else runs there.
    const failed = line.status === 'failed' && !line.executed
    const mustLook = (state.stale || state.catalogueStale) && !failed
    // A question inside an open pipeline makes it a transaction block, which a simple query then does not end.
    if (mustLook && asked.protocol === 'simple' && line.unsynced) return refused(notUnderstood(SYNC_FIRST))
    if (mustLook && !(await look(desk))) {
      return desk.ended ? GONE : refused(failure('the state of the session could not be read'))
    }
    const work = await judge.workLater(asked.text, asked.types)
    if (desk.ended) return GONE
    const recorded = (decision: Decision, outcome: 'refused' | 'withdrawn', sqlstate: string) => {
      const of = { session, number: judge.ran + 1, text: asked.text, work, decision, leave: undefined }
      record(app, of, app.now(), 0, outcome, undefined, sqlstate)
    }
    const taken = work.refused ?? (fetchesBound(desk, work) ? EXECUTE_IT : undefined)
    if (taken !== undefined) {
      recorded(NOTHING, 'refused', '0A000')
      return refused(notUnderstood(taken))
    }
    if (state.unsettled && goesOnBehindEnd(work)) {
      recorded(NOTHING, 'refused', '0A000')
      return refused(notUnderstood(END_FIRST))
    }
    if (work.syntaxError && asked.protocol === 'simple' && !line.unsynced) {
      const error = await line.refuses(asked.text)
      if (desk.ended) return GONE
      if (error !== undefined) {
        desk.out.add(error)
        desk.out.add(encodeReady(line.status))
        return { kind: 'answered' }
      }
    }
    const bench = await policyBack(
      () => judge.bench(),
      () => desk.ended,
    )
    if (desk.ended) return GONE
    if (bench === undefined) return refused(failure('policy could not be read; nothing passes until it can'))
    const { actions, decision } = await weigh(
      work,
      bench.scope,
      () => judge.context(),
      () => estimateOf(desk, work, asked),
    )
    if (decision.outcome === 'deny') {
      app.refused({ session, principal, resource, actions, decision, revision: bench.snapshot.revision })
      recorded(decision, 'refused', '42501')
      return refused(refusedByPolicy(decision))
    }
    const { access } = bench.scope.profile
    if (decision.outcome === 'hold' && access === 'ephemeral' && work.verbs.some((verb) => NO_ROLE.has(verb))) {
      recorded(decision, 'refused', '42501')
      return refused({ severity: 'ERROR', code: '42501', message: `${resource}: ${whyNoRole(work.verbs)}` })
    }
    if (decision.outcome === 'allow') {
      if (decision.waived.length > 0 && !(await waive(desk, actions, decision, bench.snapshot.revision))) {
        return refused(failure('the exception could not be recorded'))
      }
      return desk.ended ? GONE : { kind: 'go', work, decision, leave: undefined }
    }
    if (state.unsure && line.status !== 'failed') {
      // What people are shown is what the session is: look before, and decide again by what was seen.
      if (asked.protocol === 'simple' && line.unsynced) return refused(notUnderstood(SYNC_FIRST))
      if (!(await look(desk))) return desk.ended ? GONE : refused(failure('the state of the session could not be read'))
      continue
    }
    if (why !== undefined) desk.tell(notice(`${why}; asking again`))
    const result = await askPeople(desk, asked, work, actions, decision, bench)
    if (desk.ended || result.kind === 'gone') return GONE
    if (result.kind === 'go') return { kind: 'go', work, decision, leave: result.leave }
    if (result.kind === 'refused') {
      recorded(decision, result.told.code === '57014' ? 'withdrawn' : 'refused', result.told.code)
      return refused(result.told)
    }
    why = result.why
  }
}

const refused = (told: Told): Verdict => ({ kind: 'refused', told })
const isNamed = ({ bind }: Asked): boolean => bind !== undefined && bind.statement !== ''

/** An allow that waives holds is an exception: recorded before anything runs, and never silent. */
async function waive(
  desk: Desk,
  actions: readonly Action[],
  decision: Extract<Decision, { outcome: 'allow' }>,
  revision: Parameters<Desk['of']['app']['waived']>[0]['revision'],
): Promise<boolean> {
  const { app, principal, resource, session } = desk.of
  try {
    await app.waived({ session, principal, resource, actions, decision, revision })
  } catch (error) {
    desk.log(error, 'an exception could not be recorded')
    return false
  }
  const review = decision.reviewAfter === undefined ? '' : ` Review due in ${roughly(decision.reviewAfter)}.`
  const waived = `AUTO-APPROVED by ${decision.rules.join(', ')}, which waives ${decision.waived.join(', ')}.`
  desk.tell(notice(`${waived} Recorded.${review}`))
  return true
}

/** Read the session's state again, and have the catalogue looked at. False when it could not be had. */
async function look(desk: Desk): Promise<boolean> {
  const { state, watch } = desk.of
  if (state.catalogueStale && desk.line.inTransaction && state.changedInside) {
    if (!(await lookInside(desk))) return false
  } else if (state.catalogueStale) {
    try {
      await watch?.refresh()
    } catch (error) {
      desk.log(error, 'the catalogue of the target could not be read')
      return false
    }
    state.catalogueStale = false
    state.catalogueOpen = false
    state.ownCatalogue = undefined
  }
  const rows = await desk.line.ask(STATE_QUERY)
  const row = rows?.[0]
  if (!state.read(row, desk.line.inTransaction)) return false
  const listed = readJson(row?.[8] ?? '')
  if (!Array.isArray(listed)) return false
  const pairs = listed.filter((pair): pair is [string, string] => Array.isArray(pair))
  desk.prepared.reconcile(pairs, desk.kept)
  return state.report('client_encoding', state.encoding) === undefined && state.standardConformingStrings
}

/**
 * The catalogue in a transaction that may have changed it, which no other connection sees: over the session's own line,
 * where nothing gives the questions another meaning. False when the session could not be asked.
 */
async function lookInside(desk: Desk): Promise<boolean> {
  const { state, watch } = desk.of
  const { line } = desk
  // A savepoint needs a transaction block.
  if (watch?.within === undefined || line.status !== 'open' || line.unsynced) {
    state.sawInside(undefined)
    state.catalogueStale = true
    return true
  }
  try {
    const seen = await watch.within((sql) => line.ask(sql), state.ownCatalogue)
    state.sawInside(seen === 'same' ? undefined : seen)
    if (seen === 'same') state.catalogueOpen = false
    return true
  } catch (error) {
    desk.log(error, 'the catalogue could not be read in a transaction')
    state.sawInside(undefined)
    state.catalogueStale = true
    // Where the savepoint was not left behind, nothing of the session is known any more.
    return line.status === 'open'
  }
}

/** The planner's guess, on a connection of Holdpoint's own; never for what may run code when it is planned (61c). */
export async function estimateOf(desk: Desk, work: Work, asked: Asked): Promise<Estimate | undefined> {
  const { control, target, database, state } = desk.of
  if (!work.estimable) return undefined
  const { bind, types } = asked
  const bound = bind && {
    types,
    values: bind.values.map((bytes, i) => ({ bytes, format: bind.formats[i] ?? 0 })),
  }
  try {
    return await control.estimate(target, database, asked.text, state.searchPath, bound)
  } catch (error) {
    desk.log(error, 'the estimate could not be had')
    return undefined
  }
}
