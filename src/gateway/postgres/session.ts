import type { Socket } from 'node:net'
import type { CatalogueWatch } from '../../app/ports/catalogue.ts'
import type { CutOrder, GatewayApp } from '../../app/ports/gateway.ts'
import type { OpenTarget, TargetControl } from '../../app/ports/target.ts'
import type { Classifier } from '../../classify/postgres/shape.ts'
import { statementDigest } from '../../domain/digest.ts'
import type { ResourceName, SessionId } from '../../domain/ids.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { Principal } from '../../domain/principal.ts'
import type { LockReport, ShownParameter, Subject } from '../../domain/request/request.ts'
import type { Backend, CloseReason } from '../../domain/session/session.ts'
import { encodeReady, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import { FrameReader } from '../../wire/postgres/frame.ts'
import type { Piece } from '../../wire/postgres/frame.ts'
import {
  clientLimits,
  decodeBind,
  decodeBindNames,
  decodeExecute,
  decodeNamed,
  decodeParse,
  decodeQuery,
  FRONTEND,
  TERMINATE,
} from '../../wire/postgres/frontend.ts'
import type { Bind } from '../../wire/postgres/frontend.ts'
import { atDeadline } from './deadline.ts'
import { GrantsInUse } from './grants-in-use.ts'
import { holdForReview, Interruptible } from './hold.ts'
import type { Leave } from './hold.ts'
import { Judge, withEstimate } from './judge.ts'
import type { Bench } from './judge.ts'
import { Outbox } from './outbox.ts'
import { maskSecrets, record, Run } from './run.ts'
import { PreparedStatements } from './statements.ts'
import type { Prepared } from './statements.ts'
import { TargetLine } from './target-line.ts'
import type { Expected } from './target-line.ts'
import { STATE_QUERY } from './target-state.ts'
import type { TargetState } from './target-state.ts'
import { failure, fatal, notice, notUnderstood, refusedByPolicy, roughly } from './told.ts'
import type { Work } from './work.ts'

/*
 * One client connection, from its first ReadyForQuery to its end.
 *
 * Client messages are handled strictly in order, one at a time. `#handle` either deals with a message at once (the
 * way of everything that policy allows: classify, decide, forward the bytes as they came) or returns a promise, and
 * until it settles no later message is looked at: that is how nothing behind a held statement runs. While it waits
 * the socket is still read, within a bound, so that a client that leaves is noticed.
 *
 * The slow way always begins by draining: the target has then answered everything before, so its transaction status is
 * known, NOTICEs stand between messages, and a refusal stands at its place.
 *
 *   ways out: the client leaves or terminates | the target leaves | a violation on either side | cut
 *   each ends in `#end`, once.
 */

/** Bytes read from a client behind a message that waits. More than this, and the client is no longer read. */
const READ_AHEAD = 4 * 1024 * 1024
/** A decision that is older is made again before Execute. */
const FRESH_MS = 1000

export interface SessionParts {
  readonly app: GatewayApp
  readonly classifier: Classifier
  readonly watch: CatalogueWatch | undefined
  readonly control: TargetControl
  readonly target: OpenTarget
  readonly session: SessionId
  readonly principal: Principal
  readonly resource: ResourceName
  readonly database: string
  readonly sourceAddress: string
  readonly backend: Backend
  readonly client: Socket
  readonly upstream: Socket
  readonly state: TargetState
  /** Longest hold inside a transaction, in ms. */
  readonly holdInTransactionMs: number
  /** Ask the target to stop what runs. */
  readonly cancelTarget: () => Promise<void>
  readonly log: { warn(about: object, message: string): void; error(about: object, message: string): void }
}

interface Asked {
  readonly protocol: 'simple' | 'extended'
  readonly text: string
  readonly types: readonly number[]
  readonly bind: Bind | undefined
}
interface Portal {
  readonly prepared: Prepared
  /** Kept so that a decision at Execute can show the same parameters. */
  readonly bindFrame: Buffer
  run: Run | undefined
  /** Set when it was reviewed: then it runs once, however often it is executed. */
  readonly leave: Leave | undefined
  readonly decision: Decision
  readonly work: Work
  readonly bench: Bench | undefined
  readonly decidedAt: number
}
type Verdict =
  | { readonly kind: 'go'; readonly work: Work; readonly decision: Decision; readonly leave: Leave | undefined }
  | { readonly kind: 'refused'; readonly told: Told }
  | { readonly kind: 'gone' }

const EMPTY_ALLOW: Decision = {
  outcome: 'allow',
  cause: 'rule',
  rules: [],
  failures: [],
  recording: 'standard',
  waived: [],
}

export class GatewaySession {
  readonly #of: SessionParts
  readonly #reader = new FrameReader(clientLimits)
  readonly #out: Outbox
  readonly #line: TargetLine
  readonly #judge: Judge
  readonly #prepared = new PreparedStatements()
  readonly #portals = new Map<string, Portal>()
  readonly #runs = new Set<Run>()
  readonly #grants: GrantsInUse
  /** A Parse that waits for the message behind it: a held Bind then has not sent even the Parse. */
  #stash: { readonly frame: Buffer; readonly expected: Expected } | undefined
  /** Refused in the extended protocol by the gateway alone: everything up to Sync is dropped. */
  #dropping = false
  #busy = false
  #wait: Interruptible | undefined
  /** Terminate came: what was sent before it runs to its end. */
  #farewell = false
  #ended = false
  #stopCuts: () => void = () => undefined
  #stopTimer: () => void = () => undefined
  #finished!: () => void
  /** Resolves once nothing of the session is left. Never rejects. */
  readonly finished = new Promise<void>((resolve) => (this.#finished = resolve))

  constructor(of: SessionParts) {
    this.#of = of
    this.#out = new Outbox(of.client)
    this.#grants = new GrantsInUse(of.app, of.session, (order) => this.cut(order))
    this.#judge = new Judge({ ...of, prepared: this.#prepared })
    this.#line = new TargetLine(of.upstream, {
      deliver: (bytes) => this.#out.add(bytes),
      parameter: (name, value) => {
        const wrong = of.state.report(name, value)
        if (wrong !== undefined) this.#end('failed', fatal('0A000', wrong))
      },
      ready: (status) => {
        if (status === 'idle' && this.#line.quiet) this.#closePortals()
      },
      settled: () => {
        if (!this.#out.flush()) this.#line.pause()
        this.#pump()
      },
      violation: (what) => {
        of.log.error({ session: of.session, resource: of.resource, what }, 'the target broke the protocol')
        this.#end('failed', fatal('08P01', 'the target broke the protocol; the session was closed'))
      },
      left: () => this.#end('target_left'),
    })
  }

  /** Begin. `early` is what the client sent ahead of ReadyForQuery: nothing, for a client that keeps the protocol. */
  start(welcome: Buffer, expiresInMs: number | undefined): void {
    const { client, app, session } = this.#of
    client.on('data', (chunk: Buffer) => this.#receive(chunk))
    client.on('end', () => this.#leave())
    client.on('close', () => this.#leave())
    client.on('error', () => this.#leave())
    client.on('drain', () => this.#line.resume())
    this.#of.upstream.on('drain', () => {
      if (!this.#busy) client.resume()
    })
    if (expiresInMs !== undefined)
      this.#stopTimer = atDeadline(expiresInMs, () =>
        this.cut({ reason: 'expired', why: 'the session ended (expired)' }),
      )
    this.#stopCuts = app.onCut(session, (order) => this.cut(order))
    this.#line.open(Buffer.alloc(0))
    this.#of.upstream.resume()
    this.#out.add(welcome)
    this.#out.flush()
    client.resume()
  }

  /** A CancelRequest with this session's key. */
  cancel(): void {
    if (this.#wait === undefined) void this.#of.cancelTarget()
    else this.#wait.interrupt('cancelled')
  }

  /** End it now, whatever runs: the backend is terminated and looked for until it is gone. */
  cut(order: CutOrder): void {
    this.#end(order.reason === 'expired' ? 'expired' : 'cut', fatal('57P01', order.why), true)
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return
    this.#reader.push(chunk)
    this.#pump()
    if (this.#wait !== undefined && this.#reader.holds(FRONTEND.Terminate)) this.#leave()
    if (this.#reader.buffered > READ_AHEAD && (this.#busy || this.#line.copy === 'awaiting')) this.#of.client.pause()
  }

  /** The client is gone, or will say nothing more: what it runs ends with it, unless it said good-bye before. */
  #leave(): void {
    if (!this.#farewell) this.#end('client_left')
  }

  /** Handles what is buffered, in order, until something has to wait. */
  #pump(): void {
    while (!this.#ended && !this.#busy && this.#line.copy !== 'awaiting') {
      const piece = this.#reader.next()
      if (piece === undefined) break
      if (piece.kind === 'violation') {
        const type = /[ -~]/.exec(String.fromCharCode(piece.tag))?.[0] ?? piece.tag
        const words =
          piece.reason === 'length_too_large'
            ? [
                `54000`,
                `a message of ${piece.length.toLocaleString('en-US')} bytes is larger than this gateway takes (type ${type})`,
              ]
            : ['08P01', `a message that makes no sense (type ${type}, ${piece.reason.replaceAll('_', ' ')})`]
        this.#end('failed', fatal(words[0] ?? '', words[1] ?? ''))
        return
      }
      const later = this.#handle(piece)
      if (later === undefined) continue
      this.#busy = true
      later.then(
        () => this.#resume(),
        (error: unknown) => {
          this.#of.log.error({ err: error, session: this.#of.session }, 'the gateway failed')
          this.#end('failed', fatal('58000', 'the gateway failed; the session was closed'))
        },
      )
      return
    }
    if (this.#ended) return
    if (!this.#line.flush()) this.#of.client.pause()
  }

  #resume(): void {
    this.#busy = false
    this.#out.flush()
    this.#pump()
    if (!this.#busy && !this.#ended) this.#of.client.resume()
  }

  #violate(what: string): undefined {
    this.#end('failed', fatal('08P01', what))
    return undefined
  }

  #handle(piece: Piece): Promise<void> | undefined {
    const frame = piece.bytes
    if (this.#line.copy === 'in') return this.#copying(piece)
    const dropping = this.#dropping || this.#line.skipping
    switch (piece.tag) {
      case FRONTEND.Query:
        return dropping ? undefined : this.#query(frame)
      case FRONTEND.Parse:
        return dropping ? undefined : this.#parse(frame)
      case FRONTEND.Bind:
        return dropping ? undefined : this.#bind(frame)
      case FRONTEND.Execute:
        return dropping ? undefined : this.#execute(frame)
      case FRONTEND.Describe:
        if (decodeNamed(frame) === undefined) return this.#violate('a malformed Describe')
        if (!dropping) this.#forward(frame, { kind: 'describe' })
        return undefined
      case FRONTEND.Close:
        return dropping ? undefined : this.#close(frame)
      case FRONTEND.Flush:
        if (!dropping) this.#forward(frame)
        return undefined
      case FRONTEND.Sync:
        this.#dropping = false
        this.#forward(frame, { kind: 'sync' })
        return undefined
      case FRONTEND.FunctionCall:
        return dropping
          ? undefined
          : this.#refuse(notUnderstood('function calls by number are not taken by this gateway'), 'simple')
      case FRONTEND.Terminate:
        return this.#terminate()
      default:
        // Copy data behind a copy that has failed: PostgreSQL ignores it too.
        return undefined
    }
  }

  #copying(piece: Piece): undefined {
    switch (piece.tag) {
      case FRONTEND.CopyData:
        this.#line.send(piece.bytes)
        return undefined
      case FRONTEND.CopyDone:
      case FRONTEND.CopyFail:
        this.#line.send(piece.bytes)
        this.#line.copied()
        return undefined
      case FRONTEND.Flush:
      case FRONTEND.Sync:
        // The server ignores both while it copies in ("COPY Operations", 54.2.6).
        return undefined
      case FRONTEND.Terminate:
        this.#end('client_left')
        return undefined
      default:
        return this.#violate('an unexpected message during COPY FROM STDIN')
    }
  }

  async #terminate(): Promise<void> {
    this.#farewell = true
    await this.#line.drain()
    this.#end('client_left')
  }

  /** Forward as it came. Everything but a Bind lets a waiting Parse go first. */
  #forward(frame: Buffer, expected?: Expected): void {
    this.#release()
    this.#line.send(frame, expected)
  }
  #release(): void {
    const stash = this.#stash
    if (stash === undefined) return
    this.#stash = undefined
    this.#line.send(stash.frame, stash.expected)
  }

  // The simple protocol

  #query(frame: Buffer): Promise<void> | undefined {
    const text = decodeQuery(frame)
    if (text === undefined) return this.#violate('a malformed Query, or one that is not UTF-8')
    this.#release()
    const quick = this.#quick(text)
    if (quick === undefined) return this.#slowQuery(frame, text)
    this.#runQuery(frame, text, quick.work, quick.decision, undefined)
    return undefined
  }

  async #slowQuery(frame: Buffer, text: string): Promise<void> {
    const verdict = await this.#settle({ protocol: 'simple', text, types: [], bind: undefined })
    if (verdict.kind === 'gone') return
    if (verdict.kind === 'refused') return this.#refuse(verdict.told, 'simple', true)
    this.#runQuery(frame, text, verdict.work, verdict.decision, verdict.leave)
  }

  #runQuery(frame: Buffer, text: string, work: Work, decision: Decision, leave: Leave | undefined): void {
    const run = this.#run(text, work, decision, leave)
    // A simple query discards the unnamed statement and portal ("Extended Query", 54.2.3).
    this.#prepared.delete('')
    this.#portals.delete('')
    const undo = this.#follow(work, text)
    this.#line.send(frame, { kind: 'query', run, copies: work.copies, ...(undo === undefined ? {} : { undo }) })
  }

  // The extended protocol

  #parse(frame: Buffer): undefined {
    const parse = decodeParse(frame)
    if (parse === undefined) return this.#violate('a malformed Parse, or one that is not UTF-8')
    this.#release()
    const undo = this.#prepared.set(parse.name, { text: parse.text, types: parse.types })
    this.#stash = { frame, expected: { kind: 'parse', undo } }
    return undefined
  }

  #bind(frame: Buffer): Promise<void> | undefined {
    const names = decodeBindNames(frame)
    if (names === undefined) return this.#violate('a malformed Bind')
    const prepared = this.#prepared.get(names.statement)
    if (prepared === undefined || prepared.body !== undefined) {
      this.#release()
      return this.#refuse(
        {
          severity: 'ERROR',
          code: '26000',
          message: `prepared statement "${names.statement}" is not known to this gateway`,
        },
        'extended',
      )
    }
    const quick = this.#quick(prepared.text)
    if (quick === undefined) return this.#slowBind(frame, names.portal, prepared)
    this.#bound(frame, names.portal, prepared, quick.work, quick.decision, undefined)
    return undefined
  }

  async #slowBind(frame: Buffer, portal: string, prepared: Prepared): Promise<void> {
    const bind = decodeBind(frame)
    if (bind === undefined) return this.#violate('a malformed Bind')
    const verdict = await this.#settle({ protocol: 'extended', text: prepared.text, types: prepared.types, bind })
    if (verdict.kind === 'gone') return
    if (verdict.kind === 'refused') return this.#refuse(verdict.told, 'extended', true)
    this.#bound(frame, portal, prepared, verdict.work, verdict.decision, verdict.leave)
  }

  #bound(
    frame: Buffer,
    portal: string,
    prepared: Prepared,
    work: Work,
    decision: Decision,
    leave: Leave | undefined,
  ): void {
    this.#release()
    const run = leave === undefined ? undefined : this.#run(prepared.text, work, decision, leave)
    const made: Portal = {
      prepared,
      bindFrame: frame,
      run,
      leave,
      decision,
      work,
      bench: this.#judge.bench(),
      decidedAt: performance.now(),
    }
    const before = this.#portals.get(portal)
    this.#portals.set(portal, made)
    const undo = () => {
      run?.finish('failed', '25P02')
      if (before === undefined) this.#portals.delete(portal)
      else this.#portals.set(portal, before)
    }
    this.#line.send(frame, { kind: 'bind', undo })
  }

  #execute(frame: Buffer): Promise<void> | undefined {
    const execute = decodeExecute(frame)
    if (execute === undefined) return this.#violate('a malformed Execute')
    this.#release()
    const portal = this.#portals.get(execute.portal)
    if (portal === undefined) {
      return this.#refuse(
        { severity: 'ERROR', code: '34000', message: `portal "${execute.portal}" is not known to this gateway` },
        'extended',
      )
    }
    if (portal.leave !== undefined) {
      const over = portal.run?.isOver !== false
      if (over)
        return this.#refuse(
          { severity: 'ERROR', code: '55000', message: 'what was approved ran already; bind it again to ask again' },
          'extended',
        )
      this.#executePortal(frame, portal, portal.work)
      return undefined
    }
    const fresh =
      portal.bench !== undefined &&
      this.#judge.bench() === portal.bench &&
      performance.now() - portal.decidedAt < FRESH_MS
    if (fresh && !this.#of.state.stale) {
      this.#executePortal(frame, portal, portal.work)
      return undefined
    }
    const quick = this.#quick(portal.prepared.text)
    if (quick === undefined) return this.#slowExecute(frame, execute.portal, portal)
    this.#executePortal(frame, portal, quick.work)
    return undefined
  }

  async #slowExecute(frame: Buffer, name: string, portal: Portal): Promise<void> {
    const bind = decodeBind(portal.bindFrame)
    if (bind === undefined) return this.#violate('a malformed Bind')
    const { text, types } = portal.prepared
    const verdict = await this.#settle({ protocol: 'extended', text, types, bind })
    if (verdict.kind === 'gone') return
    if (verdict.kind === 'refused') return this.#refuse(verdict.told, 'extended', true)
    const run =
      verdict.leave === undefined ? portal.run : this.#run(text, verdict.work, verdict.decision, verdict.leave)
    const decided: Portal = { ...portal, ...verdict, run, bench: this.#judge.bench(), decidedAt: performance.now() }
    this.#portals.set(name, decided)
    this.#executePortal(frame, decided, verdict.work)
  }

  #executePortal(frame: Buffer, portal: Portal, work: Work): void {
    if (portal.run === undefined || portal.run.isOver)
      portal.run = this.#run(portal.prepared.text, work, portal.decision, undefined)
    const undo = this.#follow(work, portal.prepared.text)
    this.#line.send(frame, {
      kind: 'execute',
      run: portal.run,
      copies: work.copies,
      ...(undo === undefined ? {} : { undo }),
    })
  }

  #close(frame: Buffer): undefined {
    const named = decodeNamed(frame)
    if (named === undefined) return this.#violate('a malformed Close')
    if (named.what === 'statement') {
      const undo = this.#prepared.delete(named.name)
      this.#forward(frame, { kind: 'close', undo })
    } else {
      const portal = this.#portals.get(named.name)
      this.#portals.delete(named.name)
      this.#forward(frame, { kind: 'close', done: () => portal?.run?.finish('succeeded') })
    }
    return undefined
  }

  #closePortals(): void {
    if (this.#portals.size > 0) this.#portals.clear()
    // A portal that was never executed, or not to its end, is gone with its transaction.
    for (const run of this.#runs) run.finish('succeeded')
  }

  // Deciding

  /** The way of what policy plainly allows: no waiting, no store. Undefined for everything else. */
  #quick(text: string): { readonly work: Work; readonly decision: Decision } | undefined {
    const state = this.#of.state
    const work = this.#judge.work(text)
    if (work.refused !== undefined || work.syntaxError) return undefined
    if ((state.stale || state.catalogueStale) && !work.steers) return undefined
    const bench = this.#judge.bench()
    if (bench === undefined || this.#judge.needsEstimate(work, bench)) return undefined
    const decision = this.#judge.decide(work.actions, bench) ?? EMPTY_ALLOW
    return decision.outcome === 'allow' && decision.waived.length === 0 ? { work, decision } : undefined
  }

  /** The way of everything else: look again, decide, ask people, and decide again when something changed meanwhile. */
  async #settle(asked: Asked): Promise<Verdict> {
    const { app, state } = this.#of
    await this.#line.drain()
    if (this.#ended || this.#line.skipping) return { kind: 'gone' }
    let why: string | undefined
    for (;;) {
      if ((state.stale || state.catalogueStale) && this.#line.status !== 'failed' && !(await this.#look())) {
        return this.#ended
          ? { kind: 'gone' }
          : { kind: 'refused', told: failure('the state of the session could not be read') }
      }
      const work = this.#judge.work(asked.text)
      const number = this.#judge.ran + 1
      if (work.refused !== undefined) {
        record(
          app,
          { session: this.#of.session, number, text: asked.text, work, decision: EMPTY_ALLOW, leave: undefined },
          app.now(),
          0,
          'refused',
          undefined,
          '0A000',
        )
        return { kind: 'refused', told: notUnderstood(work.refused) }
      }
      if (work.syntaxError && asked.protocol === 'simple' && !this.#line.unsynced) {
        const error = await this.#line.refuses(asked.text)
        if (this.#ended) return { kind: 'gone' }
        if (error !== undefined) {
          this.#out.add(error)
          this.#out.add(encodeReady(this.#line.status))
          this.#out.flush()
          return { kind: 'gone' }
        }
      }
      const bench = this.#judge.bench()
      if (bench === undefined)
        return { kind: 'refused', told: failure('policy could not be read; nothing passes until it can') }
      let actions = work.actions
      if (this.#judge.needsEstimate(work, bench)) actions = withEstimate(actions, await this.#estimate(work, asked))
      const decision = this.#judge.decide(actions, bench) ?? EMPTY_ALLOW
      const common = {
        session: this.#of.session,
        principal: this.#of.principal,
        resource: this.#of.resource,
        actions,
        revision: bench.snapshot.revision,
      }
      if (decision.outcome === 'deny') {
        app.refused({ ...common, decision })
        record(
          app,
          { session: this.#of.session, number, text: asked.text, work, decision, leave: undefined },
          app.now(),
          0,
          'refused',
          undefined,
          '42501',
        )
        return { kind: 'refused', told: refusedByPolicy(decision) }
      }
      if (decision.outcome === 'allow') {
        if (decision.waived.length > 0) {
          try {
            await app.waived({ ...common, decision })
          } catch (error) {
            this.#log(error, 'an exception could not be recorded')
            return { kind: 'refused', told: failure('the exception could not be recorded') }
          }
          const review = decision.reviewAfter === undefined ? '' : ` Review due in ${roughly(decision.reviewAfter)}.`
          this.#tell(
            notice(
              `AUTO-APPROVED by ${decision.rules.join(', ')}, which waives ${decision.waived.join(', ')}. Recorded.${review}`,
            ),
          )
        }
        return this.#ended ? { kind: 'gone' } : { kind: 'go', work, decision, leave: undefined }
      }
      if (why !== undefined) this.#tell(notice(`${why}; asking again`))
      const result = await this.#hold(asked, work, actions, decision, bench)
      if (result.kind === 'again') {
        why = result.why
        continue
      }
      if (result.kind === 'gone' || this.#ended) return { kind: 'gone' }
      if (result.kind === 'go') return { kind: 'go', work, decision, leave: result.leave }
      const outcome = result.told.code === '57014' ? 'withdrawn' : 'refused'
      record(
        app,
        { session: this.#of.session, number, text: asked.text, work, decision, leave: undefined },
        app.now(),
        0,
        outcome,
        undefined,
        result.told.code,
      )
      return { kind: 'refused', told: result.told }
    }
  }

  async #hold(
    asked: Asked,
    work: Work,
    given: Work['actions'],
    decision: Extract<Decision, { outcome: 'hold' }>,
    bench: Bench,
  ) {
    const { app, control, target, backend, principal, resource, session, state } = this.#of
    if (decision.terms.reasonRequired && state.reason === undefined) {
      const told: Told = {
        severity: 'ERROR',
        code: '42501',
        message: 'policy asks for a reason',
        hint: "SET holdpoint.reason = '...' before the statement.",
      }
      return { kind: 'refused' as const, told }
    }
    const inTransaction = this.#line.inTransaction
    const wait = new Interruptible()
    this.#wait = wait
    if (this.#reader.holds(FRONTEND.Terminate)) this.#leave()
    try {
      const estimate = given[0]?.facts.estimate ?? (await this.#estimate(work, asked))
      const locks = inTransaction ? await this.#locks(control.locks(target, backend)) : undefined
      const actions = withEstimate(given, estimate)
      const parameters = asked.bind?.values ?? []
      const subject: Subject = {
        kind: 'statement',
        text: maskSecrets(asked.text, work.classified),
        parameters: parameters.map((value, i) => shown(value, asked.bind?.formats[i] ?? 0)),
        actions,
        state: state.snapshot(inTransaction),
        ...(locks === undefined ? {} : { locks }),
        notCovered: notCovered(work, parameters),
      }
      const digest = statementDigest({
        resource,
        principal: principal.id,
        text: Buffer.from(asked.text),
        protocol: asked.protocol,
        parameters: parameters.map((bytes, i) => ({ format: asked.bind?.formats[i] ?? 0, bytes })),
        parameterTypes: asked.types,
        state: subject.state,
      })
      return await holdForReview({
        app,
        input: {
          session,
          principal,
          resource,
          subject,
          digest,
          decision,
          revision: bench.snapshot.revision,
          context: this.#judge.context(),
          ...(state.reason === undefined ? {} : { reason: state.reason }),
          ...(inTransaction ? { waitAtMostMs: this.#of.holdInTransactionMs } : {}),
        },
        snapshot: bench.snapshot,
        because: work.because,
        estimate,
        timeZone: state.timeZone,
        kind: 'statement',
        wait,
        tell: (told) => this.#tell(told),
        log: (error, what) => this.#log(error, what),
      })
    } finally {
      this.#wait = undefined
    }
  }

  /** Read the session's state again, and have the catalogue looked at. False when it could not be had. */
  async #look(): Promise<boolean> {
    const { state, watch } = this.#of
    if (state.catalogueStale) {
      try {
        await watch?.refresh()
      } catch (error) {
        this.#log(error, 'the catalogue of the target could not be read')
        return false
      }
      state.catalogueStale = false
    }
    const rows = await this.#line.ask(STATE_QUERY)
    const row = rows?.[0]
    if (!state.read(row, this.#line.inTransaction)) return false
    const listed = row?.[8]
    if (typeof listed === 'string') this.#prepared.reconcile(JSON.parse(listed) as [string, string][])
    return state.report('client_encoding', state.encoding) === undefined && state.standardConformingStrings
  }

  async #estimate(work: Work, asked: Asked) {
    const { control, target, database, state } = this.#of
    if (!work.estimable || (asked.bind?.values.length ?? 0) > 0) return undefined
    try {
      return await control.estimate(target, database, asked.text, state.searchPath)
    } catch (error) {
      this.#log(error, 'the estimate could not be had')
      return undefined
    }
  }

  async #locks(report: Promise<LockReport>): Promise<LockReport | undefined> {
    try {
      return await report
    } catch (error) {
      this.#log(error, 'the locks could not be read')
      return undefined
    }
  }

  // Running and refusing

  #run(text: string, work: Work, decision: Decision, leave: Leave | undefined): Run {
    const { app, session } = this.#of
    this.#judge.ran += 1
    const run = new Run(app, { session, number: this.#judge.ran, text, work, decision, leave }, (over, failed) => {
      this.#runs.delete(over)
      this.#grants.over(over)
      if (failed) this.#of.state.failed()
    })
    this.#runs.add(run)
    if (leave !== undefined) this.#grants.use(run, leave)
    return run
  }

  /** What the gateway now believes of the session. Answers how to take back what a failure would make untrue. */
  #follow(work: Work, text: string): ((skipped: boolean) => void) | undefined {
    if (work.effects.every((effect) => effect.kind === 'none') && !work.changes) return undefined
    const { state } = this.#of
    const undos: (() => void)[] = []
    for (const effect of work.effects) {
      state.follow(effect, work.changes)
      if (effect.kind === 'prepare') undos.push(this.#prepared.set(effect.name, { text, types: [], body: effect.body }))
      else if (effect.kind === 'deallocate' && effect.name !== undefined) undos.push(this.#prepared.delete(effect.name))
      else if (effect.kind === 'discard_all' || effect.kind === 'deallocate') this.#prepared.clear()
    }
    return () => {
      for (const undo of undos.reverse()) undo()
      // Several statements may have run in part: ask the target what it has.
      if (work.effects.length > 1 || work.changes) state.doubt()
    }
  }

  /**
   * Refuse at this place: inside a transaction or a pipeline the target's transaction fails too (61a).
   * @param drained the target had nothing to say against what came before: a skipping now is the gateway's own doing.
   */
  async #refuse(told: Told, protocol: Asked['protocol'], drained = false): Promise<void> {
    await this.#line.drain()
    if (this.#ended) return
    const stash = this.#stash
    this.#stash = undefined
    stash?.expected.undo?.(true)
    const bytes = encodeTold(told)
    if (this.#line.skipping) {
      // An earlier message of the client failed, and this one is as good as never sent; or a question of the
      // gateway's own failed inside the pipeline, and the target skips to Sync already.
      if (drained) this.#out.add(bytes)
    } else if (this.#line.inTransaction) {
      if (protocol === 'simple') this.#line.failQuery(bytes)
      else this.#line.failExtended(bytes)
      await this.#line.drain()
    } else {
      this.#out.add(bytes)
      if (protocol === 'simple') this.#out.add(encodeReady('idle'))
      else this.#dropping = true
    }
    this.#out.flush()
  }

  /** A message between the target's own. Only when drained. */
  #tell(told: Told): void {
    if (this.#ended) return
    this.#out.add(encodeTold(told))
    this.#out.flush()
  }

  #log(error: unknown, what: string): void {
    this.#of.log.warn({ err: error, session: this.#of.session, resource: this.#of.resource }, what)
  }

  // The end

  #end(why: CloseReason, told?: Told, cutting = false): void {
    if (this.#ended) return
    this.#ended = true
    this.#stopCuts()
    this.#stopTimer()
    this.#wait?.interrupt(cutting ? 'cut' : 'left')
    const { client, upstream } = this.#of
    for (const run of this.#runs) run.finish('cut')
    this.#grants.close()
    client.removeAllListeners('data')
    client.resume()
    // INVARIANT: a message of ours inside one of the target's would be read as part of it.
    if (told !== undefined && this.#line.atBoundary) this.#out.add(encodeTold(told))
    this.#out.flush()
    client.end()
    setTimeout(() => client.destroy(), 1000).unref()
    upstream.removeAllListeners('data')
    upstream.resume()
    if (!cutting) upstream.end(TERMINATE)
    void this.#bury(why, cutting).finally(() => {
      upstream.destroy()
      client.destroySoon()
      this.#finished()
    })
  }

  /** See the backend gone, then close the session in the record. The reconciler does it again where this fails. */
  async #bury(why: CloseReason, cutting: boolean): Promise<void> {
    const { app, backend, control, session, target, upstream } = this.#of
    try {
      if (cutting) void this.#of.cancelTarget()
      else await closed(upstream, 500)
      const gone =
        (!cutting && upstream.closed && (await control.isGone(target, backend))) ||
        (await control.terminate(target, backend, 5000))
      if (!gone)
        this.#of.log.error({ session, resource: this.#of.resource }, 'the backend of a closed session is still there')
    } catch (error) {
      this.#log(error, 'the end of a backend could not be seen')
    }
    try {
      await app.closeSession(session, why)
    } catch (error) {
      this.#log(error, 'the end of a session could not be recorded')
    }
  }
}

const closed = (socket: Socket, withinMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) return resolve()
    const timer = setTimeout(resolve, withinMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Larger values are not put before people; the digest covers them all the same. */
const LARGEST_SHOWN = 64 * 1024

function shown(value: Buffer | null, format: number): ShownParameter {
  if (value === null) return { kind: 'null' }
  if (value.length > LARGEST_SHOWN) return { kind: 'masked', bytes: value.length }
  return format === 0 ? { kind: 'text', text: value.toString('utf8') } : { kind: 'binary', hex: value.toString('hex') }
}

function notCovered(work: Work, parameters: readonly (Buffer | null)[]): string[] {
  const told = work.copies ? ['the rows that COPY FROM STDIN will send'] : []
  const large = parameters.flatMap((value, i) => (value !== null && value.length > LARGEST_SHOWN ? [`$${i + 1}`] : []))
  return large.length === 0 ? told : [...told, `too large to be shown: ${large.join(', ')}`]
}
