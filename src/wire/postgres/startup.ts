import { BodyReader } from './text.ts'

/**
 * The untyped first packets (section 54.2.1 and 54.7): a length that counts itself, a code, a body.
 * The largest that PostgreSQL takes is 10,000 bytes (MAX_STARTUP_PACKET_LENGTH).
 */
const LARGEST = 10_000
const SSL_REQUEST = 80_877_103
const GSSENC_REQUEST = 80_877_104
const CANCEL_REQUEST = 80_877_102

/** The first byte of a TLS record of that type: as a length it would be hundreds of megabytes. */
const TLS_HANDSHAKE = 0x16

/** The newest minor version of protocol 3 spoken here. 3.2 has cancel keys of up to 256 bytes. */
export const NEWEST_MINOR = 2

export type StartupPacket =
  | { readonly kind: 'ssl_request' | 'gssenc_request' }
  | { readonly kind: 'cancel_request'; readonly pid: number; readonly secret: Buffer }
  | {
      readonly kind: 'startup'
      readonly minor: number
      /** In the order sent; a name given twice is refused. Names that begin with `_pq_.` are protocol options. */
      readonly parameters: ReadonlyMap<string, string>
    }

export type StartupDecoded =
  | { readonly kind: 'more' }
  /** A TLS ClientHello in place of a packet (54.2.10): nothing of it was taken. */
  | { readonly kind: 'tls' }
  | { readonly kind: 'packet'; readonly packet: StartupPacket; readonly rest: Buffer }
  | {
      readonly kind: 'violation'
      readonly reason: 'bad_length' | 'bad_body' | 'not_postgres' | 'old_protocol' | 'new_protocol'
    }

/** Decode one startup packet off the front of `bytes`. `rest` and secrets alias `bytes`. */
export function decodeStartup(bytes: Buffer): StartupDecoded {
  if (bytes[0] === TLS_HANDSHAKE) return { kind: 'tls' }
  if (bytes.length < 4) return couldBeOurs(bytes) ? { kind: 'more' } : { kind: 'violation', reason: 'not_postgres' }
  const length = bytes.readUInt32BE(0)
  if (length < 8 || length > LARGEST) {
    return { kind: 'violation', reason: couldBeOurs(bytes) ? 'bad_length' : 'not_postgres' }
  }
  if (bytes.length < length) return { kind: 'more' }
  const packet = decodePacket(bytes.subarray(0, length))
  return typeof packet === 'string'
    ? { kind: 'violation', reason: packet }
    : { kind: 'packet', packet, rest: bytes.subarray(length) }
}

/** The first byte of a length up to 10,000 is zero; `GET /`, a TLS hello or SSH's banner begin otherwise. */
const couldBeOurs = (bytes: Buffer): boolean => bytes.length === 0 || bytes[0] === 0

function decodePacket(bytes: Buffer): StartupPacket | 'bad_body' | 'old_protocol' | 'new_protocol' {
  const body = new BodyReader(bytes, 4)
  const code = body.int32()
  if (code === SSL_REQUEST || code === GSSENC_REQUEST) {
    if (!body.complete) return 'bad_body'
    return { kind: code === SSL_REQUEST ? 'ssl_request' : 'gssenc_request' }
  }
  if (code === CANCEL_REQUEST) {
    const pid = body.int32()
    const secret = body.bytes(body.left)
    return body.complete && secret.length > 0 && secret.length <= 256
      ? { kind: 'cancel_request', pid, secret }
      : 'bad_body'
  }
  const major = code >>> 16
  if (major < 3) return 'old_protocol'
  if (major > 3) return 'new_protocol'
  const parameters = new Map<string, string>()
  for (;;) {
    const name = body.cstring()
    if (!body.ok) return 'bad_body'
    if (name === '') break
    const value = body.cstring()
    if (!body.ok || parameters.has(name)) return 'bad_body'
    parameters.set(name, value)
  }
  if (!body.complete) return 'bad_body'
  return { kind: 'startup', minor: code & 0xffff, parameters }
}

/** `StartupMessage` of version 3.`minor`. */
export function encodeStartup(parameters: Iterable<readonly [string, string]>, minor = 0): Buffer {
  const parts: Buffer[] = [Buffer.alloc(8)]
  for (const [name, value] of parameters) parts.push(Buffer.from(`${name}\0${value}\0`))
  parts.push(Buffer.alloc(1))
  const packet = Buffer.concat(parts)
  packet.writeUInt32BE(packet.length, 0)
  packet.writeUInt32BE((3 << 16) | minor, 4)
  return packet
}

export function encodeSslRequest(): Buffer {
  const packet = Buffer.alloc(8)
  packet.writeUInt32BE(8, 0)
  packet.writeUInt32BE(SSL_REQUEST, 4)
  return packet
}

export function encodeCancelRequest(pid: number, secret: Buffer): Buffer {
  const packet = Buffer.alloc(12)
  packet.writeUInt32BE(12 + secret.length, 0)
  packet.writeUInt32BE(CANCEL_REQUEST, 4)
  packet.writeInt32BE(pid, 8)
  return Buffer.concat([packet, secret])
}
