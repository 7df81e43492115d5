import { HEADER, REFUSED, STREAMED } from './frame.ts'
import type { Limits } from './frame.ts'
import { BodyReader } from './text.ts'

/** Type bytes of what a client sends (section 54.7). */
export const FRONTEND = {
  Bind: 0x42, // B
  Close: 0x43, // C
  Describe: 0x44, // D
  Execute: 0x45, // E
  FunctionCall: 0x46, // F
  Flush: 0x48, // H
  Parse: 0x50, // P
  Query: 0x51, // Q
  Sync: 0x53, // S
  Terminate: 0x58, // X
  CopyDone: 0x63, // c
  CopyData: 0x64, // d
  CopyFail: 0x66, // f
  Password: 0x70, // p
} as const

/** A text longer than this is refused: it is parsed, shown to people and kept whole. */
export const LARGEST_TEXT = 16 * 1024 * 1024
/** Parameters of one Bind. They enter the digest, so they are gathered whole. */
export const LARGEST_BIND = 64 * 1024 * 1024
const LARGEST_NAME = 8 * 1024

const limits = new Map<number, number>([
  [FRONTEND.Query, LARGEST_TEXT],
  [FRONTEND.Parse, LARGEST_TEXT],
  [FRONTEND.Bind, LARGEST_BIND],
  [FRONTEND.Close, LARGEST_NAME],
  [FRONTEND.Describe, LARGEST_NAME],
  [FRONTEND.Execute, LARGEST_NAME],
  [FRONTEND.FunctionCall, LARGEST_NAME],
  [FRONTEND.Flush, 0],
  [FRONTEND.Sync, 0],
  [FRONTEND.Terminate, 0],
  [FRONTEND.CopyDone, 0],
  [FRONTEND.CopyData, STREAMED],
  [FRONTEND.CopyFail, LARGEST_NAME],
])

/** After authentication. */
export const clientLimits: Limits = (tag) => limits.get(tag) ?? REFUSED
/** During authentication: nothing but an answer to it, and no long one. */
export const signInLimits: Limits = (tag) => (tag === FRONTEND.Password ? 4096 : REFUSED)

export interface Parse {
  readonly name: string
  readonly text: string
  readonly types: readonly number[]
}
export interface Bind {
  readonly portal: string
  readonly statement: string
  /** One a parameter: 0 text, 1 binary. */
  readonly formats: readonly number[]
  /** Null for NULL. Alias the frame. */
  readonly values: readonly (Buffer | null)[]
}
export interface Execute {
  readonly portal: string
  /** 0 for all. */
  readonly maxRows: number
}
/** Of Describe and Close. */
export interface Named {
  readonly what: 'statement' | 'portal'
  readonly name: string
}

/** Each decoder takes a whole message with its header, and answers undefined when it is malformed. */
export function decodeQuery(frame: Buffer): string | undefined {
  const body = new BodyReader(frame, HEADER)
  const text = body.cstring()
  return body.complete ? text : undefined
}

export function decodeParse(frame: Buffer): Parse | undefined {
  const body = new BodyReader(frame, HEADER)
  const name = body.cstring()
  const text = body.cstring()
  const count = body.int16() & 0xffff
  if (!body.ok || body.left !== count * 4) return undefined
  const types: number[] = []
  for (let i = 0; i < count; i++) types.push(body.int32())
  return body.complete ? { name, text, types } : undefined
}

export function decodeBind(frame: Buffer): Bind | undefined {
  const body = new BodyReader(frame, HEADER)
  const portal = body.cstring()
  const statement = body.cstring()
  const given = readFormats(body)
  const count = body.int16() & 0xffff
  if (given === undefined || (given.length > 1 && given.length !== count)) return undefined
  const values: (Buffer | null)[] = []
  const formats: number[] = []
  for (let i = 0; i < count && body.ok; i++) {
    const size = body.int32()
    if (size < -1) return undefined
    values.push(size === -1 ? null : body.bytes(size))
    formats.push((given.length === 1 ? given[0] : given[i]) ?? 0)
  }
  if (readFormats(body) === undefined) return undefined
  return body.complete ? { portal, statement, formats, values } : undefined
}

function readFormats(body: BodyReader): readonly number[] | undefined {
  const count = body.int16() & 0xffff
  if (!body.ok || body.left < count * 2) return undefined
  const formats: number[] = []
  for (let i = 0; i < count; i++) {
    const format = body.int16()
    if (format !== 0 && format !== 1) return undefined
    formats.push(format)
  }
  return formats
}

/** Portal and statement of a Bind alone, for the way that needs no parameters. The rest is only seen to add up. */
export function decodeBindNames(frame: Buffer): { readonly portal: string; readonly statement: string } | undefined {
  const body = new BodyReader(frame, HEADER)
  const portal = body.cstring()
  const statement = body.cstring()
  return body.ok && addsUp(frame, frame.length - body.left) ? { portal, statement } : undefined
}

/** Formats, values and formats of results, one after another, to the end of the message. */
function addsUp(frame: Buffer, from: number): boolean {
  const end = frame.length
  if (end - from < 6) return false
  let at = from + 2 + 2 * frame.readUInt16BE(from)
  if (at + 4 > end) return false
  let values = frame.readUInt16BE(at)
  for (at += 2; values > 0; values--) {
    if (at + 4 > end) return false
    const size = frame.readInt32BE(at)
    if (size < -1) return false
    at += 4 + Math.max(0, size)
  }
  return at + 2 <= end && at + 2 + 2 * frame.readUInt16BE(at) === end
}

export function decodeExecute(frame: Buffer): Execute | undefined {
  const body = new BodyReader(frame, HEADER)
  const portal = body.cstring()
  const maxRows = body.int32()
  return body.complete ? { portal, maxRows } : undefined
}

export function decodeNamed(frame: Buffer): Named | undefined {
  const body = new BodyReader(frame, HEADER)
  const what = body.byte()
  const name = body.cstring()
  if (!body.complete) return undefined
  if (what === 0x53) return { what: 'statement', name }
  return what === 0x50 ? { what: 'portal', name } : undefined
}

/** SASLInitialResponse: the mechanism, and the first message when there is one. */
export function decodeSaslInitial(
  frame: Buffer,
): { readonly mechanism: string; readonly data: Buffer | undefined } | undefined {
  const body = new BodyReader(frame, HEADER)
  const mechanism = body.cstring()
  const size = body.int32()
  const data = size === -1 ? undefined : body.bytes(size)
  return body.complete ? { mechanism, data } : undefined
}

function message(tag: number, ...parts: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(HEADER)
  let length = 4
  for (const part of parts) length += part.length
  head.writeUInt8(tag, 0)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, ...parts])
}
const zero = (text: string): Buffer => Buffer.from(`${text}\0`)
const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export const encodeQuery = (text: string): Buffer => message(FRONTEND.Query, zero(text))
export const encodeParse = (name: string, text: string): Buffer =>
  message(FRONTEND.Parse, zero(name), zero(text), int16(0))
/** Without parameters, all results as text. */
export const encodeBind = (portal: string, statement: string): Buffer =>
  message(FRONTEND.Bind, zero(portal), zero(statement), int16(0), int16(0), int16(0))
export const encodeExecute = (portal: string): Buffer => message(FRONTEND.Execute, zero(portal), int32(0))
export const encodeClose = (what: Named['what'], name: string): Buffer =>
  message(FRONTEND.Close, Buffer.from(what === 'statement' ? 'S' : 'P'), zero(name))
export const encodePassword = (body: Buffer): Buffer => message(FRONTEND.Password, body)
export const SYNC = message(FRONTEND.Sync)
export const FLUSH = message(FRONTEND.Flush)
export const TERMINATE = message(FRONTEND.Terminate)
