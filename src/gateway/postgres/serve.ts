import type { CatalogueWatch } from '../../app/ports/catalogue.ts'
import type { RoleSignIn } from '../../app/ports/gateway.ts'
import { LedgerUnavailable } from '../../app/ports/ledger.ts'
import type { OpenTarget } from '../../app/ports/target.ts'
import { connectDigest } from '../../domain/digest.ts'
import { parseResourceName } from '../../domain/ids.ts'
import type { ResourceName, SessionId } from '../../domain/ids.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import type { CloseReason } from '../../domain/session/session.ts'
import { encodeKeyData, encodeParameterStatus, encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { CancelKeys } from './cancel-keys.ts'
import { cancelOnTarget, connectTarget } from './connect-target.ts'
import { holdForReview, Interruptible } from './hold.ts'
import type { Leave } from './hold.ts'
import { keepAlive } from './keep-alive.ts'
import type { GatewayLimits, GatewayOptions } from './listen.ts'
import type { LocalSockets } from './local-sockets.ts'
import { policyBack } from './policy-back.ts'
import type { Poolers } from './poolers.ts'
import { GatewaySession } from './session.ts'
import { printable } from './startup-parameters.ts'
import { TargetState } from './target-state.ts'
import { fatal, notice, refusedByPolicy, roughly, SHUT_DOWN } from './told.ts'
import type { Guest } from './welcome.ts'

export interface ServeParts extends GatewayOptions {
  readonly limits: GatewayLimits
  readonly keys: CancelKeys
  readonly sockets: LocalSockets
  readonly poolers: Poolers
  /** Aborted when the gateway is to stop: nothing begins any more, and sessions end as they become idle. */
  readonly draining: AbortSignal
  /** Aborted when the gateway stops. */
  readonly closing: AbortSignal
}

/** The client may not go on. It reads why. */
class Refused extends Error {
  readonly told: Told
  readonly why: CloseReason
  constructor(told: Told, why: CloseReason) {
    super(told.message)
    this.told = { ...told, severity: 'FATAL' }
    this.why = why
  }
}

/**
 * A proven client, from the decision about its `connect` to the end of its session. In this order, and each before
 * the next: the decision is recorded with a session; people agree if they must; the target is connected; its backend
 * is recorded; the client may speak. A crash anywhere leaves at most a session that the reconciler can end.
 */
export async function serve(parts: ServeParts, guest: Guest, sourceAddress: string): Promise<void> {
  const { socket } = guest
  const gone = new Interruptible()
  const leave = () => gone.interrupt('left')
  const stop = () => gone.interrupt('cut')
  socket.on('error', leave)
  socket.on('end', leave)
  socket.on('close', leave)
  // Nothing is due from the client before ReadyForQuery: whatever it sends (Terminate, most likely) ends it.
  socket.on('data', leave)
  socket.resume()
  parts.draining.addEventListener('abort', stop)
  if (parts.draining.aborted) stop()
  let opened: { session: SessionId; why: CloseReason } | undefined
  let running: GatewaySession | undefined
  let watch: CatalogueWatch | undefined
  try {
    const admitted = await admit(parts, guest, sourceAddress, gone, (session) => (opened = { session, why: 'failed' }))
    const role = await signInAs(parts, admitted)
    const { target } = role === undefined ? admitted : { target: role.control }
    const connected = await connectTarget(
      role?.target ?? target,
      admitted.database,
      guest.startup.settings,
      parts.limits.connectMs,
      gone.signal,
      parts.sockets,
      parts.poolers,
    )
    // Dies here: nobody knows the password, and the role goes with its grant.
    await role?.shut()
    if (!connected.ok) throw new Refused(fatal(connected.code, `${admitted.resource}: ${connected.message}`), 'failed')
    const { backend, key, parameters, state: row } = connected
    try {
      const state = new TargetState(admitted.database)
      for (const [name, value] of parameters) {
        const wrong = state.report(name, value)
        if (wrong !== undefined) throw new Refused(fatal('0A000', wrong), 'failed')
      }
      if (!state.read(row, false))
        throw new Refused(fatal('08P01', 'the state of the session could not be read'), 'failed')
      state.reason = guest.startup.reason
      await parts.app.attachBackend(admitted.session, backend)
      watch = await parts.catalogue.watch(admitted.target, admitted.database)
      if (gone.by !== undefined) throw new Gone()
      const cancelKey = parts.keys.issue(guest.minor, backend.pid, () => running?.cancel())
      try {
        running = new GatewaySession({
          ...parts,
          ...admitted,
          target,
          watch,
          principal: guest.principal,
          sourceAddress,
          backend,
          pooled: connected.pooled,
          recordFirst: admitted.recordFirst,
          client: socket,
          upstream: connected.socket,
          state,
          holdInTransactionMs: parts.limits.holdInTransactionMs,
          keepAliveMs: parts.limits.keepAliveMs,
          cancelTarget: () => cancelOnTarget(target, key),
        })
        socket.removeAllListeners('data')
        for (const event of ['error', 'end', 'close'] as const) socket.off(event, leave)
        opened = undefined
        if (admitted.leave?.once === true) {
          const started = parts.app.finish(admitted.leave.request, { outcome: 'succeeded' })
          started.catch((error: unknown) =>
            parts.log.warn({ err: error }, 'the start of a session could not be recorded'),
          )
        }
        const session = running
        parts.draining.removeEventListener('abort', stop)
        const drain = () => session.drain()
        const cut = () => session.cut({ reason: 'cut', why: SHUT_DOWN })
        const left = admitted.expiresAt === undefined ? undefined : admitted.expiresAt - parts.app.now()
        session.start(greeting(parameters, cancelKey), left)
        parts.draining.addEventListener('abort', drain)
        parts.closing.addEventListener('abort', cut)
        if (parts.closing.aborted) cut()
        else if (parts.draining.aborted) drain()
        await session.finished
        parts.draining.removeEventListener('abort', drain)
        parts.closing.removeEventListener('abort', cut)
      } finally {
        parts.keys.revoke(cancelKey)
      }
    } finally {
      connected.socket.destroy()
    }
  } catch (error) {
    if (error instanceof Refused) {
      if (opened !== undefined) opened.why = error.why
      else if (running === undefined) noteRefused(parts, guest, error, sourceAddress)
      socket.end(encodeTold(error.told))
    } else if (error instanceof Gone) {
      if (opened !== undefined) opened.why = gone.by === 'cut' ? 'cut' : 'client_left'
      if (gone.by === 'cut') socket.write(encodeTold(fatal('57P01', SHUT_DOWN)))
      socket.end()
    } else {
      parts.log.error({ err: error, resource: guest.startup.resource }, 'a session could not be opened')
      socket.end(
        encodeTold(
          fatal(
            '58000',
            `the session could not be opened (failure)${error instanceof LedgerUnavailable ? `: ${error.message}` : ''}`,
          ),
        ),
      )
    }
  } finally {
    parts.draining.removeEventListener('abort', stop)
    watch?.release()
    if (opened !== undefined) {
      await parts.app.closeSession(opened.session, opened.why).catch((error: unknown) => {
        parts.log.warn({ err: error }, 'the end of a session could not be recorded')
      })
    }
    socket.destroySoon()
  }
}

/** Where its grant has a role of its own, the session signs in as that. */
async function signInAs({ app }: ServeParts, { session, leave, resource }: Admitted): Promise<RoleSignIn | undefined> {
  if (leave?.role === undefined) return undefined
  const role = await app.signInAs(session, leave.role.grant)
  if (!role.ok)
    throw new Refused(fatal('08001', `${resource}: ${role.detail ?? 'the role of the grant cannot be had'}`), 'failed')
  return role.value
}

/** Before there is a session that could say it. */
function noteRefused(parts: ServeParts, { startup, principal }: Guest, { why }: Refused, sourceAddress: string): void {
  const resource = parseResourceName(startup.resource)
  parts.app.signInRefused({
    user: printable(startup.user),
    principal,
    proven: true,
    refusal: why === 'refused' ? 'not_found' : 'policy_unavailable',
    sourceAddress,
    ...(resource.ok ? { resource: resource.value } : {}),
  })
}

/** The client left, or the gateway stops, before the session stood. */
class Gone extends Error {}

interface Admitted {
  readonly session: SessionId
  readonly resource: ResourceName
  readonly database: string
  readonly target: OpenTarget
  readonly expiresAt: number | undefined
  readonly leave: Leave | undefined
  readonly recordFirst: boolean
}

/** Decide `connect`, and wait for people when policy asks for them. */
async function admit(
  parts: ServeParts,
  guest: Guest,
  sourceAddress: string,
  gone: Interruptible,
  opened: (session: SessionId) => void,
): Promise<Admitted> {
  const { app } = parts
  const { principal, startup, socket } = guest
  const nobody = () =>
    new Refused(fatal('3D000', `there is no resource "${startup.resource}", or you may not see it`), 'refused')
  const name = parseResourceName(startup.resource)
  if (!name.ok) throw nobody()
  const resource = name.value
  const client = startup.applicationName
  let session: SessionId | undefined
  let expiresAt: number | undefined
  let leave: Leave | undefined
  for (;;) {
    const snapshot = await policyBack(
      () => app.policy(),
      () => gone.by !== undefined,
    )
    if (snapshot === undefined)
      throw new Refused(fatal('58000', 'policy could not be read (failure); nothing passes until it can'), 'failed')
    const profile = snapshot.resources.get(resource)
    const database = startup.database ?? profile?.target.database ?? ''
    const scope = snapshot.scope(principal, resource, database)
    if (scope === undefined || profile === undefined) throw nobody()
    const shut = app.notYet(resource)
    if (shut !== undefined) throw new Refused(fatal('57P03', shut), 'failed')
    const action = { resource, verb: 'connect' as const, facts: {} }
    const decision = scope.decide(action, { now: app.now(), sourceAddress, sessionStatements: 0 })
    if (session === undefined) {
      const begun = await app.openSession({
        principal,
        token: guest.token,
        resource,
        database,
        client,
        sourceAddress,
        decision,
        revision: snapshot.revision,
      })
      session = begun.session
      expiresAt = begun.expiresAt
      opened(session)
    }
    if (decision.outcome === 'deny') {
      app.refused({ session, principal, resource, actions: [action], decision, revision: snapshot.revision })
      throw new Refused(refusedByPolicy(decision), 'refused')
    }
    if (decision.outcome === 'hold') {
      const held = await holdConnect(parts, guest, {
        session,
        resource,
        database,
        client,
        sourceAddress,
        snapshot,
        decision,
        gone,
      })
      if (held === 'again') continue
      leave = held
      expiresAt = Math.min(expiresAt ?? held.expiresAt, held.expiresAt)
    } else if (decision.waived.length > 0) {
      await app.waived({ session, principal, resource, actions: [action], decision, revision: snapshot.revision })
      const until = decision.sessionAtMost === undefined ? '' : ` ${roughly(decision.sessionAtMost)}`
      socket.write(
        encodeTold(
          notice(
            `AUTO-APPROVED${until} by ${decision.rules.join(', ')}, which waives ${decision.waived.join(', ')}. Recorded.`,
          ),
        ),
      )
    }
    if (gone.by !== undefined) throw new Gone()
    // Time has passed since the decision: the store may have been busy with many who sign in at once.
    await policyBack(
      () => app.policy(),
      () => gone.by !== undefined,
    )
    const target = await app.openTarget(resource)
    if (!target.ok)
      throw new Refused(fatal('08001', `${resource}: ${target.detail ?? 'the target cannot be reached'}`), 'failed')
    const recordFirst = profile.recordFirst === true
    return { session, resource, database, target: target.value, expiresAt, leave, recordFirst }
  }
}

/** Answers with the approval, whose end is the session's. */
async function holdConnect(
  parts: ServeParts,
  guest: Guest,
  of: {
    readonly session: SessionId
    readonly resource: ResourceName
    readonly database: string
    readonly client: string
    readonly sourceAddress: string
    readonly snapshot: Snapshot
    readonly decision: Extract<Decision, { outcome: 'hold' }>
    readonly gone: Interruptible
  },
): Promise<Leave | 'again'> {
  const { principal, startup, socket } = guest
  const { session, resource, database, client, sourceAddress, snapshot, decision } = of
  if (decision.terms.reasonRequired && startup.reason === undefined) {
    throw new Refused(
      { ...fatal('42501', 'policy asks for a reason'), hint: `Connect with: options='-c holdpoint.reason=...'` },
      'refused',
    )
  }
  // Behind AuthenticationOk the parameters are due anyway.
  const stop = keepAlive((bytes) => void socket.write(bytes), parts.limits.keepAliveMs)
  const result = await holdForReview({
    app: parts.app,
    input: {
      session,
      principal,
      resource,
      subject: { kind: 'connect', database, client, sourceAddress },
      digest: connectDigest({ resource, principal: principal.id, database, client, sourceAddress }),
      decision,
      revision: snapshot.revision,
      ...(startup.reason === undefined ? {} : { reason: startup.reason }),
    },
    snapshot,
    because: undefined,
    estimate: undefined,
    timeZone: startup.settings.get('timezone') ?? 'UTC',
    kind: 'connect',
    wait: of.gone,
    tell: (told) => void socket.write(encodeTold(told)),
    log: (error, what) => parts.log.warn({ err: error, resource }, what),
  }).finally(stop)
  switch (result.kind) {
    case 'go':
      return result.leave
    case 'again':
      socket.write(encodeTold(notice(`${result.why}; asking again`)))
      return 'again'
    case 'refused':
      throw new Refused(result.told, 'refused')
    case 'gone':
      throw new Gone()
    default:
      return result satisfies never
  }
}

function greeting(
  parameters: readonly (readonly [string, string])[],
  key: { readonly pid: number; readonly secret: Buffer },
): Buffer {
  return Buffer.concat([
    ...parameters.map(([name, value]) => encodeParameterStatus(name, value)),
    encodeKeyData(key.pid, key.secret),
    encodeReady('idle'),
  ])
}
