import type { PrincipalId } from '../../domain/ids.ts'
import { instant } from '../../domain/time.ts'
import type { App, Caller } from '../app.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import { outOfScope } from './access.ts'
import type { RequestDeps } from './deps.ts'
import { delegationMoved } from './entries.ts'
import { standIn } from './waiting.ts'
import { withPolicy } from './with-policy.ts'

const LONGEST_MS = 90 * 86_400_000
/** How many waiting requests are handed on at once. Who is asked about more has other worries. */
const MOST = 500

const notForThem = (caller: Caller) =>
  caller.principal.kind === 'user' && !caller.principal.roles.includes('auditor')
    ? undefined
    : refuse('not_permitted', 'only who may be asked can say who answers for them')

/**
 * Somebody answers in the caller's place until then: what waits for the caller now, and what comes. One place stays one
 * place: the two of them are never counted twice. Replaces the delegation before it.
 */
export const delegate =
  (deps: RequestDeps): App['delegate'] =>
  async (caller, input) => {
    const refused = outOfScope(caller, 'review') ?? notForThem(caller)
    if (refused !== undefined) return refused
    const from = caller.principal.id
    const to = input.to as PrincipalId
    const result = await withPolicy(deps, async (tx, snapshot): Promise<Awaited<ReturnType<App['delegate']>>> => {
      const person = snapshot.people.get(to)
      if (to === from) return refuse('invalid_input', 'you answer for yourself already')
      if (person === undefined || person.disabled) return refuse('invalid_input', 'there is no such person')
      if (person.kind !== 'user' || person.roles.includes('auditor'))
        return refuse('invalid_input', `${to} answers for nobody: only people do, and no auditors`)
      if (!Number.isSafeInteger(input.until) || input.until <= tx.now)
        return refuse('invalid_input', 'that moment is over already')
      if (input.until - tx.now > LONGEST_MS) return refuse('invalid_input', 'for 90 days at most')
      const made = await tx.waiting.insertDelegation({ person: from, to, madeAt: tx.now, until: instant(input.until) })
      await tx.record.append(delegationMoved(from, { kind: 'made', to, until: made.until }))
      let requests = 0
      for (const id of await tx.waiting.pendingAsking(from, MOST)) {
        const request = await tx.requests.lockRequest(id)
        if (request !== undefined && (await standIn(tx, request, made, snapshot))) requests++
      }
      return done({ person: from, to, until: made.until, madeAt: made.madeAt, requests })
    })
    return result === undefined ? refuse('policy_unavailable') : result.value
  }

/** The caller is back. */
export const endDelegation =
  (deps: RequestDeps): App['endDelegation'] =>
  async (caller): Promise<Result<void>> => {
    const refused = outOfScope(caller, 'review')
    if (refused !== undefined) return refused
    return deps.store.transaction(async (tx) => {
      if (!(await tx.waiting.endDelegation(caller.principal.id, tx.now))) return refuse('not_found')
      await tx.record.append(delegationMoved(caller.principal.id, { kind: 'ended' }))
      return done(undefined)
    })
  }

/** Who answers for the caller, and for whom the caller does. An administrator or auditor sees all that involve anybody. */
export const listDelegations =
  (deps: RequestDeps): App['listDelegations'] =>
  async (caller) => {
    const refused = outOfScope(caller, 'read', 'review')
    if (refused !== undefined) return refused
    const me = caller.principal.id
    const all = caller.principal.roles.length > 0
    const people = all ? [...(deps.policy()?.people.keys() ?? [me])] : [me]
    return done(await deps.store.waiting.delegationsOf(people, deps.clock.now(), 'to'))
  }
