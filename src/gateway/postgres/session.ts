import type { Writable } from 'node:stream'
import type { CutOrder } from '../../app/ports/gateway.ts'
import type { CloseReason } from '../../domain/session/session.ts'
import { encodeParameterStatus, encodeTold } from '../../wire/postgres/encode.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import { FrameReader } from '../../wire/postgres/frame.ts'
import type { Piece, Violation } from '../../wire/postgres/frame.ts'
import { clientLimits, decodeQuery, FRONTEND, TERMINATE } from '../../wire/postgres/frontend.ts'
import { assume, leaveRole } from './as-role.ts'
import { bury } from './bury.ts'
import { atDeadline } from './deadline.ts'
import { countingOf, runCountedQuery } from './counted-run.ts'
import { Desk } from './desk.ts'
import type { Cleared } from './desk.ts'
import { Extended } from './extended.ts'
import type { Handled } from './extended.ts'
import { hearOut } from './hear-out.ts'
import { Outbox } from './outbox.ts'
import { RecordedFirst } from './recorded-first.ts'
import type { SessionParts } from './session-parts.ts'
import { clearAtOnce, settle, SYNC_FIRST } from './settle.ts'
import { TargetLine } from './target-line.ts'
import type { Keep, RunListener } from './target-line.ts'
import { fatal, notUnderstood, SHUT_DOWN } from './told.ts'

/*
 * One client connection, from its first ReadyForQuery to its end.
 *
 * Client messages are handled strictly in order, one at a time. `#handle` either deals with a message at once (the
 * way of everything that policy allows: classify, decide, forward the bytes as they came) or answers a promise, and
 * until it settles no later message is looked at: that is how nothing behind a held statement runs. While it waits
 * the socket is still read, within a bound, so that a client that leaves is noticed.
 *
 *   ways out: the client leaves or terminates | the target leaves | a violation on either side | cut
 *   each ends in `#end`, once.
 */

/** Bytes read from a client behind a message that waits. More than this, and the client is no longer read. */
const READ_AHEAD = 4 * 1024 * 1024
/** While a client that waits is not read, it is written to this often: that is how its leaving is noticed then. */
const PROBE_MS = 2000
/** How long a client that is told good-bye may take to close. */
const LINGER_MS = 1000
/** How long a backend that is cut keeps its connection while it is being terminated from another. */
const ALONE_MS = 200

export class GatewaySession {
  readonly #of: SessionParts
  readonly #reader = new FrameReader(clientLimits)
  /** Where answers are written: the client, or what keeps them back until the record holds what they answer. */
  readonly #answers: Writable
  readonly #out: Outbox
  readonly #line: TargetLine
  readonly #desk: Desk
  readonly #extended: Extended
  #busy = false
  /** Terminate came: what was sent before it runs to its end. */
  #farewell = false
  /** It ends as soon as it runs nothing and no transaction is open. */
  #draining = false
  /** It ends while the client still sends a message that is too large. */
  #midMessage = false
  /** A CancelRequest is on its way to the target. */
  #cancelling = false
  #probe: NodeJS.Timeout | undefined
  #stopCuts: () => void = () => undefined
  #stopTimer: () => void = () => undefined
  #finished!: () => void
  /** Resolves once nothing of the session is left. Never rejects. */
  readonly finished = new Promise<void>((resolve) => (this.#finished = resolve))

  constructor(of: SessionParts) {
    this.#of = of
    this.#answers = of.recordFirst ? this.#recordedFirst() : of.client
    this.#out = new Outbox(this.#answers)
    this.#line = new TargetLine(of.upstream, {
      deliver: (bytes) => this.#out.add(bytes),
      pass: (piece) => this.#out.pass(piece),
      parameter: (name, value) => {
        const wrong = of.state.report(name, value)
        if (wrong !== undefined) this.#end('failed', fatal('0A000', wrong))
      },
      hurried: () => of.state.hurried,
      ready: (status, failed) => {
        if (status === 'idle') {
          this.#desk.beforeSync = undefined
          this.#desk.cursors.transactionOver()
        }
        if (status === 'idle') of.state.transactionOver(this.#line.quiet)
        if (status === 'idle' && this.#line.quiet) this.#extended.transactionOver()
        if (this.#desk.reviewed.size > 0) this.#desk.reviewed.ready(status === 'idle', failed)
      },
      settled: () => {
        if (!this.#out.flush()) this.#line.pause()
        this.#pump()
        if (this.#draining) this.#endIfIdle()
      },
      violation: (what) => {
        of.log.error({ session: of.session, resource: of.resource, what }, 'the target broke the protocol')
        this.#end('failed', fatal('08P01', 'the target broke the protocol; the session was closed'))
      },
      left: (said) => this.#end('target_left', said ? undefined : this.#lostTarget()),
    })
    this.#desk = new Desk(of, this.#out, this.#line, (order) => this.cut(order))
    this.#extended = new Extended(this.#desk)
    this.#desk.limited = (handle) => this.#atLimit(handle)
  }

  /** Begin, with what the client reads first. `expiresInMs`: the session's own time, by this process's clock. */
  start(welcome: Buffer, expiresInMs: number | undefined): void {
    const { client, upstream, app, session } = this.#of
    client.on('data', (chunk: Buffer) => this.#receive(chunk))
    for (const event of ['end', 'close', 'error'] as const) client.on(event, () => this.#leave())
    this.#answers.on('drain', () => this.#line.resume())
    upstream.on('drain', () => {
      if (!this.#busy && this.#line.copy !== 'awaiting') this.#readOn()
    })
    if (expiresInMs !== undefined) {
      const over: CutOrder = { reason: 'expired', why: 'the session ended (expired)' }
      this.#stopTimer = atDeadline(expiresInMs, () => this.cut(over))
    }
    this.#stopCuts = app.onCut(session, (order) => this.cut(order))
    this.#line.open()
    this.#out.add(welcome)
    this.#out.flush()
    client.resume()
  }

  #recordedFirst(): Writable {
    const { app, client, log, session } = this.#of
    const held = new RecordedFirst(client, async () => {
      for (const run of this.#desk.runs) run.announce()
      await app.recorded()
    })
    return held.on('error', (error) => {
      log.error({ err: error, session }, 'the statement record could not be written; what it lacks is not answered')
      this.#end('failed')
      client.destroySoon()
    })
  }

  /** A CancelRequest with this session's key. */
  cancel(): void {
    if (this.#desk.wait !== undefined) return this.#desk.wait.interrupt('cancelled')
    // However often it is asked for, the target sees one connection for it at a time.
    if (this.#cancelling) return
    this.#cancelling = true
    void this.#of.cancelTarget().finally(() => (this.#cancelling = false))
  }

  /** End it now, whatever runs: the backend is terminated and looked for until it is gone. */
  cut(order: CutOrder): void {
    this.#end(order.reason === 'expired' ? 'expired' : 'cut', fatal('57P01', order.why), true)
  }

  /**
   * The server is to stop: end it as PostgreSQL ends a session, as soon as nothing runs, nothing waits for people and no
   * transaction is open. Whoever wants it over by a certain time cuts it then.
   */
  drain(): void {
    this.#draining = true
    this.#endIfIdle()
  }

  #endIfIdle(): void {
    const idle = !this.#busy && this.#line.quiet && !this.#line.inTransaction && this.#reader.atBoundary
    if (idle) this.#end('cut', fatal('57P01', SHUT_DOWN))
  }

  #receive(chunk: Buffer): void {
    if (this.#desk.ended) return
    this.#reader.push(chunk)
    this.#pump()
    if (this.#desk.wait !== undefined && this.#reader.holds(FRONTEND.Terminate)) this.#leave()
    if (this.#reader.buffered > READ_AHEAD && (this.#busy || this.#line.copy === 'awaiting')) {
      this.#of.client.pause()
      this.#probe ??= setInterval(() => this.#stillThere(), PROBE_MS).unref()
    }
  }

  /** Tells a client that waits and is not read what it knows already. When it has left, the socket says so. */
  #stillThere(): void {
    if (this.#desk.wait === undefined || this.#desk.ended || !this.#line.atBoundary) return
    this.#out.add(encodeParameterStatus('TimeZone', this.#of.state.timeZone))
    this.#out.flush()
  }

  /** The client is gone, or will say nothing more: what it runs ends with it, unless it said good-bye before. */
  #leave(): void {
    if (!this.#farewell) this.#end('client_left')
  }

  /** Handles what is buffered, in order, until something has to wait. */
  #pump(): void {
    while (!this.#desk.ended && !this.#busy && this.#line.copy !== 'awaiting') {
      const piece = this.#reader.next()
      if (piece === undefined) break
      const handled = piece.kind === 'violation' ? inWords(piece) : this.#handle(piece)
      if (handled === undefined) continue
      if (typeof handled === 'string') return this.#violate(handled)
      this.#busy = true
      handled.then(
        (wrong) => (typeof wrong === 'string' ? this.#violate(wrong) : this.#resume()),
        (error: unknown) => {
          this.#of.log.error({ err: error, session: this.#of.session }, 'the gateway failed')
          this.#end('failed', fatal('58000', 'the gateway failed; the session was closed'))
        },
      )
      break
    }
    if (this.#desk.ended) return
    if (!this.#line.flush()) this.#of.client.pause()
    else if (!this.#busy && this.#line.copy !== 'awaiting') this.#readOn()
  }

  /** What stopped the reading is over. */
  #readOn(): void {
    clearInterval(this.#probe)
    this.#probe = undefined
    if (this.#of.client.isPaused()) this.#of.client.resume()
  }

  #resume(): void {
    this.#busy = false
    if (this.#desk.ended) return
    this.#out.flush()
    this.#pump()
    if (this.#draining) this.#endIfIdle()
  }

  #atLimit(handle: (alone: boolean) => Promise<void>): void {
    const alone = !this.#busy
    if (alone) this.#busy = true
    handle(alone).then(
      () => {
        if (alone) this.#resume()
      },
      (error: unknown) => {
        this.#of.log.error({ err: error, session: this.#of.session }, 'the gateway failed')
        this.#end('failed', fatal('58000', 'the gateway failed; the session was closed'))
      },
    )
  }

  #violate(what: string): void {
    this.#midMessage = what.startsWith(TOO_LARGE)
    this.#end('failed', fatal(this.#midMessage ? '54000' : '08P01', what))
  }

  /** @param left the role of a grant was left as far as it can be now. */
  #handle(piece: Piece, left = false): Handled {
    if (this.#line.copy === 'in') return this.#copying(piece)
    const frame = piece.bytes
    const desk = this.#desk
    // The target ignores everything behind an error up to Sync, and so does a refusal.
    const dropping = desk.dropping || this.#line.skipping
    if (dropping && piece.tag !== FRONTEND.Sync && piece.tag !== FRONTEND.Terminate) return undefined
    if (desk.assumed !== undefined && !left && !this.#extended.goesOnAs(piece.tag, frame))
      return this.#leaveFirst(piece)
    if (this.#extended.mustAsk(piece.tag, frame)) return this.#askFirst(piece)
    switch (piece.tag) {
      case FRONTEND.Query:
        return this.#query(frame)
      case FRONTEND.Parse:
        return this.#extended.parse(frame)
      case FRONTEND.Bind:
        return this.#extended.bind(frame)
      case FRONTEND.Execute:
        return this.#extended.execute(frame)
      case FRONTEND.Describe:
        return this.#extended.describe(frame)
      case FRONTEND.Close:
        return this.#extended.close(frame)
      case FRONTEND.Flush:
        desk.forward(frame)
        return undefined
      case FRONTEND.Sync:
        if (!dropping && desk.mustConfirm(undefined, 'extended')) return this.#syncLater(frame)
        return this.#sync(frame)
      case FRONTEND.FunctionCall:
        return desk.refuse(FUNCTION_CALL, 'simple')
      case FRONTEND.Terminate:
        return this.#terminate()
      default:
        // Copy data behind a copy that has failed: PostgreSQL ignores it too.
        return undefined
    }
  }

  /** What ran as the role of a grant has run. */
  async #leaveFirst(piece: Piece): Promise<void | string> {
    await leaveRole(this.#desk)
    if (!this.#desk.ended) return await this.#handle(piece, true)
    return undefined
  }

  #sync(frame: Buffer): undefined {
    const desk = this.#desk
    desk.dropping = false
    desk.forward(frame, { kind: 'sync' })
    desk.stretch += 1
    return undefined
  }

  /** It commits what was done under a review. */
  async #syncLater(frame: Buffer): Promise<void> {
    const desk = this.#desk
    const told = await desk.confirm(true)
    if (told !== undefined) await desk.refuse(told, 'extended', true)
    if (!desk.ended) this.#sync(frame)
  }

  /** The Parse that waits is decided; then what came behind it. */
  async #askFirst(piece: Piece): Promise<void | string> {
    if (!(await this.#extended.askForParse()) && piece.tag !== FRONTEND.Sync) return undefined
    if (this.#desk.ended) return undefined
    return await this.#handle(piece)
  }

  #copying(piece: Piece): Handled {
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
        return 'an unexpected message during COPY FROM STDIN'
    }
  }

  #query(frame: Buffer): Handled {
    const text = decodeQuery(frame)
    if (text === undefined) return 'a malformed Query, or one that is not UTF-8'
    this.#desk.release()
    const cleared = clearAtOnce(this.#desk, text)
    if (cleared === undefined) return this.#queryLater(frame, text)
    if (this.#desk.mustConfirm(cleared.work, 'simple')) return this.#commitQuery(frame, text, cleared)
    this.#runQuery(frame, text, cleared)
    return undefined
  }

  async #queryLater(frame: Buffer, text: string): Promise<void> {
    const verdict = await settle(this.#desk, { protocol: 'simple', text, types: [], bind: undefined })
    // Whatever a simple query ends in, it discards the unnamed statement: the target's error stands for it here.
    if (verdict.kind === 'answered') this.#extended.discardUnnamed()
    if (verdict.kind === 'refused') await this.#desk.refuse(verdict.told, 'simple', true)
    if (verdict.kind !== 'go') return
    if (this.#desk.mustConfirm(verdict.work, 'simple')) return await this.#commitQuery(frame, text, verdict)
    if (verdict.leave?.role !== undefined) return await this.#queryAsRole(frame, text, verdict)
    await this.#runCleared(frame, text, verdict)
  }

  /** As the role of its grant, which is left again behind it; behind a COPY FROM STDIN, before the next message. */
  async #queryAsRole(frame: Buffer, text: string, cleared: Cleared): Promise<void> {
    const told = this.#line.unsynced
      ? notUnderstood(SYNC_FIRST)
      : await assume(this.#desk, cleared.leave, cleared.work, false)
    if (this.#desk.ended) return
    if (told !== undefined) {
      this.#desk.refused(text, cleared, told)
      await this.#desk.refuse(told, 'simple', true)
    } else await this.#runCleared(frame, text, cleared)
    if (!cleared.work.copies) await leaveRole(this.#desk)
  }

  async #runCleared(frame: Buffer, text: string, verdict: Cleared): Promise<void> {
    const counting = countingOf(verdict)
    if (counting === undefined) return this.#runQuery(frame, text, verdict)
    // A question inside an open pipeline makes it a transaction block, which a simple query then does not end.
    if (this.#line.unsynced && counting.cap === undefined) return this.#runQuery(frame, text, verdict)
    if (this.#line.unsynced) {
      const told = notUnderstood(SYNC_FIRST)
      this.#desk.refused(text, verdict, told)
      return await this.#desk.refuse(told, 'simple', true)
    }
    await runCountedQuery(this.#desk, text, verdict, counting, (run, keep) => {
      this.#sendQuery(frame, text, verdict, { run, keep })
    })
  }

  /** It commits what was done under a review. */
  async #commitQuery(frame: Buffer, text: string, cleared: Cleared): Promise<void> {
    const told = await this.#desk.confirm()
    if (this.#desk.ended || this.#line.skipping) return
    if (told === undefined) return this.#runQuery(frame, text, cleared)
    this.#desk.refused(text, cleared, told)
    this.#extended.discardUnnamed()
    await this.#desk.takeBack(told, 'simple')
  }

  #runQuery(frame: Buffer, text: string, cleared: Cleared): void {
    const run = this.#desk.run(text, cleared)
    run.executed = true
    this.#sendQuery(frame, text, cleared, { run })
  }

  #sendQuery(
    frame: Buffer,
    text: string,
    cleared: Cleared,
    heard: { readonly run: RunListener; readonly keep?: Keep },
  ): void {
    this.#extended.discardUnnamed()
    const undo = this.#desk.follow(cleared.work, text)
    const { reviewed } = this.#desk
    const completed = reviewed.size > 0 ? reviewed.watch(cleared.work.effects) : undefined
    const expected = { kind: 'query' as const, copies: cleared.work.copies, completed, ...heard }
    this.#line.send(frame, undo === undefined ? expected : { ...expected, undo })
    this.#desk.stretch += 1
  }

  async #terminate(): Promise<void> {
    this.#farewell = true
    await this.#line.drain()
    this.#end('client_left')
  }

  #lostTarget(): Told {
    const running = this.#desk.runs.size > 0 ? '; whether what ran was done is not known' : ''
    return fatal('08006', `${this.#of.resource}: the target closed the connection${running}`)
  }

  #end(why: CloseReason, told?: Told, cutting = false): void {
    const desk = this.#desk
    if (desk.ended) return
    desk.ended = true
    this.#stopCuts()
    this.#stopTimer()
    clearInterval(this.#probe)
    desk.grants.close()
    desk.wait?.interrupt(cutting ? 'cut' : 'left')
    for (const run of desk.runs) run.finish('cut')
    const settled = desk.reviewed.close()
    const { client, upstream } = this.#of
    // INVARIANT: a message of ours inside one of the target's would be read as part of it.
    if (told !== undefined && this.#line.atBoundary) this.#out.add(encodeTold(told))
    this.#out.flush()
    // Read on and forget: what is not read would reset the connection before the client has read the last message.
    client.removeAllListeners('data')
    client.resume()
    const heardOut = this.#midMessage ? hearOut(client) : undefined
    const end = (): void => {
      if (this.#answers === client) client.end()
      else this.#answers.end(() => client.end())
      setTimeout(() => client.destroy(), LINGER_MS).unref()
    }
    if (heardOut === undefined) end()
    else void heardOut.then(end)
    upstream.removeAllListeners('data')
    upstream.resume()
    // Behind a pooler it is kept until its backend is gone (`bury`), which would be somebody else's otherwise.
    if (!this.#of.pooled) this.#letGo(cutting)
    void bury(this.#of, why, cutting, settled).finally(() => {
      upstream.destroy()
      if (heardOut === undefined) client.destroySoon()
      this.#finished()
    })
  }

  #letGo(cutting: boolean): void {
    const { upstream } = this.#of
    // The target may not take the connection from which its backend is terminated; the end of this one is seen at least
    // by one that runs nothing. Not at once: it alone would let what runs be done.
    if (cutting) setTimeout(() => upstream.destroy(), ALONE_MS).unref()
    // INVARIANT: within a CopyData that the client never finished, a message of ours would be read as rows.
    else if (this.#reader.atBoundary) upstream.end(TERMINATE)
    else upstream.end()
  }
}

/** What libpq's and JDBC's large object calls run into. */
const FUNCTION_CALL: Told = {
  ...notUnderstood('function calls by number are not taken by this gateway'),
  hint: 'Use large objects through SQL: SELECT lo_from_bytea(...), lo_get(...), lo_put(...), lo_open(...), loread(...).',
}

const TOO_LARGE = 'a message larger than this gateway takes'

function inWords(violation: Violation): string {
  const type = /[ -~]/.exec(String.fromCharCode(violation.tag))?.[0] ?? violation.tag
  return violation.reason === 'length_too_large'
    ? `${TOO_LARGE}: ${violation.length.toLocaleString('en-US')} bytes (type ${type})`
    : `a message that makes no sense (type ${type}, ${violation.reason.replaceAll('_', ' ')})`
}
