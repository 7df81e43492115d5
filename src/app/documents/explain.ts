import type { Action, Context } from '../../domain/action.ts'
import type { PrincipalId, ResourceName } from '../../domain/ids.ts'
import type { PolicyScope, PolicySnapshot } from '../../domain/policy/build-snapshot.ts'
import { combine } from '../../domain/policy/combine.ts'
import { explainAction, type Trace } from '../../domain/policy/explain.ts'
import { eligiblePeople } from '../../domain/policy/requirements.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import { decideWindow } from '../../domain/policy/window.ts'
import { databaseOf } from '../../domain/request/request.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { isVerb } from '../../domain/verb.ts'
import type { App, Caller, Explained, ExplainInput, RuleTrace } from '../app.ts'
import { findRequest } from '../requests/find.ts'
import { done, refuse, type Result } from '../result.ts'
import { classifyActions, verbsOf } from './classify-actions.ts'
import { inForce, outOfScope, type DocumentDeps } from './deps.ts'

/** What policy says about something that has not happened. For somebody else only as admin, auditor or an agent's sponsor. */
export const explain =
  (deps: DocumentDeps): App['explain'] =>
  async (caller, input) => {
    const narrow = outOfScope(caller, 'read', 'request', 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const principal = snapshot.people.get(input.as as PrincipalId)
    if (!mayAskAbout(caller, input.as, principal?.sponsor))
      return refuse('not_permitted', 'only an administrator or auditor asks for somebody else')
    if (principal === undefined) return refuse('not_found', `nobody is called ${input.as}`)
    const scope = snapshot.scope(principal, input.on as ResourceName)
    if (scope === undefined) return refuse('not_found', `there is no resource ${input.on}`)
    const actions = actionsOf(deps, input)
    if (!actions.ok) return actions
    const context: Context = {
      now: input.at ?? deps.clock.now(),
      sourceAddress: caller.sourceAddress,
      sessionStatements: 0,
    }
    return done(explainActions(scope, actions.value.actions, context, actions.value.because))
  }

const mayAskAbout = (caller: Caller, name: string, sponsor: string | undefined): boolean =>
  caller.principal.id === name || sponsor === caller.principal.id || caller.principal.roles.length > 0

function actionsOf(
  deps: DocumentDeps,
  input: ExplainInput,
): Result<{ readonly actions: readonly Action[]; readonly because?: string }> {
  const resource = input.on as ResourceName
  const estimate =
    input.estimate === undefined ? undefined : { rows: input.estimate.rows, cost: input.estimate.cost ?? 0 }
  if (input.sql !== undefined && input.verb !== undefined) return refuse('invalid_input', 'sql or verb, not both')
  if (input.sql !== undefined) return done(classifyActions(deps.classifier, resource, input.sql, estimate))
  const verb = input.verb ?? 'connect'
  if (!isVerb(verb)) return refuse('invalid_input', `${verb.slice(0, 32)} is no verb`)
  return done({ actions: [{ resource, verb, facts: estimate === undefined ? {} : { estimate } }] })
}

/** The decision over all actions, with every rule it looked at. */
export function explainActions(
  scope: PolicyScope,
  actions: readonly Action[],
  context: Context,
  because?: string,
): Explained {
  const traces = actions.map((action) => explainAction(scope, action, context))
  const decision = combine(traces.map((trace) => trace.decision))
  // The flip of an action that made the outcome: of the others, none would help.
  const flip = traces.find((trace) => trace.decision.outcome === decision.outcome && trace.flip !== undefined)?.flip
  return {
    ...told(scope, decision, verbsOf(actions), because),
    trace: mergeTraces(traces),
    ...(flip === undefined ? {} : { flip }),
  }
}

function told(
  scope: PolicyScope,
  decision: Decision,
  verb: string,
  because: string | undefined,
): Omit<Explained, 'trace' | 'flip'> {
  const message = messageOf(decision, because)
  return {
    verb,
    decision: decision.outcome,
    rules: decision.rules,
    reviews:
      decision.outcome === 'hold'
        ? decision.requirements.map(({ key, count, pool }) => ({
            key,
            count,
            people: eligiblePeople(scope.snapshot, scope.principal, pool),
          }))
        : [],
    cause: decision.cause,
    ...(message === undefined ? {} : { message }),
    revision: scope.snapshot.revision,
  }
}

function messageOf(decision: Decision, because: string | undefined): string | undefined {
  if (decision.outcome === 'deny') return decision.message
  const parts = [
    ...(because === undefined ? [] : [because]),
    ...decision.failures.map((failure) => `rule ${failure.rule}: ${failure.message}`),
  ]
  if (decision.outcome === 'allow' && decision.waived.length > 0) parts.push(`waives ${decision.waived.join(', ')}`)
  if (decision.outcome === 'hold') {
    for (const { climbedFrom, key } of decision.requirements)
      if (climbedFrom !== undefined) parts.push(`nobody is eligible for ${climbedFrom}, so it climbed to ${key}`)
  }
  return parts.length === 0 ? undefined : parts.join('; ')
}

/** Per rule, the trace of the action for which it matched, else of the first. */
function mergeTraces(traces: readonly Trace[]): readonly RuleTrace[] {
  const merged = new Map<string, RuleTrace>()
  for (const { rules } of traces) {
    for (const rule of rules)
      if (merged.get(rule.rule)?.matched !== true && (rule.matched || !merged.has(rule.rule)))
        merged.set(rule.rule, rule)
  }
  return [...merged.values()].toSorted((a, b) => Number(b.matched) - Number(a.matched))
}

/** What the policy in force says about a request that was made: by the same facts, now. */
export const explainRequest =
  (deps: DocumentDeps): App['explainRequest'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const found = await deps.store.transaction(async (tx) => {
      const seen = await findRequest({ policy: () => deps.keeper.current() }, tx, caller, id)
      return seen && { request: seen.request, basis: await tx.requests.basisOf(seen.request.id) }
    })
    if (found === undefined) return refuse('not_found')
    const principal = snapshot.people.get(found.request.requester)
    const scope = principal && snapshot.scope(principal, found.request.resource, databaseOf(found.request.subject))
    if (scope === undefined) return refuse('not_found', `${found.request.resource} is gone`)
    const context: Context = { sourceAddress: '', sessionStatements: 0, ...found.basis?.context, now: deps.clock.now() }
    return explainSubject(snapshot, scope, found.request, context)
  }

function explainSubject(
  snapshot: PolicySnapshot,
  scope: PolicyScope,
  request: AccessRequest,
  context: Context,
): Result<Explained> {
  const { subject } = request
  switch (subject.kind) {
    case 'statement':
      return done(explainActions(scope, subject.actions, context))
    case 'connect':
      return done(explainActions(scope, [{ resource: request.resource, verb: 'connect', facts: {} }], context))
    case 'window':
    case 'extension': {
      const actions = subject.verbs.map((verb): Action => ({ resource: request.resource, verb, facts: {} }))
      const { deferred, ...decision } = decideWindow(scope, subject.verbs, context)
      const later = deferred.length === 0 ? undefined : `decided for each statement: ${deferred.join(', ')}`
      return done({
        ...told(scope, decision, subject.verbs.join(', '), later),
        trace: mergeTraces(actions.map((action) => explainAction(scope, action, context))),
      })
    }
    case 'change':
      return refuse(
        'invalid_input',
        `a change of documents is decided by its administrators, not by rules (revision ${snapshot.revision})`,
      )
    default:
      return subject satisfies never
  }
}
