import { setImmediate as tick } from 'node:timers/promises'
import { decodeFields } from '../../src/wire/postgres/backend.ts'
import { encodeQuery, SYNC } from '../../src/wire/postgres/frontend.ts'
import type { RawClient } from './raw-client.ts'
import { RESTORE } from './random-sessions.ts'
import type { Framed } from './strict-framing.ts'

/** Object ids of what the two databases made themselves (FirstNormalObjectId); their numbers are their own. */
const own = (frame: Buffer, at: number): void => {
  if (frame.readUInt32BE(at) >= 16_384) frame.writeUInt32BE(16_384, at)
}

/** The message with only that levelled which cannot be the same on two connections to two databases. */
export function level({ type, bytes }: Framed): string {
  const frame = Buffer.from(bytes)
  // Who notifies is the process behind the connection.
  if (type === 'A') frame.writeInt32BE(0, 5)
  if (type === 'T') {
    let at = 7
    for (let columns = frame.readInt16BE(5); columns > 0; columns--) {
      at = frame.indexOf(0, at) + 1
      own(frame, at) // the table
      own(frame, at + 6) // the type
      at += 18
    }
  }
  if (type === 't') for (let at = 7; at < frame.length; at += 4) own(frame, at)
  // A name that is unknown is so to the gateway first: its own answer has no place in the server's source.
  if (type === 'E') {
    const fields = decodeFields(frame)
    const code = fields?.get('C') ?? ''
    if (code === '26000' || code === '34000') return `E ${fields?.get('V')} ${code} ${fields?.get('M')}`
  }
  return `${type} ${frame.subarray(5).toString('latin1')}`
}

/** Sends the parts one after another, each in a packet of its own, and answers all that came up to the mark. */
export async function answers(client: RawClient, parts: readonly Buffer[], mark: string): Promise<readonly Framed[]> {
  for (const part of parts) {
    client.send(part)
    if (parts.length > 1) await tick()
  }
  client.send(SYNC, ...RESTORE.map(encodeQuery), encodeQuery(`SELECT '${mark}'`))
  const all: Framed[] = []
  for (let marked = false; !marked;) {
    const more = await client.until('Z')
    all.push(...more)
    marked = more.some(({ type, bytes }) => type === 'D' && bytes.includes(mark))
  }
  return all
}

/** For people who look at what failed. */
export const readable = (frame: Buffer): string => frame.toString('latin1').replaceAll(/[^ -~]/g, '.')

/** Random borders: anything from a single byte to everything at once. */
export function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const borders = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return borders.slice(1).map((end, i) => bytes.subarray(borders[i], end))
}
