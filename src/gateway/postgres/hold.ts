import type { GatewayApp, HoldInput } from '../../app/ports/gateway.ts'
import { LedgerUnavailable } from '../../app/ports/ledger.ts'
import type { Estimate } from '../../domain/action.ts'
import { scopeFor } from '../../domain/grant/make.ts'
import { fewest } from '../../domain/policy/row-cap.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { GrantId, RequestId } from '../../domain/ids.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import type { Instant } from '../../domain/time.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import { deniedBy, failure, heldNotice, newsNotice, notice, roughly, timedOut, withdrawn } from './told.ts'

/** What ends a wait from the client's side. */
export type Interruption = 'cancelled' | 'left' | 'cut'

/** Lets somebody else end what waits. One a wait. */
export class Interruptible {
  readonly #controller = new AbortController()
  by: Interruption | undefined
  readonly happened: Promise<void>
  constructor() {
    this.happened = new Promise((resolve) => this.#controller.signal.addEventListener('abort', () => resolve()))
  }
  get signal(): AbortSignal {
    return this.#controller.signal
  }
  interrupt(by: Interruption): void {
    this.by ??= by
    this.#controller.abort()
  }
}

/** An approval to run now. */
export interface Leave {
  readonly request: RequestId
  readonly expiresAt: Instant
  /** The grant, and the role of the target that it is used through where it has one. */
  readonly role?: { readonly name: string; readonly grant: GrantId }
  /** It began an execution that must be finished. */
  readonly once: boolean
  /** Rows that were agreed: more roll it back. */
  readonly rowCap?: number
  /** Its grant ends with this run; another lives on in the session or beyond, and is watched to its end. */
  readonly single: boolean
}
export type HoldResult =
  | { readonly kind: 'go'; readonly leave: Leave }
  /** Something changed: decide again, here and now. */
  | { readonly kind: 'again'; readonly why: string }
  | { readonly kind: 'refused'; readonly told: Told }
  /** The client is no more, or is being cut: there is nobody to answer. */
  | { readonly kind: 'gone' }

export interface HoldAsk {
  readonly app: GatewayApp
  readonly input: HoldInput
  readonly snapshot: Snapshot
  readonly because: string | undefined
  readonly estimate: Estimate | undefined
  /** The verbs of the declared run that the approval would also cover. */
  readonly run?: readonly NamedVerb[] | undefined
  readonly besidesRun?: boolean
  readonly inTransaction?: boolean
  readonly timeZone: string
  readonly kind: 'statement' | 'connect'
  readonly wait: Interruptible
  readonly tell: (told: Told) => void
  readonly log: (error: unknown, what: string) => void
}

/**
 * Open a request, tell the client, and wait until it is decided (J2). Nothing is forwarded here: on `go` the caller
 * forwards the bytes it kept. Every way out but `go` leaves the request ended, or ending by itself.
 */
export async function holdForReview(ask: HoldAsk): Promise<HoldResult> {
  const { app, input, wait, tell } = ask
  const opened = await attempt(ask, 'the request could not be recorded', () => app.hold(input))
  if (!opened.ok) return opened.result
  if (opened.value.kind === 'covered') {
    if (wait.by !== undefined) return interrupted(wait.by, opened.value.request)
    const { request, expiresAt, rowsAtMost, role, grant } = opened.value
    const rowCap = fewest([input.decision.terms.rowCap?.rows, rowsAtMost])
    return {
      kind: 'go',
      leave: {
        request,
        expiresAt,
        once: false,
        single: false,
        ...(role === undefined ? {} : { role: { name: role, grant } }),
        ...(rowCap === undefined ? {} : { rowCap }),
      },
    }
  }
  const held = opened.value
  const began = performance.now()
  tell(heldNotice(held, input.decision, { ...ask, hasReason: input.reason !== undefined, expiresAt: held.expiresAt }))

  const decided = await attempt(ask, `${held.request}: the decision could not be read`, () =>
    Promise.race([
      app.outcome(held.request, wait.signal, (news) => tell(newsNotice(held.request, news, ask.snapshot))),
      wait.happened,
    ]),
  )
  if (wait.by !== undefined) {
    const why =
      wait.by === 'cancelled' ? 'the client cancelled' : wait.by === 'left' ? 'the client left' : 'the session was cut'
    await app
      .withdraw(held.request, why)
      .catch((error: unknown) => ask.log(error, 'a withdrawal could not be recorded'))
    return interrupted(wait.by, held.request)
  }
  if (!decided.ok) {
    await app
      .withdraw(held.request, 'the gateway failed')
      .catch((error: unknown) => ask.log(error, 'a withdrawal could not be recorded'))
    return decided.result
  }
  const outcome = decided.value
  if (outcome === undefined) return { kind: 'gone' }
  switch (outcome.kind) {
    case 'approved':
      break
    case 'denied':
      return { kind: 'refused', told: deniedBy(held.request, outcome.by, outcome.words) }
    case 'expired':
      return { kind: 'refused', told: timedOut(held.request, input.waitAtMostMs !== undefined) }
    case 'withdrawn':
      return { kind: 'refused', told: withdrawn(held.request) }
    case 'failed':
      return {
        kind: 'refused',
        told: failure(`${held.request}: its role on the target could not be made: ${outcome.why}`),
      }
    case 'voided':
      return { kind: 'again', why: `${held.request} voided: ${outcome.why}` }
    default:
      return outcome satisfies never
  }
  const started = await attempt(ask, `${held.request}: the start could not be recorded`, () =>
    app.start(held.request, { session: input.session, digest: input.digest }),
  )
  if (!started.ok) {
    // Whether it was taken is not known; nothing was sent and nothing will be, so that it did not run is.
    void app
      .finish(held.request, { outcome: 'failed', sqlstate: '58000' })
      .then(() => app.withdraw(held.request, 'the gateway failed'))
      .catch((error: unknown) => ask.log(error, 'an end could not be recorded'))
    return started.result
  }
  if (started.value.kind === 'voided') return { kind: 'again', why: `${held.request} voided: ${started.value.why}` }
  const late = app.now() >= started.value.expiresAt
  if (wait.by !== undefined || late) {
    // INVARIANT: the execution was taken and nothing was sent: end it as failed, so that it is not taken for unknown.
    await app
      .finish(held.request, { outcome: 'failed', sqlstate: '57014' })
      .catch((error: unknown) => ask.log(error, 'an end could not be recorded'))
    if (wait.by !== undefined) return interrupted(wait.by, held.request)
    // This process slept, or the ledger took its time.
    return { kind: 'again', why: `the time of ${held.request} was up before it could run` }
  }
  tell(
    notice(
      `${held.request} approved by ${outcome.by.join(', ')} after ${roughly(performance.now() - began)}; ${ask.kind === 'connect' ? 'connecting' : 'running'}`,
    ),
  )
  return {
    kind: 'go',
    leave: {
      request: held.request,
      expiresAt: started.value.expiresAt,
      once: true,
      ...(started.value.role === undefined ? {} : { role: { name: started.value.role, grant: started.value.grant } }),
      ...(started.value.rowCap === undefined ? {} : { rowCap: started.value.rowCap }),
      single: scopeFor(input.subject, input.decision.terms.scope) === 'once',
    },
  }
}

const interrupted = (by: Interruption, request: string): HoldResult =>
  by === 'cancelled' ? { kind: 'refused', told: withdrawn(request) } : { kind: 'gone' }

/** I7: a store that fails refuses, and says that it was a failure. */
async function attempt<T>(
  ask: HoldAsk,
  what: string,
  work: () => Promise<T>,
): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly result: HoldResult }> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    if (ask.wait.by === undefined) ask.log(error, what)
    const words = error instanceof LedgerUnavailable ? `${what}: ${error.message}` : what
    return { ok: false, result: { kind: 'refused', told: failure(words) } }
  }
}
