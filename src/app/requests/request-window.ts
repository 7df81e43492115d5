import type { ResourceName } from '../../domain/ids.ts'
import { extensionDigest, windowDigest } from '../../domain/digest.ts'
import type { Grant } from '../../domain/grant/grant.ts'
import { scopeFor } from '../../domain/grant/make.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { decideWindow } from '../../domain/policy/window.ts'
import type { WindowDecision } from '../../domain/policy/window.ts'
import { decidedBy } from '../../domain/request/basis.ts'
import { openRequirements } from '../../domain/request/eligibility.ts'
import type { AccessRequest, Subject } from '../../domain/request/request.ts'
import { after, millis } from '../../domain/time.ts'
import type { Millis } from '../../domain/time.ts'
import { NAMED_VERBS } from '../../domain/verb.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { App, Caller, RequestView } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import { whyNoRole } from '../roles/why-no-role.ts'
import { outOfScope } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { openRequest } from './steps.ts'
import { viewOf } from './view.ts'
import { withPolicy } from './with-policy.ts'

/** What somebody asks to be left alone with for a time. */
export interface WindowAsked {
  readonly resource: ResourceName
  readonly verbs: readonly NamedVerb[]
  readonly length: Millis
  readonly reason: string | undefined
  readonly credential?: true
  /** The grant to be made longer, if it is that. */
  readonly extends?: Grant
}

/** Ask for leave to do some verbs on a resource for a time. It is decided now; each statement under it is decided again. */
export const requestWindow =
  (deps: RequestDeps): App['requestWindow'] =>
  async (caller, input) => {
    const asked = readWindow(input)
    return asked.ok ? openWindow(deps, caller, asked.value) : asked
  }

/** Longer reasons are a mistake, or somebody's attempt to fill the store. */
const LONGEST_REASON = 2_000

function readWindow(input: Parameters<App['requestWindow']>[1]): Result<WindowAsked> {
  const verbs = [...new Set(input.verbs)]
  if (verbs.length === 0) return refuse('invalid_input', 'name at least one verb')
  const strange = verbs.find((v) => !NAMED_VERBS.includes(v))
  if (strange !== undefined) return refuse('invalid_input', 'one of the verbs is not known')
  const length = readLength(input.length)
  if (!length.ok) return length
  const reason = readReason(input.reason)
  if (!reason.ok) return reason
  return done({
    resource: input.resource as ResourceName,
    verbs,
    length: length.value,
    reason: reason.value,
    ...(input.credential === true ? { credential: true } : {}),
  })
}

/** Whole milliseconds, at least a second: shorter ones are over before anybody could use them. */
export const readLength = (length: number): Result<Millis> =>
  Number.isSafeInteger(length) && length >= 1_000 && length <= 3_650 * 86_400_000
    ? done(millis(length))
    : refuse('invalid_input', 'the length of time must be at least one second, and at most ten years')

/** Trimmed; undefined when it says nothing. */
export function readReason(reason: string | undefined): Result<string | undefined> {
  if (reason === undefined) return done(undefined)
  if (reason.length > LONGEST_REASON)
    return refuse('invalid_input', `a reason has at most ${LONGEST_REASON} characters`)
  const text = reason.toWellFormed().replaceAll('\0', '').trim()
  return done(text === '' ? undefined : text)
}

/** Decides and opens, for a window as for an extension. */
export async function openWindow(
  deps: RequestDeps,
  caller: Caller,
  asked: WindowAsked,
): ReturnType<App['requestWindow']> {
  const narrow = outOfScope(caller, 'request')
  if (narrow !== undefined) return narrow
  if (caller.principal.roles.includes('auditor'))
    return refuse('not_permitted', 'an auditor reads everything and asks for nothing')
  const opened = await withPolicy(deps, async (tx, snapshot): Promise<Result<RequestView>> => {
    const scope = snapshot.scope(caller.principal, asked.resource)
    if (scope === undefined) return refuse('not_found', `resource ${asked.resource}`)
    const { access, directCredential } = scope.profile
    if (asked.credential === true && (access !== 'ephemeral' || directCredential !== true))
      return refuse('not_permitted', `the profile of ${asked.resource} gives nobody a credential (directCredential)`)
    if (asked.credential === true && caller.principal.kind === 'agent')
      return refuse('not_permitted', 'an agent is given no credential')
    if (access === 'ephemeral' && asked.verbs.includes('admin')) return refuse('not_permitted', whyNoRole(asked.verbs))
    const context = { now: tx.now, sourceAddress: caller.sourceAddress, sessionStatements: 0 }
    const decision = decideWindow(scope, asked.verbs, context)
    const refusal = await refuseWindow(tx, caller, asked, decision, snapshot)
    if (refusal !== undefined || decision.outcome !== 'hold') return refusal ?? refuse('nothing_to_approve')
    if (asked.extends !== undefined && (await tx.requests.pendingExtensionsOf(asked.extends.id)).length > 0)
      return refuse('already_exists', 'an extension of it waits for its reviewers already')

    const request = await openRequest(
      tx,
      common(caller, asked, decision, snapshot, tx),
      { decided: decidedBy(decision, askingAs(caller), snapshot, scope.profile), context },
      { terms: decision.terms, staff: snapshot },
    )
    const view = await viewOf(deps, tx, caller, request, tx.now)
    if (view === undefined) throw new Error(`${request.id} cannot be seen by who asked for it`)
    return done(view)
  })
  return opened === undefined ? refuse('policy_unavailable') : opened.value
}

const askingAs = ({ principal }: Caller) => ({
  requester: principal.id,
  ...(principal.sponsor === undefined ? {} : { sponsor: principal.sponsor }),
})

/** Why there is nothing to open; undefined when there is. A denial is recorded, as every denial is. */
async function refuseWindow(tx: Tx, caller: Caller, asked: WindowAsked, decision: WindowDecision, snapshot: Snapshot) {
  if (decision.outcome === 'allow') return refuse('nothing_to_approve')
  if (decision.outcome === 'deny') {
    await tx.record.append({
      kind: 'access.denied',
      subject: `account/${caller.principal.id}`,
      actor: caller.principal.id,
      resource: asked.resource,
      body: {
        what: 'window',
        verbs: asked.verbs,
        rules: decision.rules,
        cause: decision.cause,
        revision: snapshot.revision,
      },
    })
    return refuse('denied_by_policy', decision.message)
  }
  const { narrower } = decision
  if (decision.terms.scope !== 'window')
    return refuse(
      'scope_not_allowed',
      `because of ${(narrower.length > 0 ? narrower : decision.rules).join(', ') || 'the default'}`,
    )
  if (decision.terms.reasonRequired && asked.reason === undefined) return refuse('reason_required')
  return undefined
}

function common(
  caller: Caller,
  asked: WindowAsked,
  decision: Extract<Decision, { outcome: 'hold' }>,
  snapshot: Snapshot,
  tx: Tx,
): Omit<AccessRequest, 'id' | 'reviews' | 'state'> {
  const { terms } = decision
  // Nobody is shown a longer time than an approval could give.
  const length = millis(Math.min(asked.length, terms.grantAtMost))
  const credential = asked.credential === undefined ? {} : { credential: asked.credential }
  const of = { resource: asked.resource, principal: caller.principal.id, verbs: asked.verbs, length, ...credential }
  const extended = asked.extends
  const subject: Subject =
    extended === undefined
      ? { kind: 'window', verbs: asked.verbs, length, ...credential }
      : { kind: 'extension', grant: extended.id, of: extended.request, verbs: asked.verbs, length }
  return {
    ...askingAs(caller),
    resource: asked.resource,
    verbs: asked.verbs,
    subject,
    digest:
      extended === undefined ? windowDigest(of) : extensionDigest({ ...of, grant: extended.id, of: extended.request }),
    cause: decision.cause,
    rules: decision.rules,
    failures: decision.failures,
    requirements: openRequirements(decision.requirements, askingAs(caller), snapshot),
    recording: decision.recording,
    scope: scopeFor(subject, terms.scope),
    grantAtMost: terms.grantAtMost,
    // A multiple of an estimate is computed for each statement under it, which then has one or is not covered.
    ...(terms.rowCap?.rows === undefined ? {} : { rowCap: { rows: terms.rowCap.rows } }),
    revision: snapshot.revision,
    ...(asked.reason === undefined ? {} : { reason: asked.reason }),
    openedAt: tx.now,
    expiresAt: after(tx.now, terms.timeout),
  }
}
