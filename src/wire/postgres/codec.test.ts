import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeDataRow, decodeFields, decodeReady, columnsOf, rowsOf } from './backend.ts'
import { encodeNegotiate, encodeReady, encodeTold } from './encode.ts'
import {
  decodeBind,
  decodeExecute,
  decodeNamed,
  decodeParse,
  decodeQuery,
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
} from './frontend.ts'
import { decodeStartup, encodeCancelRequest, encodeSslRequest, encodeStartup } from './startup.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => value.replaceAll('\0', ''))

describe('messages of a client', () => {
  it('read back as they were written', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(decodeQuery(encodeQuery(a))).toBe(a.toWellFormed())
        expect(decodeParse(encodeParse(a, b))).toEqual({ name: a.toWellFormed(), text: b.toWellFormed(), types: [] })
        expect(decodeBind(encodeBind(a, b))).toEqual({
          portal: a.toWellFormed(),
          statement: b.toWellFormed(),
          formats: [],
          values: [],
        })
        expect(decodeExecute(encodeExecute(a))).toEqual({ portal: a.toWellFormed(), maxRows: 0 })
        expect(decodeNamed(encodeClose('portal', a))).toEqual({ what: 'portal', name: a.toWellFormed() })
      }),
    )
  })

  it('are refused when anything is missing or left over', () => {
    const good = [
      [encodeQuery('SELECT 1'), decodeQuery],
      [encodeParse('a', 'b'), decodeParse],
      [encodeBind('a', 'b'), decodeBind],
      [encodeExecute('a'), decodeExecute],
      [encodeClose('statement', 'a'), decodeNamed],
    ] as const
    for (const [frame, decode] of good) {
      expect(decode(frame)).toBeDefined()
      for (let end = 5; end < frame.length; end++) expect(decode(frame.subarray(0, end))).toBeUndefined()
      expect(decode(Buffer.concat([frame, Buffer.from('x')]))).toBeUndefined()
    }
  })

  it('with a parameter length that lies are refused', () => {
    const frame = Buffer.from('B\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01x\0\0', 'latin1')
    expect(decodeBind(frame)?.values).toEqual([Buffer.from('x')])
    for (const size of [-2, 0, 2, 0x7fffffff, -0x80000000]) {
      const bad = Buffer.from(frame)
      bad.writeInt32BE(size, 11)
      expect(decodeBind(bad)).toBeUndefined()
    }
  })

  it('whose text is not UTF-8 are refused: people would read another text than the server', () => {
    expect(decodeQuery(Buffer.from('Q\0\0\0\x06\xc3\0', 'latin1'))).toBeUndefined()
    expect(decodeQuery(Buffer.from('Q\0\0\0\x08\xed\xa0\x80\0', 'latin1'))).toBeUndefined()
  })

  it('never crash a decoder, whatever their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 60 }), (bytes) => {
        const frame = Buffer.from(bytes)
        for (const decode of [
          decodeQuery,
          decodeParse,
          decodeBind,
          decodeExecute,
          decodeNamed,
          decodeFields,
          decodeDataRow,
          decodeReady,
          rowsOf,
          columnsOf,
        ])
          decode(frame)
        decodeStartup(frame)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the startup packet', () => {
  const parameters = [
    ['user', 'ana'],
    ['database', 'shop-db'],
  ] as const
  it('is found at the front, whole or in pieces', () => {
    const packet = encodeStartup(parameters)
    for (let end = 0; end < packet.length; end++) expect(decodeStartup(packet.subarray(0, end)).kind).toBe('more')
    const decoded = decodeStartup(Buffer.concat([packet, Buffer.from('rest')]))
    expect(decoded).toMatchObject({
      packet: { kind: 'startup', minor: 0, parameters: new Map(parameters) },
      rest: Buffer.from('rest'),
    })
  })
  it('may ask for TLS or to cancel', () => {
    expect(decodeStartup(encodeSslRequest())).toMatchObject({ packet: { kind: 'ssl_request' } })
    expect(decodeStartup(encodeCancelRequest(7, Buffer.from('four')))).toMatchObject({
      packet: { kind: 'cancel_request', pid: 7, secret: Buffer.from('four') },
    })
  })
  it('is refused when it is not one', () => {
    const reason = (bytes: Buffer) => {
      const decoded = decodeStartup(bytes)
      return decoded.kind === 'violation' ? decoded.reason : decoded.kind
    }
    expect(reason(Buffer.from('GET / HTTP/1.1\r\n'))).toBe('not_postgres')
    expect(decodeStartup(Buffer.from([0x16, 3, 1]))).toEqual({ kind: 'tls' })
    expect(decodeStartup(Buffer.from([0x16]))).toEqual({ kind: 'tls' })
    expect(reason(Buffer.from([0, 0, 0, 7, 0, 3, 0, 0]))).toBe('bad_length')
    expect(reason(Buffer.from([0, 1, 0, 0]))).toBe('bad_length')
    expect(reason(Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0]))).toBe('old_protocol')
    expect(reason(Buffer.from([0, 0, 0, 9, 0, 4, 0, 0, 0]))).toBe('new_protocol')
    expect(
      reason(
        encodeStartup([
          ['user', 'a'],
          ['user', 'b'],
        ]),
      ),
    ).toBe('bad_body')
    expect(reason(Buffer.from([0, 0, 0, 10, 0, 3, 0, 0, 0, 0]))).toBe('bad_body')
  })
})

describe('messages of a server', () => {
  it('tell people', () => {
    const told = { severity: 'ERROR', code: '42501', message: 'no\0pe', detail: 'd', hint: 'h' } as const
    expect(Object.fromEntries(decodeFields(encodeTold(told)) ?? [])).toEqual({
      S: 'ERROR',
      V: 'ERROR',
      C: '42501',
      M: 'nope',
      D: 'd',
      H: 'h',
    })
    expect(decodeReady(encodeReady('failed'))).toBe('failed')
    expect(encodeNegotiate(2, ['_pq_.x']).toString('latin1')).toBe('v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0')
  })
  it('say how many rows', () => {
    const tag = (text: string) => rowsOf(Buffer.from(`C\0\0\0\0${text}\0`, 'latin1'))
    expect([
      tag('INSERT 0 5'),
      tag('DELETE 1204'),
      tag('SELECT 0'),
      tag('BEGIN'),
      tag('COPY 12'),
      tag('5'),
      tag(''),
    ]).toEqual([5, 1204, 0, undefined, 12, undefined, undefined])
  })
})
