import { cleartextAnswer, md5Answer } from './auth/password.ts'
import { readMechanisms, writeSaslInitialResponse } from './auth/sasl.ts'
import { checkServer, clientFinal, clientFirst } from './auth/scram-client.ts'
import type { ScramStart } from './auth/scram-client.ts'
import { SCRAM_MECHANISM, SCRAM_PLUS_MECHANISM } from './auth/scram-keys.ts'
import {
  BACKEND,
  decodeAuthentication,
  decodeDataRow,
  decodeFields,
  decodeKeyData,
  decodeNegotiate,
  decodeParameterStatus,
  decodeReady,
  targetLimits,
  targetSignInLimits,
} from './backend.ts'
import type { TransactionStatus } from './backend.ts'
import { FrameReader, HEADER, STREAMED } from './frame.ts'
import type { Piece } from './frame.ts'
import { encodePassword, encodeQuery, FRONTEND } from './frontend.ts'
import { encodeStartup } from './startup.ts'
import { BodyReader } from './text.ts'

/** How a server may have us prove who we are. `none`: it asks for nothing, and proves nothing. */
export type SignInMethod = 'scram' | 'md5' | 'cleartext' | 'none'

export interface ClientOptions {
  readonly user: string
  readonly database: string
  readonly password: string
  /** Sent with the startup message: `application_name`, for example. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Any other is refused before anything is proven. SCRAM alone when left out: only it proves the server too. */
  readonly methods?: readonly SignInMethod[]
  /** At least 18 random bytes in base64. */
  readonly nonce: string
  /**
   * What SCRAM binds to inside TLS (`serverEndPoint` of the server's certificate). With it SCRAM-SHA-256-PLUS is chosen
   * where it is offered, and a server that offers it finds out when somebody took the offer away.
   */
  readonly endPoint?: Buffer | undefined
  /** The minor version of protocol 3 to ask for; a server that knows less may answer with less. 0 when left out. */
  readonly minor?: number
}

/** Fields of an ErrorResponse or NoticeResponse that a person reads. */
export interface Said {
  readonly severity: string
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

/** What came, in order. `bytes` and values are copies or text: they may be kept. */
export type ClientEvent =
  /** Put these on the wire now. */
  | { readonly kind: 'send'; readonly bytes: Buffer }
  /** Signed in, or done with a query: another may be sent. */
  | { readonly kind: 'ready'; readonly status: TransactionStatus }
  | { readonly kind: 'notice' | 'error'; readonly said: Said }
  | { readonly kind: 'columns'; readonly names: readonly string[] }
  | { readonly kind: 'row'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'copied'; readonly bytes: Buffer }
  | { readonly kind: 'complete'; readonly tag: string }
  | { readonly kind: 'parameter'; readonly name: string; readonly value: string }
  | { readonly kind: 'key'; readonly pid: number; readonly secret: Buffer }
  /** Close the connection: what comes behind cannot be trusted. */
  | { readonly kind: 'violation'; readonly reason: string }

type State =
  | { readonly at: 'asked' }
  | { readonly at: 'scram'; readonly start: ScramStart }
  | { readonly at: 'scram_answered'; readonly signature: Buffer }
  /** Proven, as far as the method proves anything: AuthenticationOk may come. */
  | { readonly at: 'proven' }
  | { readonly at: 'signed_in' }
  | { readonly at: 'ready' }
  | { readonly at: 'busy' }
  | { readonly at: 'broken' }

/** One row, or one piece of COPY data, is held whole up to here. */
const LARGEST_ROW = 64 * 1024 * 1024

/**
 * The client's side of one connection over the simple query protocol, without a socket: bytes in, events out.
 * Refuses COPY FROM STDIN by failing it. Not for pipelining: one query at a time.
 */
export class PostgresClient {
  readonly #options: ClientOptions
  readonly #methods: readonly SignInMethod[]
  #frames = new FrameReader(targetSignInLimits)
  #state: State = { at: 'asked' }
  #keyed = false

  constructor(options: ClientOptions) {
    this.#options = options
    this.#methods = options.methods ?? ['scram']
  }

  /** The first packet. */
  start(): Buffer {
    const { user, database, parameters, minor } = this.#options
    return encodeStartup([['user', user], ['database', database], ...Object.entries(parameters ?? {})], minor)
  }

  /** @throws Error unless the last event of importance was `ready`. */
  query(text: string): Buffer {
    if (this.#state.at !== 'ready') throw new Error(`a query may not be sent while ${this.#state.at}`)
    this.#state = { at: 'busy' }
    return encodeQuery(text)
  }

  receive(chunk: Buffer): readonly ClientEvent[] {
    const events: ClientEvent[] = []
    if (this.#state.at === 'broken') return events
    this.#frames.push(chunk)
    for (let piece = this.#frames.next(); piece !== undefined; piece = this.#frames.next()) {
      const event =
        piece.kind === 'violation' ? broken(`a message that makes no sense (${piece.reason})`) : this.#read(piece)
      if (event === undefined) continue
      events.push(event)
      if (event.kind === 'violation') {
        this.#state = { at: 'broken' }
        break
      }
    }
    return events
  }

  #read({ tag, bytes }: Piece): ClientEvent | undefined {
    switch (tag) {
      case BACKEND.Authentication:
        return this.#authenticate(bytes)
      case BACKEND.ReadyForQuery:
        return this.#ready(decodeReady(bytes))
      case BACKEND.Notice:
      case BACKEND.Error:
        return said(tag === BACKEND.Error ? 'error' : 'notice', decodeFields(bytes))
      case BACKEND.ParameterStatus: {
        const parameter = decodeParameterStatus(bytes)
        return parameter === undefined ? broken('a malformed parameter') : { kind: 'parameter', ...parameter }
      }
      case BACKEND.KeyData: {
        const key = decodeKeyData(bytes)
        if (key === undefined) return broken('a malformed cancel key')
        if (this.#state.at !== 'signed_in' || this.#keyed) return broken('a cancel key out of turn')
        this.#keyed = true
        return { kind: 'key', pid: key.pid, secret: Buffer.from(key.secret) }
      }
      case BACKEND.Notification:
      case BACKEND.EmptyQuery:
      case BACKEND.CopyOut:
      case BACKEND.CopyDone:
        return undefined
      case BACKEND.NegotiateProtocol:
        return this.#negotiate(bytes)
      default:
        return this.#state.at === 'busy'
          ? answer(tag, bytes)
          : broken(`an answer to nothing (${String.fromCharCode(tag)})`)
    }
  }

  /** An older server says how much it speaks (54.2.1). It can neither ask for more nor for options that were not sent. */
  #negotiate(frame: Buffer): ClientEvent | undefined {
    const said = decodeNegotiate(frame)
    const fits = said !== undefined && said.minor <= (this.#options.minor ?? 0) && said.unknown.length === 0
    return fits && this.#state.at === 'asked' ? undefined : broken('an impossible protocol version')
  }

  #ready(status: TransactionStatus | undefined): ClientEvent {
    const { at } = this.#state
    if (status === undefined || (at !== 'signed_in' && at !== 'busy')) return broken('ready out of turn')
    if (at === 'signed_in') {
      const frames = new FrameReader((tag) => (targetLimits(tag) === STREAMED ? LARGEST_ROW : targetLimits(tag)))
      frames.push(this.#frames.rest())
      this.#frames = frames
    }
    this.#state = { at: 'ready' }
    return { kind: 'ready', status }
  }

  /** One step of signing in ("Message Flow", 54.2.1). */
  #authenticate(frame: Buffer): ClientEvent | undefined {
    const message = decodeAuthentication(frame)
    if (message === undefined) return broken('a malformed request to authenticate')
    const { code, data } = message
    const state = this.#state
    if (code === 0) {
      if (state.at === 'asked' && !this.#methods.includes('none')) return broken(NOT_ASKED)
      if (state.at !== 'asked' && state.at !== 'proven') return broken('the server did not prove what it must')
      this.#state = { at: 'signed_in' }
      return undefined
    }
    if (state.at === 'asked') return this.#prove(code, data)
    if (state.at === 'scram' && code === 11) {
      const step = clientFinal(state.start, data, this.#options.password)
      if (step.kind === 'violation') return broken(step.reason)
      this.#state = { at: 'scram_answered', signature: step.serverSignature }
      return { kind: 'send', bytes: encodePassword(step.message) }
    }
    if (state.at === 'scram_answered' && code === 12) {
      const checked = checkServer(state.signature, data)
      if (checked.kind !== 'verified')
        return broken(checked.kind === 'violation' ? checked.reason : 'the proof was refused')
      this.#state = { at: 'proven' }
      return undefined
    }
    return broken('a step of authentication out of turn')
  }

  #prove(code: number, data: Buffer): ClientEvent {
    const { user, password, nonce } = this.#options
    const asked = METHOD_OF.get(code)
    if (asked === undefined || !this.#methods.includes(asked)) {
      return broken(`the server asks for a way to sign in that is not accepted here (${asked ?? `code ${code}`})`)
    }
    if (asked === 'scram') return this.#beginScram(readMechanisms(data) ?? [], nonce)
    if (asked === 'md5' && data.length !== 4) return broken('a malformed salt')
    this.#state = { at: 'proven' }
    return {
      kind: 'send',
      bytes: encodePassword(asked === 'md5' ? md5Answer(user, password, data) : cleartextAnswer(password)),
    }
  }

  /** As libpq's `channel_binding=prefer`. */
  #beginScram(offered: readonly string[], nonce: string): ClientEvent {
    const { endPoint } = this.#options
    const plus = endPoint !== undefined && offered.includes(SCRAM_PLUS_MECHANISM)
    const mechanism = plus ? SCRAM_PLUS_MECHANISM : SCRAM_MECHANISM
    if (!offered.includes(mechanism)) return broken(`the server does not offer ${SCRAM_MECHANISM}`)
    const binding = plus ? { endPoint } : endPoint === undefined ? 'not_possible' : 'server_offers_none'
    const start = clientFirst(nonce, '', binding)
    this.#state = { at: 'scram', start }
    return { kind: 'send', bytes: encodePassword(writeSaslInitialResponse(mechanism, start.message)) }
  }
}

const METHOD_OF: ReadonlyMap<number, SignInMethod> = new Map([
  [3, 'cleartext'],
  [5, 'md5'],
  [10, 'scram'],
])

const NOT_ASKED = 'it does not ask for the password that there is for it, and may not be the right server'

const broken = (reason: string): ClientEvent => ({ kind: 'violation', reason })

/** What comes while a query runs. */
function answer(tag: number, bytes: Buffer): ClientEvent | undefined {
  switch (tag) {
    case BACKEND.RowDescription: {
      const names = columnNames(bytes)
      return names === undefined ? broken('a malformed description of rows') : { kind: 'columns', names }
    }
    case BACKEND.DataRow: {
      const values = decodeDataRow(bytes)
      return values === undefined ? broken('a malformed row') : { kind: 'row', values }
    }
    case BACKEND.CopyData:
      return { kind: 'copied', bytes: Buffer.from(bytes.subarray(HEADER)) }
    case BACKEND.CommandComplete: {
      const body = new BodyReader(bytes, HEADER)
      const tag = body.cstring()
      return body.complete ? { kind: 'complete', tag } : broken('a malformed end of a command')
    }
    case BACKEND.CopyIn:
      return { kind: 'send', bytes: COPY_FAIL }
    default:
      return broken(`an answer that a simple query does not have (${String.fromCharCode(tag)})`)
  }
}

function columnNames(frame: Buffer): readonly string[] | undefined {
  const body = new BodyReader(frame, HEADER)
  const count = body.int16()
  const names: string[] = []
  for (let i = 0; i < count && body.ok; i++) {
    names.push(body.cstring())
    body.bytes(18)
  }
  return body.complete ? names : undefined
}

function said(kind: 'error' | 'notice', fields: ReadonlyMap<string, string> | undefined): ClientEvent {
  if (fields === undefined) return broken(`a malformed ${kind}`)
  const [detail, hint] = [fields.get('D'), fields.get('H')]
  return {
    kind,
    said: {
      severity: fields.get('V') ?? fields.get('S') ?? 'ERROR',
      code: fields.get('C') ?? '',
      message: fields.get('M') ?? '',
      ...(detail === undefined ? {} : { detail }),
      ...(hint === undefined ? {} : { hint }),
    },
  }
}

const COPY_FAIL = ((): Buffer => {
  const reason = Buffer.from('this client sends no rows\0')
  const head = Buffer.alloc(HEADER)
  head.writeUInt8(FRONTEND.CopyFail, 0)
  head.writeUInt32BE(4 + reason.length, 1)
  return Buffer.concat([head, reason])
})()
