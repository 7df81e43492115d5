import { isUtf8 } from 'node:buffer'

/**
 * Parameters in the binary format, for people (the `send` and `recv` functions of each type in the PostgreSQL
 * sources). Only types whose reading is the same on every server; everything else stays hexadecimal.
 */

interface Reader {
  readonly name: string
  /** Undefined when the bytes are not what the type sends. */
  readonly read: (bytes: Buffer) => string | undefined
}

const sized =
  (size: number, read: (bytes: Buffer) => string | undefined): Reader['read'] =>
  (bytes) =>
    bytes.length === size ? read(bytes) : undefined
const text = (bytes: Buffer): string | undefined => (isUtf8(bytes) ? bytes.toString('utf8') : undefined)

/** Of dates and timestamps: days and microseconds since then. */
const EPOCH = Date.UTC(2000, 0, 1)
const DAY = 86_400_000
/** Years 1 to 9999, where ISO 8601 needs no sign. */
const within = (ms: number): boolean => ms >= -62_135_596_800_000 && ms < 253_402_300_800_000

function date(bytes: Buffer): string | undefined {
  const days = bytes.readInt32BE(0)
  if (days === 0x7fffffff) return 'infinity'
  if (days === -0x80000000) return '-infinity'
  const ms = EPOCH + days * DAY
  return within(ms) ? new Date(ms).toISOString().slice(0, 10) : undefined
}

function clock(micros: bigint): string {
  const pad = (value: bigint, to: number): string => String(value).padStart(to, '0')
  const seconds = micros / 1_000_000n
  const rest = micros % 1_000_000n
  const whole = `${pad(seconds / 3600n, 2)}:${pad((seconds / 60n) % 60n, 2)}:${pad(seconds % 60n, 2)}`
  return rest === 0n ? whole : `${whole}.${pad(rest, 6)}`
}

function timestamp(bytes: Buffer): string | undefined {
  const micros = bytes.readBigInt64BE(0)
  if (micros === 0x7fffffffffffffffn) return 'infinity'
  if (micros === -0x8000000000000000n) return '-infinity'
  const perDay = 86_400_000_000n
  const inDay = ((micros % perDay) + perDay) % perDay
  const ms = EPOCH + Number((micros - inDay) / 1000n)
  return within(ms) ? `${new Date(ms).toISOString().slice(0, 10)} ${clock(inDay)}` : undefined
}

function time(bytes: Buffer): string | undefined {
  const micros = bytes.readBigInt64BE(0)
  return micros >= 0n && micros <= 86_400_000_000n ? clock(micros) : undefined
}

/** Groups of four decimal digits, the weight of the first, a sign and the digits shown behind the point. */
function numeric(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined
  const [groups, weight, sign, scale] = [
    bytes.readUInt16BE(0),
    bytes.readInt16BE(2),
    bytes.readUInt16BE(4),
    bytes.readUInt16BE(6),
  ]
  if (sign === 0xc000 && groups === 0) return 'NaN'
  if (bytes.length !== 8 + groups * 2 || (sign !== 0 && sign !== 0x4000)) return undefined
  if (weight > LONGEST || weight < -LONGEST || scale > LONGEST * 4) return undefined
  const digits = Array.from({ length: groups }, (_, i) => bytes.readUInt16BE(8 + i * 2))
  if (digits.some((group) => group > 9999)) return undefined
  const at = (i: number): string => String(digits[i] ?? 0).padStart(4, '0')
  let whole = ''
  for (let i = 0; i <= weight; i++) whole += at(i)
  let fraction = ''
  for (let i = weight + 1; i < groups || fraction.length < scale; i++) fraction += i < 0 ? '0000' : at(i)
  // What is sent and would not be shown.
  if (/[1-9]/.test(fraction.slice(scale))) return undefined
  const shown = whole.replace(/^0+(?=\d)/, '') || '0'
  return `${sign === 0 ? '' : '-'}${shown}${scale === 0 ? '' : `.${fraction.slice(0, scale)}`}`
}
/** Groups of digits on either side of the point; longer numbers stay hexadecimal. */
const LONGEST = 256

const uuid = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** By object id (pg_type.dat). */
const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [16, { name: 'bool', read: sized(1, ([byte]) => (byte === 0 ? 'false' : byte === 1 ? 'true' : undefined)) }],
  [20, { name: 'int8', read: sized(8, (bytes) => String(bytes.readBigInt64BE(0))) }],
  [21, { name: 'int2', read: sized(2, (bytes) => String(bytes.readInt16BE(0))) }],
  [23, { name: 'int4', read: sized(4, (bytes) => String(bytes.readInt32BE(0))) }],
  [25, { name: 'text', read: text }],
  [26, { name: 'oid', read: sized(4, (bytes) => String(bytes.readUInt32BE(0))) }],
  [114, { name: 'json', read: text }],
  [700, { name: 'float4', read: sized(4, (bytes) => String(bytes.readFloatBE(0))) }],
  [701, { name: 'float8', read: sized(8, (bytes) => String(bytes.readDoubleBE(0))) }],
  [1042, { name: 'bpchar', read: text }],
  [1043, { name: 'varchar', read: text }],
  [1082, { name: 'date', read: sized(4, date) }],
  [1083, { name: 'time', read: sized(8, time) }],
  [1114, { name: 'timestamp', read: sized(8, timestamp) }],
  [
    1184,
    {
      name: 'timestamptz',
      read: sized(8, (bytes) => {
        const read = timestamp(bytes)
        return read === undefined || read.endsWith('infinity') ? read : `${read}+00`
      }),
    },
  ],
  [1700, { name: 'numeric', read: numeric }],
  [2950, { name: 'uuid', read: sized(16, uuid) }],
  [3802, { name: 'jsonb', read: (bytes) => (bytes[0] === 1 ? text(bytes.subarray(1)) : undefined) }],
])

/** A binary value as its type prints it. Undefined for a type that is not known here, or bytes that it would not send. */
export function readBinary(type: number, bytes: Buffer): { readonly type: string; readonly text: string } | undefined {
  const reader = READERS.get(type)
  const read = reader?.read(bytes)
  return reader === undefined || read === undefined ? undefined : { type: reader.name, text: read }
}
