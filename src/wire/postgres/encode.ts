import { BACKEND } from './backend.ts'
import type { TransactionStatus } from './backend.ts'
import { HEADER } from './frame.ts'

/** Messages that a server sends (section 54.7). Texts may not contain NUL; where one does, it is left out. */

function message(tag: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + body.length)
  bytes.writeUInt8(tag, 0)
  bytes.writeUInt32BE(4 + body.length, 1)
  body.copy(bytes, HEADER)
  return bytes
}
const clean = (text: string): string => text.replaceAll('\0', '')

/** What is told in an ErrorResponse or a NoticeResponse (section 54.8). */
export interface Told {
  readonly severity: 'FATAL' | 'ERROR' | 'NOTICE'
  /** SQLSTATE, five characters. */
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

export function encodeTold(told: Told): Buffer {
  let body = `S${told.severity}\0V${told.severity}\0C${told.code}\0M${clean(told.message)}\0`
  if (told.detail !== undefined) body += `D${clean(told.detail)}\0`
  if (told.hint !== undefined) body += `H${clean(told.hint)}\0`
  return message(told.severity === 'NOTICE' ? BACKEND.Notice : BACKEND.Error, Buffer.from(`${body}\0`))
}

const READY: Readonly<Record<TransactionStatus, Buffer>> = {
  idle: message(BACKEND.ReadyForQuery, Buffer.from('I')),
  open: message(BACKEND.ReadyForQuery, Buffer.from('T')),
  failed: message(BACKEND.ReadyForQuery, Buffer.from('E')),
}
/** Shared: do not write into it. */
export const encodeReady = (status: TransactionStatus): Buffer => READY[status]

export const encodeParameterStatus = (name: string, value: string): Buffer =>
  message(BACKEND.ParameterStatus, Buffer.from(`${clean(name)}\0${clean(value)}\0`))

export function encodeKeyData(pid: number, secret: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(pid)
  return message(BACKEND.KeyData, Buffer.concat([head, secret]))
}

const authentication = (code: number, data: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(4)
  head.writeInt32BE(code)
  return message(BACKEND.Authentication, Buffer.concat([head, data]))
}
export const encodeAuthenticationOk = (): Buffer => authentication(0)
export const encodeSasl = (mechanisms: readonly string[]): Buffer =>
  authentication(10, Buffer.from(`${mechanisms.map((name) => `${name}\0`).join('')}\0`))
export const encodeSaslContinue = (data: Buffer): Buffer => authentication(11, data)
export const encodeSaslFinal = (data: Buffer): Buffer => authentication(12, data)

/** The newest minor version spoken, and the protocol options that were asked for and are not known. */
export function encodeNegotiate(newestMinor: number, unknown: readonly string[]): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE((3 << 16) | newestMinor, 0)
  head.writeInt32BE(unknown.length, 4)
  return message(
    BACKEND.NegotiateProtocol,
    Buffer.concat([head, Buffer.from(unknown.map((name) => `${clean(name)}\0`).join(''))]),
  )
}
