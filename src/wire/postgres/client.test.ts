import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deriveScramKeys } from './auth/scram-keys.ts'
import { challenge, verify } from './auth/scram-server.ts'
import { PostgresClient } from './client.ts'
import type { ClientEvent, ClientOptions } from './client.ts'
import {
  encodeAuthenticationOk,
  encodeKeyData,
  encodeNegotiate,
  encodeReady,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
} from './encode.ts'
import { encodeTold } from './encode.ts'
import { decodeSaslInitial } from './frontend.ts'
import { decodeStartup, encodeCancelRequest } from './startup.ts'

const OPTIONS: ClientOptions = { user: 'ana', database: 'shop-db', password: 'pencil', nonce: 'Y2xpZW50' }
const SALT = Buffer.from('0123456789abcdef')
const code = (n: number, ...more: readonly number[]): Buffer => {
  const body = Buffer.from([0x52, 0, 0, 0, 8 + more.length, 0, 0, 0, n, ...more])
  return body
}
const frame = (tag: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.from([tag.charCodeAt(0), 0, 0, 0, 0])
  head.writeUInt32BE(4 + bytes.length, 1)
  return Buffer.concat([head, bytes])
}
const kinds = (events: readonly ClientEvent[]): readonly string[] => events.map((event) => event.kind)

/** What a server with SCRAM says, given what the client says; up to and with the first ReadyForQuery. */
function signIn(
  client: PostgresClient,
  offered: readonly string[] = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
  endPoint?: Buffer,
): readonly ClientEvent[] {
  const heard: ClientEvent[] = []
  const say = (bytes: Buffer): Buffer => {
    const events = client.receive(bytes)
    heard.push(...events)
    const sent = events.find((event) => event.kind === 'send')
    return sent === undefined ? Buffer.alloc(0) : sent.bytes
  }
  const initial = decodeSaslInitial(say(encodeSasl(offered)))
  const first = challenge(initial?.data ?? Buffer.alloc(0), {
    salt: SALT,
    iterations: 4096,
    nonce: 'c2VydmVy',
    endPoint,
    plus: initial?.mechanism === 'SCRAM-SHA-256-PLUS',
  })
  if (first.kind !== 'challenge') throw new Error(first.reason)
  const final = say(encodeSaslContinue(first.message)).subarray(5)
  const verified = verify(first.exchange, final, [{ token: 't', ...deriveScramKeys('pencil', SALT, 4096) }])
  if (verified.kind !== 'accepted') throw new Error(verified.kind)
  say(encodeSaslFinal(verified.message))
  say(Buffer.concat([encodeAuthenticationOk(), encodeKeyData(7, Buffer.from('abcd')), encodeReady('idle')]))
  return heard
}

describe('signing in', () => {
  test('with SCRAM, the server proven before anything is believed', () => {
    const client = new PostgresClient(OPTIONS)
    expect(kinds(signIn(client))).toEqual(['send', 'send', 'key', 'ready'])
  })

  test('with SCRAM bound to the certificate where that is offered, and found out where the offer was taken away', () => {
    const endPoint = Buffer.alloc(32, 1)
    const whole = ['send', 'send', 'key', 'ready']
    const both = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
    const plain = ['SCRAM-SHA-256']
    const bound = () => new PostgresClient({ ...OPTIONS, endPoint })
    expect(kinds(signIn(bound(), both, endPoint))).toEqual(whole)
    expect(kinds(signIn(bound(), ['SCRAM-SHA-256-PLUS'], endPoint))).toEqual(whole)
    expect(kinds(signIn(bound(), plain))).toEqual(whole)
    expect(() => signIn(bound(), both, Buffer.alloc(32, 2))).toThrow('violation')
    expect(() => signIn(bound(), plain, endPoint)).toThrow('channel_binding_downgraded')
    expect(kinds(signIn(new PostgresClient(OPTIONS), both, endPoint))).toEqual(whole)
    expect(kinds(new PostgresClient(OPTIONS).receive(encodeSasl(['SCRAM-SHA-256-PLUS'])))).toEqual(['violation'])
  })

  test('of version 3.2, with a server that speaks less, and never one that asks for more', () => {
    const asking = (minor: number) => new PostgresClient({ ...OPTIONS, minor })
    expect(asking(2).start().readUInt32BE(4)).toBe((3 << 16) | 2)
    expect(new PostgresClient(OPTIONS).start().readUInt32BE(4)).toBe(3 << 16)
    for (const lower of [0, 1, 2]) {
      const client = asking(2)
      expect(client.receive(encodeNegotiate(lower, []))).toEqual([])
      expect(kinds(signIn(client))).toContain('ready')
    }
    expect(kinds(asking(2).receive(encodeNegotiate(3, [])))).toEqual(['violation'])
    expect(kinds(asking(0).receive(encodeNegotiate(2, [])))).toEqual(['violation'])
    expect(kinds(asking(2).receive(encodeNegotiate(2, ['_pq_.never_sent'])))).toEqual(['violation'])
    expect(kinds(asking(2).receive(frame('v', Buffer.from([0, 4, 0, 0, 0, 0, 0, 0]))))).toEqual(['violation'])
    expect(kinds(asking(2).receive(frame('v', Buffer.from([0, 3, 0, 0, 255, 255, 255, 255]))))).toEqual(['violation'])
    const late = asking(2)
    late.receive(encodeSasl(['SCRAM-SHA-256']))
    expect(kinds(late.receive(encodeNegotiate(0, [])))).toEqual(['violation'])
  })

  test('cancel keys of 4 to 256 bytes are kept whole', () => {
    const signed = () => {
      const client = new PostgresClient({ ...OPTIONS, methods: ['none'], minor: 2 })
      client.receive(encodeAuthenticationOk())
      return client
    }
    for (const size of [4, 5, 32, 256]) {
      const secret = Buffer.alloc(size, 9)
      expect(signed().receive(encodeKeyData(-5, secret))).toEqual([{ kind: 'key', pid: -5, secret }])
      const cancel = decodeStartup(encodeCancelRequest(-5, secret))
      expect(cancel).toMatchObject({ kind: 'packet', packet: { kind: 'cancel_request', pid: -5, secret } })
    }
    for (const size of [0, 3, 257])
      expect(kinds(signed().receive(encodeKeyData(7, Buffer.alloc(size))))).toEqual(['violation'])
  })

  test('AuthenticationOk before the server proved itself is refused', () => {
    const client = new PostgresClient(OPTIONS)
    client.receive(encodeSasl(['SCRAM-SHA-256']))
    expect(kinds(client.receive(encodeAuthenticationOk()))).toEqual(['violation'])
    expect(kinds(client.receive(encodeReady('idle')))).toEqual([])
  })

  test.each([
    ['nothing', encodeAuthenticationOk()],
    ['clear text', code(3)],
    ['md5', code(5, 1, 2, 3, 4)],
    ['Kerberos', code(2)],
    ['another mechanism', encodeSasl(['SCRAM-SHA-1'])],
    ['a step out of turn', encodeSaslContinue(Buffer.from('r=x'))],
  ])('a server that asks for %s learns nothing', (_, bytes) => {
    expect(kinds(new PostgresClient(OPTIONS).receive(bytes))).toEqual(['violation'])
  })

  test('older ways only where they are accepted', () => {
    const methods = ['md5', 'cleartext', 'none'] as const
    const sent = (bytes: Buffer): string =>
      new PostgresClient({ ...OPTIONS, methods })
        .receive(bytes)
        .map((event) => (event.kind === 'send' ? event.bytes.subarray(5).toString() : event.kind))
        .join()
    expect(sent(code(3))).toBe('pencil\0')
    expect(sent(code(5, 1, 2, 3, 4))).toMatch(/^md5[0-9a-f]{32}\0$/)
    expect(sent(encodeAuthenticationOk())).toBe('')
    expect(sent(encodeSasl(['SCRAM-SHA-256']))).toBe('violation')
  })
})

describe('a query', () => {
  const answer = Buffer.concat([
    encodeTold({ severity: 'NOTICE', code: '00000', message: 'held HP-1', detail: 'two rows', hint: 'Ctrl-C' }),
    frame('T', '\0\u0001n\0'.padEnd(22, '\0')),
    frame('D', Buffer.from([0, 2, 0, 0, 0, 1, 0x37, 0xff, 0xff, 0xff, 0xff])),
    frame('C', 'SELECT 1\0'),
    encodeTold({ severity: 'ERROR', code: '42501', message: 'denied by mia' }),
    encodeReady('failed'),
  ])
  const expected: readonly ClientEvent[] = [
    {
      kind: 'notice',
      said: { severity: 'NOTICE', code: '00000', message: 'held HP-1', detail: 'two rows', hint: 'Ctrl-C' },
    },
    { kind: 'columns', names: ['n'] },
    { kind: 'row', values: ['7', null] },
    { kind: 'complete', tag: 'SELECT 1' },
    { kind: 'error', said: { severity: 'ERROR', code: '42501', message: 'denied by mia' } },
    { kind: 'ready', status: 'failed' },
  ]

  test('reads the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: answer.length - 1 }), { maxLength: 12 }), (cuts) => {
        const client = new PostgresClient(OPTIONS)
        signIn(client)
        client.query('SELECT 7')
        const edges = [0, ...cuts.toSorted((a, b) => a - b), answer.length]
        const events = edges.slice(1).flatMap((end, i) => client.receive(answer.subarray(edges[i], end)))
        expect(events).toEqual(expected)
      }),
    )
  })

  test('rows that come with the last bytes of signing in, or without a query, are refused', () => {
    const client = new PostgresClient(OPTIONS)
    signIn(client)
    expect(kinds(client.receive(frame('D', Buffer.from([0, 0]))))).toEqual(['violation'])
  })

  test('COPY FROM STDIN is failed, and one query at a time', () => {
    const client = new PostgresClient(OPTIONS)
    signIn(client)
    client.query('COPY t FROM STDIN')
    expect(() => client.query('SELECT 1')).toThrow('busy')
    const [event] = client.receive(frame('G', Buffer.from([0, 0, 0])))
    expect(event?.kind === 'send' && event.bytes.toString('latin1', 0, 1)).toBe('f')
  })

  test('no bytes of any kind make it throw, and nothing follows a violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: answer.length - 1 }), (noise, at) => {
        const client = new PostgresClient(OPTIONS)
        signIn(client)
        client.query('SELECT 7')
        const events = client.receive(Buffer.concat([answer.subarray(0, at), Buffer.from(noise)]))
        const end = events.findIndex((event) => event.kind === 'violation')
        expect(end === -1 || end === events.length - 1).toBe(true)
      }),
    )
  })
})
