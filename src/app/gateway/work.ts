import type { Classified, SessionEffect, StatementShape } from '../../classify/postgres/shape.ts'
import type { Action, Context, Estimate } from '../../domain/action.ts'
import type { ResourceName } from '../../domain/ids.ts'
import { combine } from '../../domain/policy/combine.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { readRun } from '../../domain/policy/run.ts'
import type { DecisionScope } from '../../domain/policy/snapshot.ts'
import { NAMED_VERBS } from '../../domain/verb.ts'
import type { Verb } from '../../domain/verb.ts'

/** One client message, ready to be decided: what it does, and what must be watched when it runs. */
export interface Work {
  readonly classified: Classified
  /** One a statement and verb. Empty for an empty text. */
  readonly actions: readonly Action[]
  readonly verbs: readonly Verb[]
  readonly objects: readonly string[]
  readonly effects: readonly SessionEffect[]
  /** It may change the session or the catalogue in ways that only looking tells. */
  readonly changes: boolean
  /** It may begin COPY FROM STDIN. */
  readonly copies: boolean
  /** It names nothing that the search path could give another meaning: transaction control, SET. */
  readonly steers: boolean
  /** EXPLAIN may be asked about it: one statement, all of it known. */
  readonly estimable: boolean
  /** Why it is `unknown`, `exec` or `admin`, in words. */
  readonly because: string | undefined
  /** The gateway itself refuses it, in words, whatever policy says. */
  readonly refused: string | undefined
  /** The grammar did not take it: the target is asked whether it would. */
  readonly syntaxError: boolean
}

const STEERING: ReadonlySet<SessionEffect['kind']> = new Set([
  'begin',
  'commit',
  'rollback',
  'savepoint',
  'release',
  'rollback_to',
  'other_transaction',
  'set',
  'reset_all',
  'discard_all',
  'deallocate',
])
/** Verbs whose run may leave anything behind: functions, views, another role. */
const CHANGING: ReadonlySet<Verb> = new Set(['schema', 'exec', 'admin', 'unknown'])

/** Whether running it may leave something behind. What is `admin` for what it reads alone leaves nothing. */
const mayChange = (shape: StatementShape, needs: readonly Verb[]): boolean =>
  needs.some((verb) => CHANGING.has(verb)) &&
  !(shape.estimable && needs.every((verb) => verb === 'read' || verb === 'admin'))

/** Things that one text may do; every rule is asked about each. More is `unknown`, and held. */
const MOST_ACTIONS = 1_000

/**
 * Turn what the classifier says into actions.
 * @param prepared what EXECUTE of a name does; undefined when the name is not known.
 * @param doubt a reason why even known names may mean something else in this session.
 */
export function planWork(
  resource: ResourceName,
  classified: Classified,
  prepared: (name: string) => StatementShape | undefined,
  doubt: string | undefined,
): Work {
  if (classified.kind !== 'statements') {
    return {
      classified,
      actions: [{ resource, verb: 'unknown', facts: {} }],
      verbs: ['unknown'],
      objects: [],
      effects: [{ kind: 'unseen' }],
      changes: true,
      copies: true,
      steers: false,
      estimable: false,
      because: classified.message,
      refused: undefined,
      syntaxError: classified.kind === 'syntax_error',
    }
  }
  const actions: Action[] = []
  // A text may say the same thing ten thousand times; it is decided once.
  const decided = new Set<string>()
  /** Statements that are alike share their facts. */
  const texts = new Map<StatementShape['facts'], string>()
  const written = (facts: StatementShape['facts']): string => {
    const text = texts.get(facts) ?? JSON.stringify(facts)
    texts.set(facts, text)
    return text
  }
  const verbs = new Set<Verb>()
  const objects = new Set<string>()
  let because: string | undefined
  let changes = false
  let unsettled: string | undefined
  /** What the text itself prepares and forgets; undefined: forgotten. */
  const within = new Map<string, StatementShape | undefined>()
  let forgotten = false
  const known = (name: string): StatementShape | undefined =>
    within.has(name) ? within.get(name) : forgotten ? undefined : prepared(name)
  for (const statement of classified.statements) {
    const { effect } = statement
    const body = effect.kind === 'execute' ? known(effect.name) : undefined
    if (effect.kind === 'prepare') within.set(effect.name, effect.body)
    else if (effect.kind === 'deallocate' && effect.name !== undefined) within.set(effect.name, undefined)
    else if (effect.kind === 'deallocate' || effect.kind === 'discard_all') {
      within.clear()
      forgotten = true
    }
    const shape = body ?? statement
    const lost = effect.kind === 'execute' && body === undefined
    const doubtful = lost
      ? `the gateway does not know what was prepared under this name`
      : steers(statement)
        ? undefined
        : (doubt ?? (reachesNames(shape) ? unsettled : undefined))
    because ??= doubtful ?? shape.because
    const sql = shape.facts
    const needs: readonly Verb[] = doubtful === undefined ? shape.verbs : ['unknown']
    for (const verb of needs) {
      verbs.add(verb)
      const what = classified.statements.length === 1 ? verb : `${verb} ${written(sql)}`
      if (decided.has(what)) continue
      decided.add(what)
      actions.push({ resource, verb, facts: { sql } })
    }
    for (const table of sql.tables) objects.add(table)
    // What stands behind a statement that changes the meaning of names was classified before that change.
    // What is executed may steer the session as if it were said at once.
    const may = mayChange(shape, needs) || (body !== undefined && body.effect.kind !== 'none')
    changes ||= may
    if (unsettles(effect) || may) {
      unsettled ??= 'a statement before it in the same text may change what its names mean'
    }
  }
  if (actions.length > MOST_ACTIONS) {
    because = `it does more than ${MOST_ACTIONS} different things at once`
    actions.splice(0, actions.length, { resource, verb: 'unknown', facts: {} })
    changes = true
    verbs.add('unknown')
  }
  const only = classified.statements.length === 1 ? classified.statements[0] : undefined
  return {
    classified,
    actions,
    verbs: [...verbs].sort(),
    objects: [...objects],
    effects: classified.statements.map((statement) => statement.effect),
    changes,
    copies: classified.statements.some((statement) => statement.copy === 'in'),
    steers: classified.statements.every(steers),
    estimable: only !== undefined && only.estimable && doubt === undefined && !verbs.has('unknown'),
    because,
    refused: classified.statements
      .map((statement) => refusedEffect(statement.effect))
      .find((words) => words !== undefined),
    syntaxError: false,
  }
}

/** An empty text does nothing, and needs no rule. */
export const NOTHING: Extract<Decision, { outcome: 'allow' }> = {
  outcome: 'allow',
  cause: 'rule',
  rules: [],
  failures: [],
  recording: 'standard',
  waived: [],
}

/** The decision on all of them, by the strictest. Undefined for an empty text, which does nothing. */
export function decideActions(
  actions: readonly Action[],
  scope: DecisionScope,
  context: Context,
): Decision | undefined {
  const [first, ...more] = actions
  if (first === undefined) return undefined
  if (more.length === 0) return scope.decide(first, context)
  return combine(actions.map((action) => scope.decide(action, context)))
}

/** The same actions, with what the planner guesses. */
export const withEstimate = (actions: readonly Action[], estimate: Estimate | undefined): readonly Action[] =>
  estimate === undefined ? actions : actions.map((action) => ({ ...action, facts: { ...action.facts, estimate } }))

/**
 * What policy says to a message, with the planner's guess where a rule that may match reads it. The gateway enforces
 * this and `explain` shows it.
 * @param estimate asked only where it is wanted and planning runs nothing (61c); undefined when it cannot be had.
 */
export async function weigh(
  work: Work,
  scope: DecisionScope,
  context: () => Context,
  estimate: () => Promise<Estimate | undefined>,
): Promise<{ readonly actions: readonly Action[]; readonly decision: Decision }> {
  const wanted = work.estimable && work.verbs.some((verb) => scope.needsEstimate(verb))
  const guess = wanted ? await estimate() : undefined
  const actions = withEstimate(work.actions, guess)
  return { actions, decision: decideActions(actions, scope, context()) ?? NOTHING }
}

const steers = (statement: StatementShape): boolean =>
  STEERING.has(statement.effect.kind) && statement.verbs.every((verb) => verb === 'connect')

const reachesNames = (shape: StatementShape): boolean =>
  shape.verbs.some((verb) => verb === 'read' || verb === 'write' || verb === 'delete' || verb === 'export')

/** Puts another meaning on the names behind it. */
function unsettles(effect: SessionEffect): boolean {
  switch (effect.kind) {
    case 'set':
      return /^(search_path|role|session_authorization)$/i.test(effect.name)
    case 'reset_all':
    case 'discard_all':
    case 'temporary':
    case 'fired':
    case 'unseen':
      return true
    default:
      return false
  }
}

/** Another encoding or another reading of backslashes, and the text that people see is no longer the text that runs. */
function refusedEffect(effect: SessionEffect): string | undefined {
  if (effect.kind !== 'set' || effect.value === undefined) return undefined
  const name = effect.name.toLowerCase()
  const value = effect.value.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  if ((name === 'client_encoding' || name === 'names') && !['utf8', 'unicode'].includes(value)) {
    return 'client_encoding other than UTF8 is not understood here'
  }
  if (name === 'holdpoint.run' && effect.value !== '' && readRun(effect.value) === undefined) {
    return `holdpoint.run names the verbs of the run: ${NAMED_VERBS.filter((verb) => verb !== 'connect').join(', ')}`
  }
  if (name === 'standard_conforming_strings' && !['on', 'true', 'yes', '1', 't', 'y'].includes(value)) {
    return 'standard_conforming_strings = off is not understood here'
  }
  return undefined
}
