import type { SessionId } from '../../domain/ids.ts'
import type { GatewayApp } from '../ports/gateway.ts'
import { refuse } from '../result.ts'
import { createBackgroundRecord } from './background-record.ts'
import type { BackgroundRecord } from './background-record.ts'
import { createCuts } from './cuts.ts'
import type { Cuts } from './cuts.ts'
import type { GatewayDeps } from './deps.ts'
import { covered, hold, outcome, withdraw } from './hold.ts'
import { openTargetOf } from './open-target.ts'
import { createOwed } from './owed.ts'
import { attachBackend, closeSession, openSession } from './sessions.ts'
import { signInAs } from './roles.ts'
import { createSignInRefusals } from './sign-in-refusals.ts'
import { confirm, finish, start } from './start.ts'
import { turnstile } from './turnstile.ts'

/** The gateways' side of the application, and what boot and the reconciler need of it. */
export interface GatewayPart extends GatewayApp {
  readonly cuts: Cuts
  readonly background: BackgroundRecord
  /** Writes what waits, stops listening. Sessions must be closed before. */
  close(): Promise<void>
}

/**
 * How many who sign in may use the store at once: hundreds may come in the same second, and the statements, holds and
 * heartbeats of those who are here use the same few connections.
 */
const SIGNING_IN = 4

export function createGatewayApp(deps: GatewayDeps): GatewayPart {
  const mine = new Set<SessionId>()
  const cuts = createCuts({ ...deps, store: deps.vital ?? deps.store }, mine)
  const background = createBackgroundRecord(deps)
  const owed = createOwed(deps)
  const signIns = createSignInRefusals(deps)
  const turn = turnstile(SIGNING_IN)
  return {
    policy: deps.policy,
    now: () => deps.clock.now(),
    notYet: (resource) => deps.gate.closed(resource),
    verifiers: (user) => turn(() => deps.verifiers(user)),
    async openTarget(resource) {
      const profile = deps.policy()?.resources.get(resource)
      return profile === undefined ? refuse('not_found') : turn(() => openTargetOf(deps, profile))
    },
    signInAs: (session, grant) => turn(() => signInAs(deps)(session, grant)),
    openSession: openSession(deps, mine, turn),
    attachBackend: (session, backend) => turn(() => attachBackend(deps)(session, backend)),
    closeSession: (session, why) =>
      owed.tell(`the end of ${session}`, async () => {
        await closeSession(deps)(session, why)
        mine.delete(session)
      }),
    hold: async (input) => hold(deps)(input),
    covered: async (input) => covered(deps)(input),
    outcome: outcome(deps),
    withdraw: (request, why) => owed.tell(`the withdrawal of ${request}`, () => withdraw(deps)(request, why)),
    start: async (request, input) => start(deps)(request, input),
    finish: (request, result) => owed.tell(`the end of ${request}`, () => finish(deps)(request, result)),
    confirm: async (session, requests) => confirm(deps)(session, requests),
    signInRefused: signIns.refused,
    refused({ session, principal, resource, actions, decision, revision }) {
      background.entry({
        kind: 'access.denied',
        subject: `session/${session}`,
        actor: principal.id,
        resource,
        body: {
          session,
          verbs: actions.map((a) => a.verb),
          objects: actions.flatMap((a) => a.facts.sql?.tables ?? []).map((t) => t.toWellFormed()),
          decision: decision.outcome,
          cause: decision.cause,
          rules: decision.rules,
          revision,
        },
      })
    },
    async waived({ session, principal, resource, actions, decision, revision }) {
      const position = await deps.store.transaction((tx) =>
        tx.record.append({
          kind: 'exception.waived',
          subject: `session/${session}`,
          actor: principal.id,
          resource,
          body: {
            session,
            verbs: actions.map((a) => a.verb),
            rules: decision.rules,
            waived: decision.waived,
            reviewDue: decision.reviewAfter === undefined ? undefined : tx.now + decision.reviewAfter,
            revision,
          },
        }),
      )
      await deps.ledger.covered(position)
    },
    record: (entry) => background.statement(entry),
    recorded: () => background.written(),
    onCut: (session, cut) => cuts.onCut(session, cut),
    cuts,
    background,
    async close() {
      cuts.close()
      await owed.close()
      await signIns.close()
      await background.close()
    },
  }
}
