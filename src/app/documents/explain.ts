import type { Action, Context, Estimate } from '../../domain/action.ts'
import type { PrincipalId, ResourceName } from '../../domain/ids.ts'
import type { PolicyScope, PolicySnapshot } from '../../domain/policy/build-snapshot.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { isVerb } from '../../domain/verb.ts'
import type { App, Caller, Explained, ExplainInput } from '../app.ts'
import { decideActions, NOTHING, weigh, withEstimate } from '../gateway/work.ts'
import { done, refuse, type Result } from '../result.ts'
import { classifyText } from './classify-text.ts'
import { inForce, outOfScope, type DocumentDeps } from './deps.ts'
import { explainActions } from './explain-actions.ts'
import { lookAtTarget, type TargetLook } from './look-at-target.ts'

/** Questions that are worked on at once; also how many connections a target is asked over. */
const AT_ONCE = 4
/** Rules shown of each answer of a batch. */
const MOST_RULES_OF_MANY = 20
/** Longest time that targets are asked about one batch, in ms; what is left is answered without them, and says so. */
const ASK_FOR = 30_000

/** What policy says about something that has not happened. Agents and services ask for themselves and their sponsor only. */
export const explain =
  (deps: DocumentDeps): App['explain'] =>
  async (caller, input) => {
    const [explained] = await explainAll(deps)(caller, [input])
    if (explained === undefined) throw new Error('a question was not answered')
    return explained
  }

/** One answer a question, in their order, all of them by one policy. Gives way to sessions in between. */
export const explainAll =
  (deps: DocumentDeps): App['explainAll'] =>
  async (caller, inputs) => {
    const narrow = outOfScope(caller, 'read', 'request', 'policy')
    const snapshot = inForce(deps)
    const refused = narrow ?? ('ok' in snapshot ? snapshot : undefined)
    if (refused !== undefined || 'ok' in snapshot) return inputs.map(() => refused ?? refuse('policy_unavailable'))
    const desk = new Desk(deps, caller, snapshot, inputs.length > 1 ? MOST_RULES_OF_MANY : undefined)
    const answers: Result<Explained>[] = []
    let next = 0
    const work = async (): Promise<void> => {
      for (let at = next++; at < inputs.length; at = next++) {
        const input = inputs[at]
        if (input !== undefined) answers[at] = await desk.answer(input)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work))
    } finally {
      await desk.close()
    }
    return answers
  }

const mayAskAbout = ({ principal }: Caller, name: string): boolean =>
  principal.kind === 'user' || principal.id === name || principal.sponsor === name

/** The questions of one call, which share their looks at targets. */
class Desk {
  readonly #deps: DocumentDeps
  readonly #caller: Caller
  readonly #snapshot: PolicySnapshot
  readonly #now: number
  readonly #mostRules: number | undefined
  readonly #looks = new Map<ResourceName, Promise<TargetLook>>()

  constructor(deps: DocumentDeps, caller: Caller, snapshot: PolicySnapshot, mostRules: number | undefined) {
    this.#mostRules = mostRules
    this.#deps = deps
    this.#caller = caller
    this.#snapshot = snapshot
    this.#now = deps.clock.now()
  }

  async answer(input: ExplainInput): Promise<Result<Explained>> {
    if (!mayAskAbout(this.#caller, input.as))
      return refuse('not_permitted', 'agents and services ask for themselves and their sponsor only')
    const principal = this.#snapshot.people.get(input.as as PrincipalId)
    if (principal === undefined) return refuse('not_found', `account ${input.as}`)
    const scope = this.#snapshot.scope(principal, input.on as ResourceName)
    if (scope === undefined) return refuse('not_found', `resource ${input.on}`)
    if (input.sql !== undefined && input.verb !== undefined) return refuse('invalid_input', 'sql or verb, not both')
    const context: Context = {
      now: input.at ?? this.#now,
      sourceAddress: this.#caller.sourceAddress,
      sessionStatements: 0,
    }
    const given =
      input.estimate === undefined ? undefined : { rows: input.estimate.rows, cost: input.estimate.cost ?? 0 }
    if (input.sql !== undefined) return done(await this.#statement(scope, input.sql, context, given))
    const verb = input.verb ?? 'connect'
    if (!isVerb(verb)) return refuse('invalid_input', `${verb.slice(0, 32)} is no verb`)
    const action: Action = {
      resource: scope.profile.name,
      verb,
      facts: given === undefined ? {} : { estimate: given },
    }
    const decision = decideActions([action], scope, context) ?? NOTHING
    return done(explainActions(scope, [action], context, { decision, notes: [], estimate: given }, this.#mostRules))
  }

  async #statement(scope: PolicyScope, sql: string, context: Context, given: Estimate | undefined): Promise<Explained> {
    const { profile } = scope
    const look = await this.#look(scope)
    const work = await classifyText(this.#deps.classifier, profile.name, sql, look.catalogue)
    const notes: string[] = []
    if (work.because !== undefined) notes.push(work.because)
    if (work.refused !== undefined) {
      const decision: Decision = { ...NOTHING, outcome: 'deny', message: work.refused }
      return explainActions(scope, work.actions, context, {
        decision,
        notes: ['the gateway refuses it, whatever policy says'],
      })
    }
    if (look.missing !== undefined)
      notes.push(`${profile.name} was not asked (${look.missing}): assumed to have nothing of its own`)
    if (work.actions.length === 0) notes.push('an empty text does nothing')
    if (given !== undefined) {
      const actions = withEstimate(work.actions, given)
      const decision = decideActions(actions, scope, context) ?? NOTHING
      return explainActions(scope, actions, context, { decision, notes, estimate: given }, this.#mostRules)
    }
    const { actions, decision } = await weigh(
      work,
      scope,
      () => context,
      async () => {
        const why = look.missing === undefined ? this.#notAsked(scope) : undefined
        const guess = why === undefined ? await look.estimate(sql) : undefined
        if (look.missing === undefined && guess === undefined) notes.push(why ?? 'the planner gave no estimate')
        return guess
      },
    )
    return explainActions(
      scope,
      actions,
      context,
      { decision, notes, estimate: actions[0]?.facts.estimate },
      this.#mostRules,
    )
  }

  /** Once for each resource. */
  #look(scope: PolicyScope): Promise<TargetLook> {
    const { profile } = scope
    let look = this.#looks.get(profile.name)
    if (look === undefined) {
      look = lookAtTarget(this.#deps, profile)
      this.#looks.set(profile.name, look)
    }
    return look
  }

  /**
   * Why the planner is not asked. What it guesses says something of the data, to whoever asks often enough: so only for
   * those who could ask it themselves, and for those who see everything.
   */
  #notAsked({ profile }: PolicyScope): string | undefined {
    if (this.#deps.clock.now() - this.#now > ASK_FOR) return 'the planner was not asked: the batch took too long'
    const { principal, sourceAddress } = this.#caller
    if (principal.roles.length > 0) return undefined
    const own = this.#snapshot.scope(this.#snapshot.people.get(principal.id) ?? principal, profile.name)
    const connect: Action = { resource: profile.name, verb: 'connect', facts: {} }
    return own?.decide(connect, { now: this.#now, sourceAddress, sessionStatements: 0 }).outcome === 'allow'
      ? undefined
      : `the planner was not asked: ${principal.id} connects to ${profile.name} only when somebody agrees`
  }

  async close(): Promise<void> {
    for (const look of this.#looks.values()) (await look).release()
  }
}
