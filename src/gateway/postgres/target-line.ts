import type { Duplex } from 'node:stream'
import {
  BACKEND,
  columnsOf,
  decodeDataRow,
  decodeFields,
  decodeParameterStatus,
  decodeParameterTypes,
  decodeReady,
  isCommandComplete,
  isCopyResponse,
  isNotification,
  rowsOf,
  targetLimits,
} from '../../wire/postgres/backend.ts'
import type { TransactionStatus } from '../../wire/postgres/backend.ts'
import { DataRowCheck } from '../../wire/postgres/data-row.ts'
import { FrameReader } from '../../wire/postgres/frame.ts'
import type { Piece } from '../../wire/postgres/frame.ts'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
} from '../../wire/postgres/frontend.ts'
import { AnswerOrder } from './answer-order.ts'
import { Outbox } from './outbox.ts'
import { Owed } from './owed.ts'
import { LIFT, LOWER } from './target-state.ts'

/** Bounds the rows of a run. */
export interface RowGate {
  /** Whether one more row may pass. Called for every row. */
  takes(): boolean
  /** One may not: nothing more of the target's is read until `proceed`. */
  reached(): void
}

/** How one run of a statement ends, told by what the target answers. */
export interface RunListener {
  /** Set where its rows are bounded. */
  readonly gate?: RowGate | undefined
  rows(count: number): void
  /** `suspended`: a row limit was reached, the portal may go on. */
  ended(how: 'succeeded' | 'failed' | 'suspended', sqlstate?: string): void
}

/** Keeps the end of an answer from the client until it is known to stand. */
export interface Keep {
  /** The last CommandComplete or EmptyQueryResponse. What the client is not told otherwise, it is told with this. */
  frame: Buffer | undefined
}

/** One answer that the target owes, in the order of what was sent. */
export interface Expected {
  readonly kind: 'parse' | 'bind' | 'close' | 'describe' | 'execute' | 'query' | 'sync'
  readonly run?: RunListener
  /** The end of it is kept: the last completion, and that the target is ready. */
  readonly keep?: Keep | undefined
  /** A question of the gateway's own: the client sees nothing of the answer. */
  readonly hidden?: Hidden
  /** The client reads this in place of the target's error. */
  readonly instead?: Buffer
  /** Takes back what the gateway believed because of this message, when the target refuses or skips it. */
  readonly undo?: (skipped: boolean) => void
  /** It was answered well. */
  readonly done?: () => void
  /** COPY FROM STDIN may begin. */
  readonly copies?: boolean
  /** One statement of it was carried out: the whole CommandComplete. */
  readonly completed?: ((frame: Buffer) => void) | undefined
  /** Of a Describe: the types of the statement's parameters. */
  readonly types?: (types: readonly number[]) => void
  /** Of a Describe or Execute: the portal, whose rows have so many columns once a Describe has said so. */
  readonly portal?: { columns?: number } | undefined
  /** An Execute with a row limit: its portal may be suspended. */
  readonly limited?: boolean
}
interface Hidden {
  readonly row?: (values: readonly (string | null)[]) => void
  readonly failed?: ((frame: Buffer, fields: ReadonlyMap<string, string>) => void) | undefined
  /** It was the client's own, which has read the end of it already: nobody reads its rows. */
  readonly swallows?: true
  /** But that the target is ready is shown. */
  readonly ready?: true
}

export interface TargetHooks {
  /** A whole message for the client. */
  deliver(bytes: Buffer): void
  /** Whole or part of a message for the client, as it came. */
  pass(piece: Piece): void
  parameter(name: string, value: string): void
  /** Whether the client's own statement_timeout may be too short for questions of the gateway's. */
  hurried(): boolean
  /** Everything in a chunk was handled: write out, and go on with what waited. */
  settled(): void
  /** @param failed something failed since it was last ready, or its transaction had failed by then. */
  ready(status: TransactionStatus, failed: boolean): void
  /** The target broke the protocol, in words for the log. */
  violation(what: string): void
  /** `said`: the target gave a reason, and the client has read it. */
  left(said: boolean): void
}

/** Reached by parsing alone, this text fails in every PostgreSQL: it fails the transaction that a refusal stands in. */
const ALWAYS_FAILS = 'holdpoint: refused before it reached the database'
/** Names no client would use for its own statements and portals. */
const OWN = 'holdpoint.d1f0c2'

/** The state of a session names its temporary objects and prepared statements: never near this many bytes of rows. */
const LARGEST_OWN_ANSWER = 64 * 1024 * 1024

/**
 * The gateway's side of the connection to a target: what was sent, what is owed for it, and the transaction that it
 * left the target in. Every message of the target is matched with what is owed; one that does not fit is a violation.
 */
export class TargetLine {
  readonly #socket: Duplex
  readonly #hooks: TargetHooks
  readonly #reader = new FrameReader(targetLimits)
  readonly #rows = new DataRowCheck()
  readonly #order = new AnswerOrder()
  /** A row of the answer under way was seen, or described. */
  #rowsBegun = false
  readonly #out: Outbox
  readonly #owed = new Owed()
  /** The parts of a row for the gateway itself that crossed the border between two chunks. */
  #row: Buffer[] = []
  #rowBytes = 0
  #idle: (() => void)[] = []
  status: TransactionStatus = 'idle'
  /** Bind or Execute went out since the last Sync: an implicit transaction may be open. */
  unsynced = false
  /** Execute did. */
  executed = false
  /** The target reported an error and ignores everything up to the next Sync. */
  skipping = false
  /** `awaiting`: a COPY FROM STDIN may begin or has ended, and nothing may be sent before the target says. */
  copy: 'none' | 'awaiting' | 'in' = 'none'
  /** What `copy` is about: an answer to one before it says nothing of it. */
  #copier: Expected | undefined
  /** Something of the extended protocol went out since the last Sync. */
  #begun = false
  #ended = false
  /** An error came since the target was last ready. */
  #failed = false
  /** The target has said why it ends the session. */
  #farewell = false
  /** A row that waits for a decision. */
  #halted: Piece | undefined

  constructor(socket: Duplex, hooks: TargetHooks) {
    this.#socket = socket
    this.#hooks = hooks
    this.#out = new Outbox(socket)
  }

  /** Begin to read. */
  open(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('close', () => this.#leave())
    this.#socket.on('end', () => this.#leave())
    this.#socket.on('error', () => this.#leave())
    this.#socket.resume()
  }

  get quiet(): boolean {
    return this.#owed.length === 0
  }
  /** A transaction is open, said or unsaid. */
  get inTransaction(): boolean {
    return this.status !== 'idle' || this.unsynced
  }
  /** Whole messages only were handed to the client so far. */
  get atBoundary(): boolean {
    return this.#reader.atBoundary
  }
  get bytesSent(): number {
    return this.#out.sent
  }

  send(bytes: Buffer, expected?: Expected): void {
    this.#out.add(bytes)
    if (expected === undefined) return
    this.#owed.push(expected)
    if (expected.kind === 'bind' || expected.kind === 'execute') this.unsynced = true
    if (expected.kind === 'execute') this.executed = true
    this.#begun = expected.kind !== 'sync' && expected.kind !== 'query'
    // Whatever comes behind a Sync is not skipped any more.
    if (expected.kind === 'sync' || expected.kind === 'query') this.skipping = false
    if (expected.copies !== true) return
    this.copy = 'awaiting'
    this.#copier = expected
    // Nothing more is sent until the target answers, so it must not wait for a Sync.
    if (expected.kind === 'execute') this.#out.add(FLUSH)
  }
  /** The client has sent all its rows, or gave up. A simple query may have another COPY behind this one. */
  copied(): void {
    this.copy = this.#owed.first?.kind === 'query' ? 'awaiting' : 'none'
  }
  /** False when the target is slower than the client. */
  flush(): boolean {
    return this.#out.flush()
  }

  /** Resolves once the target has answered everything that was sent, or has left. */
  async drain(): Promise<void> {
    if (this.#ended || this.#owed.length === 0) return
    const last = this.#owed.last?.kind
    if (last !== 'sync' && last !== 'query') this.#out.add(FLUSH)
    this.flush()
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Let the target end what it began for a Parse or Describe alone. Only when drained and outside of a transaction. */
  async rest(): Promise<void> {
    if (!this.#begun) return
    this.send(SYNC, { kind: 'sync', hidden: {} })
    await this.drain()
  }

  /**
   * Ask the target something on the client's own connection, unseen by it. Only when drained and not `failed`.
   * Undefined when it could not be had.
   * @param open leave the implicit transaction open, which the client's own Sync then ends.
   * @param refused told the target's error. What may fail by the client's own doing keeps the client's own time, too.
   */
  async ask(
    sql: string,
    open = false,
    refused?: (error: Buffer) => void,
  ): Promise<readonly (readonly (string | null)[])[] | undefined> {
    const found: (readonly (string | null)[])[] = []
    this.#rowBytes = 0
    let failed = false
    const hidden: Hidden = {
      row: (values) => void found.push(values),
      failed: (frame) => {
        failed = true
        refused?.(Buffer.from(frame))
      },
    }
    const within = this.unsynced
    const hurried = refused === undefined && this.#hooks.hurried()
    // One that failed was left behind.
    this.send(encodeClose('statement', OWN), { kind: 'close', hidden })
    if (hurried) this.#run(LIFT, { failed: hidden.failed })
    this.#run(sql, hidden)
    // It ends with the transaction that the question is by itself.
    if (hurried && (within || open || this.status !== 'idle')) this.#run(LOWER, { failed: hidden.failed })
    // INVARIANT: a Sync would commit an implicit transaction that the client has not finished.
    if (!within && !open) this.send(SYNC, { kind: 'sync', hidden })
    await this.drain()
    return failed || this.#ended ? undefined : found
  }

  #run(sql: string, hidden: Hidden): void {
    this.send(encodeParse(OWN, sql), { kind: 'parse', hidden })
    this.send(encodeBind(OWN, OWN), { kind: 'bind', hidden })
    this.send(encodeExecute(OWN), { kind: 'execute', hidden })
    this.send(encodeClose('portal', OWN), { kind: 'close', hidden })
    this.send(encodeClose('statement', OWN), { kind: 'close', hidden })
  }

  /**
   * Have the target do something, unseen by the client; it discards the unnamed statement, as every simple query does.
   * Answers the target's error, ready for the client; undefined when it is done, or the target has left. Only when drained.
   */
  async say(sql: string): Promise<Buffer | undefined> {
    let error: Buffer | undefined
    const hidden: Hidden = { failed: (frame) => void (error = Buffer.from(frame)) }
    this.send(encodeQuery(sql), { kind: 'query', hidden })
    await this.drain()
    return error
  }

  /**
   * Whether the target's own grammar refuses `text`: its error then, ready for the client, and the transaction
   * failed as it would have. Undefined when it may accept the text, or that cannot be told.
   */
  async refuses(text: string): Promise<Buffer | undefined> {
    let error: Buffer | undefined
    const hidden: Hidden = {
      failed: (frame, fields) => {
        // Several statements in one text are refused by a Parse for that reason alone, after the grammar took them.
        if (fields.get('C') === '42601' && (fields.get('R') ?? 'exec_parse_message') !== 'exec_parse_message') {
          error = Buffer.from(frame)
        }
      },
    }
    // INVARIANT: in a transaction that has failed, Parse applies the grammar and refuses the rest: analysing the text
    // would already run the checks of the types of its literals (exec_parse_message in postgres.c).
    const before = this.status
    const quietly = (sql: string): void => this.send(encodeQuery(sql), { kind: 'query', hidden: {} })
    if (before !== 'failed') {
      quietly(before === 'idle' ? 'BEGIN' : `SAVEPOINT "${OWN}"`)
      quietly(ALWAYS_FAILS)
    }
    this.send(encodeClose('statement', OWN), { kind: 'close', hidden })
    this.send(encodeParse(OWN, text), { kind: 'parse', hidden })
    this.send(encodeClose('statement', OWN), { kind: 'close', hidden })
    this.send(SYNC, { kind: 'sync', hidden })
    if (before === 'idle') quietly('ROLLBACK')
    await this.drain()
    if (before === 'open' && error === undefined) {
      quietly(`ROLLBACK TO "${OWN}"`)
      quietly(`RELEASE "${OWN}"`)
      await this.drain()
    }
    return error
  }

  /** Refuse inside what is open on the target: its transaction fails too, and the client reads `told` at its place. */
  failQuery(told: Buffer): void {
    this.send(encodeQuery(ALWAYS_FAILS), { kind: 'query', instead: told })
  }
  failExtended(told: Buffer): void {
    this.send(encodeParse(OWN, ALWAYS_FAILS), { kind: 'parse', instead: told })
  }

  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }

  // INVARIANT: a run that the target did not answer has not failed: it may have been done. Its listener hears nothing,
  // and the end of the session says that nobody knows.
  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#owed.clear()
    this.#wake()
    this.#hooks.left(this.#farewell)
  }

  #wake(): void {
    const waiting = this.#idle
    if (waiting.length === 0) return
    this.#idle = []
    for (const resolve of waiting) resolve()
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return
    this.#reader.push(chunk)
    this.#read()
  }

  /** A row stands at the limit of its run: it waits here, and all that is behind it. */
  #halt(piece: Piece, gate: RowGate): void {
    this.#halted = piece
    this.#socket.pause()
    gate.reached()
  }
  /** Go on with the row that waits. */
  proceed(): void {
    const piece = this.#halted
    if (piece === undefined || this.#ended) return
    this.#halted = undefined
    if (this.#owed.first?.hidden === undefined) this.#hooks.pass(piece)
    this.#socket.resume()
    this.#read()
  }
  /**
   * The client has been told the end of the answer that waits: nothing more of it is shown, up to where the target is
   * ready again.
   * @param alone hold that back, too, when nothing is owed behind it.
   * @returns `held`: it is held back; `open`: no Sync was sent yet; `shown`: more stands behind it, and it is shown.
   */
  stop(alone: boolean): 'held' | 'open' | 'shown' {
    const { length, stretch } = this.#owed
    const held = alone && stretch === length
    const hidden: Hidden = { swallows: true, ...(held ? {} : { ready: true }) }
    this.#owed.replace(stretch ?? length, (one) => ({ ...one, hidden }))
    return held ? 'held' : stretch === undefined ? 'open' : 'shown'
  }
  /** Fail the transaction that is open, unseen by the client. @param synced whether its Sync has been answered. */
  async failQuietly(synced: boolean): Promise<void> {
    this.send(encodeParse(OWN, ALWAYS_FAILS), { kind: 'parse', hidden: {} })
    if (synced) this.send(SYNC, { kind: 'sync', hidden: {} })
    await this.drain()
  }

  #read(): void {
    while (this.#halted === undefined) {
      const piece = this.#reader.next()
      if (piece === undefined) break
      const wrong =
        piece.kind === 'violation' ? `${piece.reason} (type ${piece.tag}, ${piece.length} bytes)` : this.#take(piece)
      if (wrong === undefined) continue
      this.#ended = true
      this.#owed.clear()
      this.#wake()
      this.#hooks.violation(wrong)
      return
    }
    if (this.#owed.length === 0) this.#wake()
    this.#hooks.settled()
  }

  /** Handles one piece; answers in words what is wrong with it. */
  #take(piece: Piece): string | undefined {
    const head = this.#owed.first
    const shown = head?.hidden === undefined
    switch (piece.tag) {
      case BACKEND.DataRow:
        if (head === undefined || (head.kind !== 'query' && head.kind !== 'execute'))
          return 'a row that nobody asked for'
        if (!this.#rowsBegun) {
          if (head.kind === 'query' || this.#order.copyData()) return 'a row without a description'
          this.#rowsBegun = true
          this.#rows.expect(head.portal?.columns)
        }
        if (!this.#rows.accept(piece)) return 'a row whose columns do not add up'
        if (!shown) return this.#gather(piece, head.hidden)
        if (head.run?.gate !== undefined && piece.first && !head.run.gate.takes()) this.#halt(piece, head.run.gate)
        else this.#hooks.pass(piece)
        return undefined
      case BACKEND.Notice:
        return this.#notice(piece.bytes, shown)
      case BACKEND.Notification:
        if (!isNotification(piece.bytes)) return 'a malformed notification'
        this.#hooks.deliver(piece.bytes)
        return undefined
      case BACKEND.ParameterStatus: {
        const parameter = decodeParameterStatus(piece.bytes)
        if (parameter === undefined) return 'a malformed parameter status'
        this.#hooks.parameter(parameter.name, parameter.value)
        // What a question of the gateway's own sets for its own time is put back before the client is heard again.
        if (shown || parameter.name !== 'search_path') this.#hooks.pass(piece)
        return undefined
      }
      case BACKEND.Error:
        return this.#fail(piece.bytes, head)
      case BACKEND.ReadyForQuery:
        return this.#ready(piece, head)
      default:
        return head === undefined ? 'a message that nobody asked for' : this.#answer(piece, head, shown)
    }
  }

  /** The first that is owed was answered. */
  #shift(): void {
    this.#owed.shift()
    this.#order.begin()
    this.#rowsBegun = false
  }

  /** What a question of the gateway's own makes the target remark is not for the client; that it is going to end is. */
  #notice(frame: Buffer, shown: boolean): string | undefined {
    const fields = decodeFields(frame)
    if (fields === undefined) return 'a malformed notice'
    if (shown || fields.get('C')?.startsWith('57') === true) this.#hooks.deliver(frame)
    return undefined
  }

  /** A row for the gateway itself is read whole. */
  #gather(piece: Piece, hidden: Hidden | undefined): string | undefined {
    if (hidden?.swallows === true) return undefined
    if (piece.first) this.#row = []
    this.#rowBytes += piece.bytes.length
    if (this.#rowBytes > LARGEST_OWN_ANSWER) return 'more rows than what was asked for can have'
    this.#row.push(piece.bytes)
    if (!piece.last) return undefined
    const whole = this.#row.length === 1 ? piece.bytes : Buffer.concat(this.#row)
    this.#row = []
    hidden?.row?.(decodeDataRow(whole) ?? [])
    return undefined
  }

  #answer(piece: Piece, head: Expected, shown: boolean): string | undefined {
    const kind = head.kind
    const runs = kind === 'query' || kind === 'execute'
    let consumed = false
    switch (piece.tag) {
      case BACKEND.ParseComplete:
        consumed = kind === 'parse'
        if (!consumed) return 'an unexpected ParseComplete'
        break
      case BACKEND.BindComplete:
        consumed = kind === 'bind'
        if (!consumed) return 'an unexpected BindComplete'
        break
      case BACKEND.CloseComplete:
        consumed = kind === 'close'
        if (!consumed) return 'an unexpected CloseComplete'
        break
      case BACKEND.ParameterDescription:
        if (kind !== 'describe') return 'an unexpected ParameterDescription'
        {
          const types = decodeParameterTypes(piece.bytes)
          if (types === undefined) return 'a parameter description that does not add up'
          head.types?.(types)
        }
        break
      case BACKEND.NoData:
        consumed = kind === 'describe'
        if (!consumed) return 'an unexpected NoData'
        break
      case BACKEND.RowDescription: {
        const columns = columnsOf(piece.chunk, piece.start, piece.end)
        if (columns === undefined) return 'a row description that does not add up'
        consumed = kind === 'describe'
        if (consumed) {
          if (head.portal !== undefined) head.portal.columns = columns
        } else if (kind !== 'query' || !this.#order.described()) return 'an unexpected RowDescription'
        else {
          this.#rowsBegun = true
          this.#rows.expect(columns)
        }
        break
      }
      case BACKEND.CommandComplete:
        if (!isCommandComplete(piece.chunk, piece.start, piece.end)) return 'a command tag that does not add up'
        if (!runs || !this.#order.completed()) return 'an unexpected CommandComplete'
        this.#rowsBegun = false
        head.run?.rows(rowsOf(piece.chunk, piece.start, piece.end) ?? 0)
        head.completed?.(piece.bytes)
        consumed = kind === 'execute'
        if (consumed) head.run?.ended('succeeded')
        break
      case BACKEND.EmptyQuery:
        if (!runs || !this.#order.completed()) return 'an unexpected EmptyQueryResponse'
        consumed = kind === 'execute'
        if (consumed) head.run?.ended('succeeded')
        break
      case BACKEND.PortalSuspended:
        consumed = kind === 'execute' && head.limited === true
        if (!consumed) return 'an unexpected PortalSuspended'
        head.run?.ended('suspended')
        break
      case BACKEND.CopyIn:
        if (!runs || head.copies !== true || !this.#order.copiesIn()) return 'an unexpected CopyInResponse'
        if (!isCopyResponse(piece.bytes)) return 'a CopyInResponse that does not add up'
        this.copy = 'in'
        break
      case BACKEND.CopyOut:
        if (!runs || !this.#order.copiesOut()) return 'an unexpected CopyOutResponse'
        if (!isCopyResponse(piece.bytes)) return 'a CopyOutResponse that does not add up'
        break
      case BACKEND.CopyData:
        if (!this.#order.copyData()) return 'copy data that nobody asked for'
        break
      case BACKEND.CopyDone:
        if (!this.#order.copyDone()) return 'copy data that nobody asked for'
        break
      default:
        return 'a message of an unexpected type'
    }
    if (shown && head.keep === undefined) this.#hooks.pass(piece)
    else if (shown && head.keep !== undefined) this.#keep(piece, head.keep)
    if (consumed) {
      this.#shift()
      head.done?.()
      if (head === this.#copier) this.copy = 'none'
    }
    return undefined
  }

  /** Only what is last is kept: a completion with more behind it goes on as it came. */
  #keep(piece: Piece, keep: Keep): void {
    this.#letGo(keep)
    if (piece.tag === BACKEND.CommandComplete || piece.tag === BACKEND.EmptyQuery) keep.frame = Buffer.from(piece.bytes)
    else this.#hooks.pass(piece)
  }
  #letGo(keep: Keep): void {
    if (keep.frame !== undefined) this.#hooks.deliver(keep.frame)
    keep.frame = undefined
  }

  #fail(frame: Buffer, head: Expected | undefined): string | undefined {
    const fields = decodeFields(frame)
    if (fields === undefined) return 'a malformed error'
    const severity = fields.get('V') ?? fields.get('S')
    const sqlstate = fields.get('C') ?? 'XX000'
    const fatal = severity === 'FATAL' || severity === 'PANIC'
    if (head === undefined && !fatal) return 'an error that answers nothing'
    this.#failed = true
    if (head === undefined || fatal) {
      // The target ends the session by itself (shut down, terminated, idle too long): pass its words on.
      for (let owed = this.#owed.shift(); owed !== undefined; owed = this.#owed.shift())
        owed.run?.ended('failed', sqlstate)
      this.#order.begin()
      this.#rowsBegun = false
      this.#farewell = true
      this.#hooks.deliver(frame)
      return undefined
    }
    if (head.keep !== undefined) this.#letGo(head.keep)
    if (head.kind === 'sync') this.#hooks.deliver(frame) // a deferred constraint, at the commit that Sync is
    else if (head.hidden !== undefined) head.hidden.failed?.(frame, fields)
    else this.#hooks.deliver(head.instead ?? frame)
    head.run?.ended('failed', sqlstate)
    head.undo?.(false)
    this.#order.failed()
    this.#rowsBegun = false
    if (head === this.#copier) this.copy = head.kind === 'query' ? 'awaiting' : 'none'
    if (head.kind === 'query' || head.kind === 'sync') return undefined
    this.#shift()
    for (let next = this.#owed.first; next !== undefined && next.kind !== 'sync'; next = this.#owed.first) {
      // INVARIANT: a Query behind an error and before a Sync is ignored by the target, like everything else there.
      next.run?.ended('failed', '25P02')
      next.undo?.(true)
      if (next === this.#copier) this.copy = 'none'
      this.#owed.shift()
    }
    // A Sync that is under way already ends the skipping before anything sent from now on arrives.
    this.skipping = this.#owed.length === 0
    return undefined
  }

  #ready(piece: Piece, head: Expected | undefined): string | undefined {
    const status = decodeReady(piece.chunk, piece.start, piece.end)
    if (status === undefined) return 'a transaction status that does not exist'
    if (head === undefined || (head.kind !== 'sync' && head.kind !== 'query')) return 'an unexpected ReadyForQuery'
    if (head.kind === 'query' && !this.#order.isWhole) return 'a ReadyForQuery before anything is complete'
    this.#shift()
    const failed = this.#failed || this.status === 'failed'
    this.#failed = false
    this.status = status
    // More may have been sent behind the Sync that is answered here.
    this.unsynced = this.#owed.opens
    this.executed = this.unsynced
    this.skipping = false
    if (head === this.#copier) this.copy = 'none'
    if (head.kind === 'query') head.run?.ended('succeeded')
    head.done?.()
    if ((head.hidden === undefined && head.keep === undefined) || head.hidden?.ready === true) this.#hooks.pass(piece)
    this.#hooks.ready(status, failed)
    return undefined
  }
}
