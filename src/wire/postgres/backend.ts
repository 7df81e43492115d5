import { HEADER, REFUSED, STREAMED } from './frame.ts'
import type { Limits } from './frame.ts'
import { BodyReader } from './text.ts'

/** Type bytes of what a server sends (section 54.7). */
export const BACKEND = {
  ParseComplete: 0x31, // 1
  BindComplete: 0x32, // 2
  CloseComplete: 0x33, // 3
  Notification: 0x41, // A
  CommandComplete: 0x43, // C
  DataRow: 0x44, // D
  Error: 0x45, // E
  CopyIn: 0x47, // G
  CopyOut: 0x48, // H
  EmptyQuery: 0x49, // I
  KeyData: 0x4b, // K
  Notice: 0x4e, // N
  Authentication: 0x52, // R
  ParameterStatus: 0x53, // S
  RowDescription: 0x54, // T
  ReadyForQuery: 0x5a, // Z
  CopyDone: 0x63, // c
  CopyData: 0x64, // d
  NoData: 0x6e, // n
  PortalSuspended: 0x73, // s
  ParameterDescription: 0x74, // t
  NegotiateProtocol: 0x76, // v
} as const

const MIB = 1024 * 1024
const limits = new Map<number, number>([
  [BACKEND.ParseComplete, 0],
  [BACKEND.BindComplete, 0],
  [BACKEND.CloseComplete, 0],
  [BACKEND.Notification, MIB],
  [BACKEND.CommandComplete, 1024],
  [BACKEND.DataRow, STREAMED],
  [BACKEND.Error, 16 * MIB],
  [BACKEND.CopyIn, 64 * 1024],
  [BACKEND.CopyOut, 64 * 1024],
  [BACKEND.EmptyQuery, 0],
  [BACKEND.Notice, 16 * MIB],
  [BACKEND.ParameterStatus, MIB],
  [BACKEND.RowDescription, 4 * MIB],
  [BACKEND.ReadyForQuery, 1],
  [BACKEND.CopyDone, 0],
  [BACKEND.CopyData, STREAMED],
  [BACKEND.NoData, 0],
  [BACKEND.PortalSuspended, 0],
  [BACKEND.ParameterDescription, MIB],
])

/** Once the session stands. Authentication, key data and CopyBoth have no business there. */
export const targetLimits: Limits = (tag) => limits.get(tag) ?? REFUSED
/** While signing in to a target. */
export const targetSignInLimits: Limits = (tag) => {
  if (tag === BACKEND.Authentication || tag === BACKEND.NegotiateProtocol || tag === BACKEND.KeyData) return 64 * 1024
  return tag === BACKEND.Error ||
    tag === BACKEND.Notice ||
    tag === BACKEND.ParameterStatus ||
    tag === BACKEND.ReadyForQuery
    ? 64 * 1024
    : REFUSED
}

export type TransactionStatus = 'idle' | 'open' | 'failed'

/*
 * Those that every statement meets read the message where it stands in a chunk, from `start` to `end`; left out, it is
 * the whole buffer.
 */

/** Undefined for a status that the protocol does not know. */
export function decodeReady(chunk: Buffer, start = 0, end = chunk.length): TransactionStatus | undefined {
  if (end - start !== HEADER + 1) return undefined
  const status = chunk[start + HEADER]
  if (status === 0x49) return 'idle'
  if (status === 0x54) return 'open'
  return status === 0x45 ? 'failed' : undefined
}

/** Rows in a command tag: the last number of `INSERT 0 5` or `DELETE 1204`; undefined for `BEGIN`. */
export function rowsOf(chunk: Buffer, start = 0, end = chunk.length): number | undefined {
  let rows = 0
  let scale = 1
  let at = end - 2
  for (; at >= start + HEADER; at--) {
    const digit = (chunk[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) break
    rows += digit * scale
    scale *= 10
  }
  return scale === 1 || at < start + HEADER || chunk[at] !== 0x20 ? undefined : rows
}

/** Fields of an ErrorResponse or NoticeResponse by their letter. Undefined when malformed. */
export function decodeFields(frame: Buffer): ReadonlyMap<string, string> | undefined {
  const fields = new Map<string, string>()
  for (let at = HEADER; ;) {
    const letter = frame[at]
    if (letter === undefined) return undefined
    if (letter === 0) return at === frame.length - 1 ? fields : undefined
    const end = frame.indexOf(0, at + 1)
    if (end < 0) return undefined
    // Lossy on purpose: a server may answer in its own encoding before the session stands.
    fields.set(String.fromCharCode(letter), frame.toString('utf8', at + 1, end))
    at = end + 1
  }
}

export function decodeParameterStatus(frame: Buffer): { readonly name: string; readonly value: string } | undefined {
  const body = new BodyReader(frame, HEADER)
  const name = body.cstring()
  const value = body.cstring()
  return body.complete ? { name, value } : undefined
}

export function decodeKeyData(frame: Buffer): { readonly pid: number; readonly secret: Buffer } | undefined {
  const body = new BodyReader(frame, HEADER)
  const pid = body.int32()
  const secret = body.bytes(body.left)
  return body.complete && secret.length >= 4 && secret.length <= 256 ? { pid, secret } : undefined
}

/** NegotiateProtocolVersion: the newest minor version spoken, and the options of the startup message not known there. */
export function decodeNegotiate(
  frame: Buffer,
): { readonly minor: number; readonly unknown: readonly string[] } | undefined {
  const body = new BodyReader(frame, HEADER)
  const version = body.int32()
  const count = body.int32()
  const unknown: string[] = []
  for (let i = 0; i < count && body.ok; i++) unknown.push(body.cstring())
  // The documentation says the minor version alone, and every server sends the whole one: both are understood.
  const major = version >>> 16
  return body.complete && count >= 0 && (major === 3 || major === 0) ? { minor: version & 0xffff, unknown } : undefined
}

/** Code of an Authentication message and what follows it. */
export function decodeAuthentication(frame: Buffer): { readonly code: number; readonly data: Buffer } | undefined {
  const body = new BodyReader(frame, HEADER)
  const code = body.int32()
  const data = body.bytes(body.left)
  return body.complete ? { code, data } : undefined
}

/** Column values of a whole DataRow, as text. Undefined when a length lies. */
export function decodeDataRow(frame: Buffer): readonly (string | null)[] | undefined {
  const body = new BodyReader(frame, HEADER)
  const count = body.int16()
  const values: (string | null)[] = []
  for (let i = 0; i < count && body.ok; i++) {
    const size = body.int32()
    if (size < -1) return undefined
    values.push(size === -1 ? null : body.bytes(size).toString('utf8'))
  }
  return body.complete ? values : undefined
}

/**
 * Object ids of a statement's parameter types. Undefined when malformed. Of more than 65,535, which PostgreSQL prepares
 * and nobody can bind, the number says what is left of it in 16 bits.
 */
export function decodeParameterTypes(frame: Buffer): readonly number[] | undefined {
  const body = new BodyReader(frame, HEADER)
  const said = body.int16() & 0xffff
  const count = body.left / 4
  if (!body.ok || !Number.isInteger(count) || (count & 0xffff) !== said) return undefined
  return Array.from({ length: count }, () => body.int32() >>> 0)
}

/** How many columns a RowDescription has; undefined when its fields do not add up to its length. */
export function columnsOf(chunk: Buffer, start = 0, end = chunk.length): number | undefined {
  let at = start + HEADER + 2
  if (at > end) return undefined
  const count = chunk.readInt16BE(at - 2)
  if (count < 0) return undefined
  for (let i = 0; i < count; i++) {
    while (at < end && chunk[at] !== 0) at++
    if (at >= end) return undefined
    at += 1 + 18
  }
  return at === end ? count : undefined
}

/** One text, whose end is the end of the message. */
export function isCommandComplete(chunk: Buffer, start = 0, end = chunk.length): boolean {
  let at = start + HEADER
  while (at < end && chunk[at] !== 0) at++
  return at === end - 1
}

/** A process id, a channel and a payload. */
export function isNotification(frame: Buffer): boolean {
  const channel = frame.indexOf(0, HEADER + 4)
  return channel >= 0 && frame.indexOf(0, channel + 1) === frame.length - 1
}

/** A format that exists, and one for each of the columns that are said. Of CopyInResponse and CopyOutResponse. */
export function isCopyResponse(frame: Buffer): boolean {
  if (frame.length < HEADER + 3 || (frame[HEADER] ?? 2) > 1) return false
  return frame.length === HEADER + 3 + 2 * frame.readUInt16BE(HEADER + 1)
}
