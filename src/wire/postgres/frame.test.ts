import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataRowCheck } from './data-row.ts'
import { FrameReader, HEADER, REFUSED, STREAMED } from './frame.ts'
import type { Piece, Violation } from './frame.ts'

const STREAM = 0x64
const REFUSE = 0x3f
const CAP = 300
const limits = (tag: number): number => (tag === STREAM ? STREAMED : tag === REFUSE ? REFUSED : CAP)

const frame = (tag: number, body: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(HEADER + body.length)
  bytes[0] = tag
  bytes.writeUInt32BE(4 + body.length, 1)
  bytes.set(body, HEADER)
  return bytes
}
const frames = fc.array(
  fc.record({ tag: fc.constantFrom(0x51, 0x53, 0x42, STREAM), body: fc.uint8Array({ maxLength: 40 }) }),
  { maxLength: 8 },
)

/** Everything that comes out of `chunks`; parts of a streamed message joined again. */
function read(chunks: readonly Buffer[]): { messages: Buffer[]; violation: Violation | undefined; left: number } {
  const reader = new FrameReader(limits)
  const messages: Buffer[] = []
  let parts: Buffer[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let piece: Piece | Violation | undefined = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === 'violation') return { messages, violation: piece, left: 0 }
      expect(piece.first).toBe(parts.length === 0)
      expect(piece.bytes.length).toBeGreaterThanOrEqual(piece.first ? HEADER : 1)
      parts.push(piece.bytes)
      expect(reader.atBoundary).toBe(piece.last)
      if (!piece.last) continue
      messages.push(Buffer.concat(parts))
      parts = []
    }
  }
  return { messages, violation: undefined, left: reader.buffered }
}

/** Whether a whole message of this type stands in `bytes`, from the start. */
function contains(bytes: Buffer, tag: number): boolean {
  for (let at = 0; at + HEADER <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
    if (bytes[at] === tag) return at + 1 + bytes.readUInt32BE(at + 1) <= bytes.length
  }
  return false
}

/** Cut at every given place. */
const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}

describe('FrameReader', () => {
  it('yields the same messages however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(400), { maxLength: 12 }), (given, places) => {
        const expected = given.map(({ tag, body }) => frame(tag, body))
        const whole = Buffer.concat(expected)
        expect(read(cut(whole, places))).toEqual({ messages: expected, violation: undefined, left: 0 })
      }),
    )
  })

  it('yields the same messages cut in two at every position, and byte by byte', () => {
    const expected = [
      frame(0x51, Buffer.from('SELECT 1\0')),
      frame(STREAM, Buffer.alloc(700, 7)),
      frame(0x53, Buffer.alloc(0)),
      frame(STREAM, Buffer.alloc(0)),
    ]
    const whole = Buffer.concat(expected)
    for (let at = 0; at <= whole.length; at++) {
      expect(read([whole.subarray(0, at), whole.subarray(at)]).messages).toEqual(expected)
    }
    expect(read([...whole].map((byte) => Buffer.from([byte]))).messages).toEqual(expected)
  })

  it('never hands out anything of a message whose length lies, nor behind it', () => {
    fc.assert(
      fc.property(
        frames,
        fc.constantFrom(0, 1, 2, 3, CAP + 5, 0x7fffffff, 0x80000000, 0xffffffff),
        fc.array(fc.nat(400), { maxLength: 6 }),
        (given, length, places) => {
          const good = given.map(({ tag, body }) => frame(tag, body))
          const bad = Buffer.alloc(HEADER)
          bad[0] = 0x51
          bad.writeUInt32BE(length, 1)
          const result = read(cut(Buffer.concat([...good, bad, frame(0x51, Buffer.from('after'))]), places))
          expect(result.messages).toEqual(good)
          expect(result.violation?.reason).toBe(length < 4 ? 'length_too_small' : 'length_too_large')
        },
      ),
    )
  })

  it('refuses a type that the peer may not send, and a streamed body beyond what PostgreSQL sends', () => {
    expect(read([frame(REFUSE, Buffer.alloc(0))]).violation?.reason).toBe('unknown_type')
    const endless = Buffer.from([STREAM, 0xff, 0xff, 0xff, 0xff])
    expect(read([endless]).violation?.reason).toBe('length_too_large')
  })

  it('finds a whole message among what is buffered', () => {
    fc.assert(
      fc.property(frames, fc.nat(60), (given, missing) => {
        const reader = new FrameReader(limits)
        const whole = Buffer.concat([...given.map(({ tag, body }) => frame(tag, body)), frame(0x58, Buffer.alloc(0))])
        reader.push(whole.subarray(0, Math.max(0, whole.length - missing)))
        expect(reader.holds(0x58)).toBe(missing === 0)
      }),
    )
  })

  it('reads and finds the same however small the pieces are and whenever it is asked', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(12), { minLength: 1, maxLength: 200 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 50 }),
        (given, sizes, reads) => {
          const whole = Buffer.concat(given.flat().map(({ tag, body }) => frame(tag === STREAM ? 0x42 : tag, body)))
          const reader = new FrameReader(limits)
          const out: Buffer[] = []
          let at = 0
          let from = 0
          for (let step = 0; at < whole.length; step++) {
            const size = (sizes[step % sizes.length] ?? 0) + 1
            reader.push(whole.subarray(at, at + size))
            at = Math.min(whole.length, at + size)
            expect(reader.holds(0x51)).toBe(contains(whole.subarray(from, at), 0x51))
            if (reads[step % reads.length] !== true) continue
            for (let piece = reader.next(); piece?.kind === 'piece'; piece = reader.next()) {
              out.push(Buffer.from(piece.bytes))
              from += piece.bytes.length
            }
          }
          for (let piece = reader.next(); piece?.kind === 'piece'; piece = reader.next()) out.push(piece.bytes)
          expect(Buffer.concat(out)).toEqual(whole)
        },
      ),
    )
  })

  it('aliases what it was given', () => {
    const chunk = Buffer.concat([frame(0x51, Buffer.from('a')), frame(0x51, Buffer.from('b'))])
    const reader = new FrameReader(limits)
    reader.push(chunk)
    const [a, b] = [reader.next(), reader.next()]
    expect(a?.kind === 'piece' && a.bytes.buffer).toBe(chunk.buffer)
    expect(b?.kind === 'piece' && b.bytes.byteOffset).toBe(chunk.byteOffset + 6)
  })
})

describe('DataRowCheck', () => {
  const column = fc.option(fc.uint8Array({ maxLength: 12 }), { nil: null })
  const encode = (columns: readonly (Uint8Array | null)[]): Buffer => {
    const count = Buffer.alloc(2)
    count.writeInt16BE(columns.length)
    const parts = columns.flatMap((value) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(value === null ? -1 : value.length)
      return value === null ? [size] : [size, Buffer.from(value)]
    })
    return frame(0x44, Buffer.concat([count, ...parts]))
  }
  /** The rule restated over the whole row. */
  const adds = (row: Buffer): boolean => {
    if (row.length < HEADER + 2) return false
    const count = row.readInt16BE(HEADER)
    let at = HEADER + 2
    for (let i = 0; i < count; i++) {
      if (at + 4 > row.length) return false
      const size = row.readInt32BE(at)
      if (size < -1) return false
      at += 4 + Math.max(0, size)
    }
    return count >= 0 && at === row.length
  }
  const check = (row: Buffer, places: readonly number[]): boolean => {
    const reader = new FrameReader(() => STREAMED)
    const rows = new DataRowCheck()
    for (const chunk of cut(row, places)) {
      reader.push(chunk)
      for (let piece = reader.next(); piece?.kind === 'piece'; piece = reader.next())
        if (!rows.accept(piece)) return false
    }
    return true
  }

  it('accepts exactly the rows that add up, however they are cut and whatever byte is changed', () => {
    fc.assert(
      fc.property(
        fc.array(column, { maxLength: 5 }),
        fc.array(fc.nat(120), { maxLength: 5 }),
        fc.nat(120),
        fc.nat(255),
        (columns, places, at, byte) => {
          const row = encode(columns)
          expect(check(row, places)).toBe(true)
          const changed = Buffer.from(row)
          changed[HEADER + (at % Math.max(1, row.length - HEADER))] = byte
          expect(check(changed, places)).toBe(adds(changed))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('60: refuses a negative length', () => {
    const row = encode([Buffer.from('x')])
    row.writeInt32BE(-2, HEADER + 2)
    expect(check(row, [])).toBe(false)
  })
})
