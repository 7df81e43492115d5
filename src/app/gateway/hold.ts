import type { Action, Context } from '../../domain/action.ts'
import { cover } from '../../domain/grant/cover.ts'
import type { Covered, Need } from '../../domain/grant/cover.ts'
import type { Grant } from '../../domain/grant/grant.ts'
import { scopeFor } from '../../domain/grant/make.ts'
import type { PrincipalId, RequestId } from '../../domain/ids.ts'
import { changesRows, fewest, strictestCap } from '../../domain/policy/row-cap.ts'
import type { DecisionScope, Snapshot } from '../../domain/policy/snapshot.ts'
import { decidedBy } from '../../domain/request/basis.ts'
import { openRequirements } from '../../domain/request/eligibility.ts'
import type { Asking } from '../../domain/request/eligibility.ts'
import { databaseOf } from '../../domain/request/request.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import { whyUnanswerable } from '../../domain/request/requirement-words.ts'
import { after, millis } from '../../domain/time.ts'
import type { Instant } from '../../domain/time.ts'
import { VERBS } from '../../domain/verb.ts'
import type { Verb } from '../../domain/verb.ts'
import type { GatewayApp, HoldInput, HoldNews, HoldOpened, HoldOutcome } from '../ports/gateway.ts'
import type { Tx } from '../ports/store.ts'
import { endGrant, openRequest, withdrawPending } from '../requests/steps.ts'
import type { GatewayDeps } from './deps.ts'
import { grantsCovered } from './grants-covered.ts'
import { lendTo, roleReady } from './roles.ts'
import { stillEntitled } from './still-entitled.ts'

/**
 * Hold an action: look for live grants that meet its requirements, and ask people for the rest, in one transaction.
 * @throws when policy, the session or the ledger is in doubt; the gateway then refuses.
 */
export const hold =
  (deps: GatewayDeps): GatewayApp['hold'] =>
  async (input) => {
    const { seen, held } = await inPolicy(deps, input, async (tx, snapshot, scope) => {
      const looked = await lookForGrants(tx, input, snapshot, scope)
      if (looked.opened !== undefined) return { seen: looked, held: undefined }
      return { seen: looked, held: await openHold(deps, tx, input, snapshot, scope, looked) }
    })
    return held ?? (await proven(deps, seen, input))
  }

/** Live grants that stand for every requirement; nobody is asked. */
export const covered =
  (deps: GatewayDeps): GatewayApp['covered'] =>
  async (input) => {
    const seen = await inPolicy(deps, input, (tx, snapshot, scope) => lookForGrants(tx, input, snapshot, scope))
    return seen.opened && (await proven(deps, seen, input))
  }

/** Grants that stand for people's answers, once the ledger shows that these were given. */
async function proven(
  deps: GatewayDeps,
  { opened, covered: { grants } }: Looked,
  { session }: Pick<HoldInput, 'session'>,
): Promise<Extract<HoldOpened, { kind: 'covered' }>> {
  if (opened === undefined) throw new Error('there are no grants to go by')
  await grantsCovered(deps, grants)
  await lendTo(deps, session, opened.role)
  return stillEntitled(deps, opened)
}

const askingOf = ({ id, sponsor }: HoldInput['principal']): Asking => ({
  requester: id,
  ...(sponsor === undefined ? {} : { sponsor }),
})
const anyChanges = (actions: readonly Action[]): boolean => actions.some((a) => changesRows(a.verb))
const runOf = ({ subject }: HoldInput): readonly Verb[] => (subject.kind === 'statement' ? (subject.run ?? []) : [])
const verbsOf = (actions: readonly Action[]): readonly Verb[] => [...new Set(actions.map((a) => a.verb))]

function inPolicy<T>(
  deps: GatewayDeps,
  input: HoldInput,
  work: (tx: Tx, snapshot: Snapshot, scope: DecisionScope) => Promise<T>,
): Promise<T> {
  const snapshot = deps.policy()
  if (snapshot === undefined) throw new Error('the policy in force cannot be told')
  const scope = snapshot.scope(input.principal, input.resource, databaseOf(input.subject))
  if (scope === undefined) throw new Error(`there is no resource ${input.resource}`)
  return deps.store.transaction((tx) => work(tx, snapshot, scope))
}

interface Looked {
  /** Set when nobody needs to be asked. */
  readonly opened?: Extract<HoldOpened, { kind: 'covered' }>
  readonly covered: Covered
  readonly context: Context
  readonly rowsAtMost: number | undefined
}

async function lookForGrants(tx: Tx, input: HoldInput, snapshot: Snapshot, scope: DecisionScope): Promise<Looked> {
  // Locked: a session that closes meanwhile sees this request, or this sees that it has closed.
  const record = await tx.requests.lockSession(input.session)
  if (record?.session.state !== 'open') throw new Error(`session ${input.session} is not open`)
  const { principal, resource, decision } = input
  const asking = askingOf(principal)
  const context: Context = {
    sourceAddress: record.session.sourceAddress,
    sessionStatements: 0,
    ...input.context,
    now: tx.now,
  }
  const actions = actionsOf(input)
  const requirements = openRequirements(decision.requirements, asking, snapshot)
  const askedBy = verbsByKey(scope, actions, context)
  const run = runOf(input)
  const every = [...new Set([...verbsOf(actions), ...run])]
  // Which verbs of a run asked for what is not told apart: a grant must name them all.
  const needs: Need[] = requirements.map((r) => ({
    requirement: r,
    verbs: run.length > 0 ? every : (askedBy.get(r.key) ?? every),
  }))

  // A window was shown to its reviewers as one on the profile's own database; another one on the same server is not it.
  const elsewhere = (databaseOf(input.subject) ?? scope.profile.target.database) !== scope.profile.target.database
  const active =
    decision.terms.scope === 'once' || elsewhere ? [] : await tx.requests.liveGrants(principal.id, resource)
  // Where the rules could not say how many rows, only a grant whose reviewers did can stand for it.
  // Nor does one where a number could not be enforced: people are told that first.
  const uncapped = input.subject.kind === 'statement' && input.subject.uncapped !== undefined && anyChanges(actions)
  const live = active.filter((g) =>
    uncapped
      ? decision.terms.rowCap === undefined && g.rowsAtMost === undefined
      : decision.terms.rowCap?.needsNumber !== true || g.rowsAtMost !== undefined,
  )
  const acting = { principal: principal.id, resource, session: input.session, scope: decision.terms.scope, now: tx.now }
  const usable = cover(needs, live, acting)
  const role = roleFor(usable, verbsOf(actions))
  // Each of several roles could do a part of it, and a statement runs as one.
  const covered = role === 'none' ? cover(needs, [], acting) : usable
  const rowsAtMost = fewest(covered.grants.map((g) => g.rowsAtMost))
  const [first] = covered.grants
  if (first !== undefined && covered.remaining.length === 0) {
    for (const grant of covered.grants) await tx.requests.enterGrant(input.session, grant.id)
    const soonest = covered.grants.reduce((a, b) => (b.expiresAt < a.expiresAt ? b : a), first)
    const opened = {
      kind: 'covered' as const,
      grant: soonest.id,
      request: soonest.request,
      expiresAt: soonest.expiresAt,
      ...(role === 'none' || role.name === undefined ? {} : { role: role.name }),
      ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
    }
    return { opened, covered, context, rowsAtMost }
  }
  return { covered, context, rowsAtMost }
}

/** The role that can do all of it; no name where the grants have none of their own, `none` where none of theirs can. */
function roleFor({ grants }: Covered, verbs: readonly Verb[]): { readonly name: string | undefined } | 'none' {
  if (grants.every(({ role }) => role === undefined)) return { name: undefined }
  const onRows: ReadonlySet<Verb> = new Set<Verb>(['read', 'export', 'write', 'delete'])
  const can = (grant: Grant): boolean =>
    verbs.every(
      (verb) =>
        verb === 'connect' ||
        grant.verbs.includes(verb) ||
        // Each of these comes with reading.
        (verb === 'read' && grant.verbs.some((one) => onRows.has(one))),
    )
  const able = grants.find((grant) => grant.role !== undefined && can(grant))
  return able === undefined ? 'none' : { name: able.role }
}

async function openHold(
  deps: GatewayDeps,
  tx: Tx,
  input: HoldInput,
  snapshot: Snapshot,
  scope: DecisionScope,
  { covered, context, rowsAtMost }: Looked,
): Promise<HoldOpened> {
  const { principal, resource, decision } = input
  const asking = askingOf(principal)
  const every: ReadonlySet<Verb> = new Set([...verbsOf(actionsOf(input)), ...runOf(input)])
  const rowCap = strictestCap([decision.terms.rowCap, rowsAtMost === undefined ? undefined : { rows: rowsAtMost }])
  const wait = Math.min(decision.terms.timeout, input.waitAtMostMs ?? decision.terms.timeout)
  const request = await openRequest(
    tx,
    {
      ...asking,
      resource,
      verbs: VERBS.filter((v) => every.has(v)),
      subject: input.subject,
      digest: input.digest,
      cause: decision.cause,
      rules: decision.rules,
      failures: decision.failures,
      requirements: covered.remaining,
      recording: decision.recording,
      scope: scopeFor(input.subject, decision.terms.scope),
      grantAtMost: decision.terms.grantAtMost,
      ...(rowCap === undefined ? {} : { rowCap }),
      revision: input.revision,
      ...(input.reason === undefined ? {} : { reason: input.reason }),
      session: input.session,
      openedAt: tx.now,
      expiresAt: after(tx.now, millis(Math.max(1, wait))),
    },
    { decided: decidedBy(decision, asking, snapshot, scope.profile), context },
    { terms: decision.terms, staff: snapshot },
  )
  // What windows met is used as much as the approval to come: its end ends this, too.
  for (const grant of covered.grants) await tx.requests.enterGrant(input.session, grant.id)
  const nameOf = (id: string): string => snapshot.people.get(id as PrincipalId)?.displayName ?? id
  const unanswerable = whyUnanswerable(request.requirements, snapshot, nameOf)
  return {
    kind: 'held',
    request: request.id,
    needs: request.requirements.map((r) => ({ ...r, people: r.eligible })),
    ...(unanswerable === undefined ? {} : { unanswerable }),
    expiresAt: request.expiresAt,
    url: `${deps.baseUrl()}/r/${request.id}`,
  }
}

const actionsOf = (input: HoldInput): readonly Action[] =>
  input.subject.kind === 'statement'
    ? input.subject.actions
    : [{ resource: input.resource, verb: 'connect', facts: {} }]

/**
 * Which verbs asked for which requirement, so that a window of `write` counts for the writing half of a statement that
 * also reads. A key that this decision does not know counts as asked by every verb: a window must then cover them all.
 */
function verbsByKey(
  scope: DecisionScope,
  actions: readonly Action[],
  context: Context,
): ReadonlyMap<string, readonly Verb[]> {
  const verbs = new Map<string, Verb[]>()
  for (const action of actions) {
    const decision = scope.decide(action, context)
    if (decision.outcome !== 'hold') continue
    for (const { key } of decision.requirements) {
      const known = verbs.get(key) ?? []
      if (!known.includes(action.verb)) known.push(action.verb)
      verbs.set(key, known)
    }
  }
  return verbs
}

/**
 * Waiting is safe, so a store that does not answer is waited out: until the request has expired, which nothing can change
 * while it is away, and this long behind it.
 */
const PATIENCE_MS = 30_000
const POLL_MS = 1_000

/** Resolves when the request has ended. Woken by the store, and asking once a second whether it was woken or not. */
export const outcome =
  (deps: GatewayDeps): GatewayApp['outcome'] =>
  async (id, signal, news = () => undefined) => {
    const tell = newsOf(news)
    let woken = (): void => undefined
    const stop = deps.wake.subscribe(`request/${id}`, () => woken())
    let stopGrant = (): void => undefined
    const aborted = (): void => woken()
    signal.addEventListener('abort', aborted)
    let failing = 0
    let patience = PATIENCE_MS
    try {
      for (;;) {
        signal.throwIfAborted()
        // Made before the look, so that a wake between the look and the wait is not lost.
        const next = new Promise<void>((resolve) => {
          const cancel = deps.timer.after(POLL_MS, resolve)
          woken = () => {
            cancel()
            resolve()
          }
        })
        try {
          const request = await deps.store.requests.findRequest(id)
          if (request === undefined) throw new Error(`${id} does not exist`)
          tell(request)
          let ended = outcomeOf(request, deps.clock.now())
          if (ended?.kind === 'approved' && deps.policy()?.resources.get(request.resource)?.access === 'ephemeral') {
            stopGrant()
            stopGrant = deps.wake.subscribe(`grant/${ended.grant}`, () => woken())
            // Its role is being made on the target.
            if ((await roleReady(deps, ended.grant)) === 'wait') ended = undefined
          } else if (ended?.kind === 'voided') ended = (await whyNotMade(deps, id)) ?? ended
          if (ended !== undefined) {
            woken()
            return ended
          }
          failing = 0
          patience = PATIENCE_MS + Math.max(0, request.expiresAt - deps.clock.now())
        } catch (error) {
          failing += POLL_MS
          if (failing > patience) throw error
          deps.onFault(`looking at ${id}`, error)
        }
        await next
      }
    } finally {
      stop()
      stopGrant()
      signal.removeEventListener('abort', aborted)
    }
  }

/** Tells of everybody who was added since the first look, once. */
function newsOf(news: (news: HoldNews) => void): (request: AccessRequest) => void {
  const known = new Set<PrincipalId>()
  const tell = (kind: HoldNews['kind'], people: readonly PrincipalId[]): void => {
    const to = people.filter((id) => !known.has(id))
    for (const id of to) known.add(id)
    if (to.length > 0) news({ kind, to })
  }
  return (request) => {
    for (const { eligible } of request.requirements) for (const id of eligible) known.add(id)
    if (request.state !== 'pending') return
    const escalated = (request.escalations ?? []).filter((one) => one.done !== undefined)
    tell('escalated', [...new Set(escalated.flatMap((one) => one.eligible))])
    tell('handed_on', request.standIns?.map((one) => one.person) ?? [])
  }
}

/** Void because its role could not be made: asking people again would not help. */
async function whyNotMade(
  { store }: GatewayDeps,
  id: RequestId,
): Promise<Extract<HoldOutcome, { kind: 'failed' }> | undefined> {
  const [grant] = await store.requests.grantsOf([id])
  const why = grant?.role === undefined ? undefined : (await store.roles.roleOf(grant.id))?.why
  return why === undefined ? undefined : { kind: 'failed', why }
}

function outcomeOf(request: AccessRequest, now: Instant): HoldOutcome | undefined {
  switch (request.state) {
    case 'pending':
      // The reconciler writes it down; the client need not wait for that.
      return now >= request.expiresAt ? { kind: 'expired' } : undefined
    case 'approved': {
      const by = request.reviews.filter((r) => r.verdict === 'approve').map((r) => r.by)
      return { kind: 'approved', by, grant: request.grant }
    }
    case 'denied':
      return { kind: 'denied', by: request.by, words: request.words }
    case 'withdrawn':
    case 'voided':
      return { kind: request.state, why: request.why }
    case 'expired':
      return { kind: 'expired' }
    default:
      return request satisfies never
  }
}

/** The client went away, or pressed Ctrl-C. Approved already, and not used: then the grant is given back. */
export const withdraw =
  (deps: GatewayDeps): GatewayApp['withdraw'] =>
  (id: RequestId, why: string) =>
    deps.store.transaction(async (tx) => {
      await withdrawPending(tx, id, why)
      const request = await tx.requests.lockRequest(id)
      if (request?.state !== 'approved') return
      const execution = await tx.requests.findExecution(id)
      if (execution?.state === 'ready') await endGrant(tx, request.grant, 'released')
    })
