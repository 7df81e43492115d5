import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deriveScramKeys } from './auth/scram-keys.ts'
import { challenge, verify } from './auth/scram-server.ts'
import { PostgresClient } from './client.ts'
import type { ClientEvent, ClientOptions } from './client.ts'
import {
  encodeAuthenticationOk,
  encodeKeyData,
  encodeReady,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
} from './encode.ts'
import { encodeTold } from './encode.ts'
import { decodeSaslInitial } from './frontend.ts'

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
function signIn(client: PostgresClient): readonly ClientEvent[] {
  const heard: ClientEvent[] = []
  const say = (bytes: Buffer): Buffer => {
    const events = client.receive(bytes)
    heard.push(...events)
    const sent = events.find((event) => event.kind === 'send')
    return sent === undefined ? Buffer.alloc(0) : sent.bytes
  }
  const initial = decodeSaslInitial(say(encodeSasl(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'])))
  const first = challenge(initial?.data ?? Buffer.alloc(0), { salt: SALT, iterations: 4096, nonce: 'c2VydmVy' })
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
