import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { md5Answer, cleartextAnswer } from './password.ts'
import { decodeSaslInitial, encodePassword } from '../frontend.ts'
import { readMechanisms, writeSaslInitialResponse } from './sasl.ts'
import { checkServer, clientFinal, clientFirst } from './scram-client.ts'
import type { ClientBinding } from './scram-client.ts'
import { deriveScramKeys } from './scram-keys.ts'
import type { CandidateKeys, Challenged, Verified } from './scram-server.ts'
import { challenge, verify } from './scram-server.ts'

/** The exchange printed in RFC 7677, section 3. */
const RFC = {
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}
const SALT = Buffer.from('0123456789abcdef')
const ITERATIONS = 4096
const NONCE = 'c2VydmVyLW5vbmNlLTEyMw=='

const keysOf = (token: string, password: string): CandidateKeys => ({
  token,
  ...deriveScramKeys(password, SALT, ITERATIONS),
})

/** A whole exchange with the real client and the real server. */
function exchange(password: string, candidates: readonly CandidateKeys[]): { verified: Verified; checked: string } {
  const start = clientFirst('Y2xpZW50LW5vbmNlLTEyMw==')
  const challenged = challenge(start.message, { salt: SALT, iterations: ITERATIONS, nonce: NONCE })
  if (challenged.kind !== 'challenge') throw new Error(challenged.reason)
  const answer = clientFinal(start, challenged.message, password)
  if (answer.kind !== 'answer') throw new Error(answer.reason)
  const verified = verify(challenged.exchange, answer.message, candidates)
  const checked = verified.kind === 'accepted' ? checkServer(answer.serverSignature, verified.message).kind : 'none'
  return { verified, checked }
}

describe('SCRAM-SHA-256 server', () => {
  const begin = (text: string): Challenged =>
    challenge(Buffer.from(text, 'latin1'), { salt: RFC.salt, iterations: 4096, nonce: RFC.serverNonce })
  const finish = (text: string, first = RFC.clientFirst): Verified => {
    const challenged = begin(first)
    if (challenged.kind !== 'challenge') throw new Error(challenged.reason)
    const keys = deriveScramKeys('pencil', RFC.salt, 4096)
    return verify(challenged.exchange, Buffer.from(text, 'latin1'), [{ token: 't', ...keys }])
  }

  test('plays the exchange of RFC 7677', () => {
    const challenged = begin(RFC.clientFirst)
    expect(challenged.kind === 'challenge' && challenged.message.toString()).toBe(RFC.serverFirst)
    const verified = finish(RFC.clientFinal)
    expect(verified).toEqual({ kind: 'accepted', token: 't', message: Buffer.from(RFC.serverFinal) })
  })

  test.each([
    ['', 'malformed'],
    ['n', 'malformed'],
    ['x,,n=,r=abc', 'malformed'],
    ['p=tls-server-end-point,,n=,r=abc', 'channel_binding_not_chosen'],
    ['n,a=admin,n=,r=abc', 'authorization_identity'],
    ['n,b,n=,r=abc', 'malformed'],
    ['n,,m=x,n=,r=abc', 'extension'],
    ['n,,n=,r=abc,x=1', 'extension'],
    ['n,,n=,r=', 'malformed'],
    ['n,,n=,r=a b', 'malformed'],
    ['n,,n=,r=a\u007f', 'malformed'],
    ['n,,n=a=b,r=abc', 'malformed'],
    ['n,,r=abc,n=', 'malformed'],
    ['n,,n=\0,r=abc', 'malformed'],
    ['n,,n=,r=abc\0', 'malformed'],
    [`n,,n=,r=${'a'.repeat(2000)}`, 'malformed'],
  ])('refuses client-first %j', (text, reason) => {
    expect(begin(text)).toEqual({ kind: 'violation', reason })
  })

  test.each(['n,,n=,r=abc', 'n,,n=*,r=abc', 'n,,n=a=2Cb=3D,r=abc', 'y,,n=\u00e9,r=abc'])('takes %j', (text) => {
    expect(begin(text).kind).toBe('challenge')
  })

  test.each([
    ['', 'malformed'],
    [RFC.clientFinal.replace('c=biws', 'c=eSws'), 'channel_binding_differs'],
    [RFC.clientFinal.replace('c=biws', 'c=biwt'), 'channel_binding_differs'],
    [RFC.clientFinal.replace('$k0', '$k1'), 'nonce_differs'],
    [RFC.clientFinal.replace(RFC.serverNonce, ''), 'nonce_differs'],
    [RFC.clientFinal.replace(',p=', ',x=1,p='), 'extension'],
    [`${RFC.clientFinal},x=1`, 'extension'],
    [RFC.clientFinal.replace('VQ=', 'VR='), 'malformed'],
    [RFC.clientFinal.replace('dHzb', ''), 'malformed'],
    [RFC.clientFinal.replace('c=biws,', ''), 'malformed'],
    [RFC.clientFinal.replace(/,p=.*/, ''), 'malformed'],
    [`${RFC.clientFinal}\0`, 'malformed'],
  ])('refuses client-final %j', (text, reason) => {
    expect(finish(text)).toEqual({ kind: 'violation', reason })
  })

  test('the flag that the client gave is the one it must sign', () => {
    const first = RFC.clientFirst.replace('n,,', 'y,,')
    expect(finish(RFC.clientFinal, first)).toEqual({ kind: 'violation', reason: 'channel_binding_differs' })
  })

  test('a name that nobody has fails at the end, and only there', () => {
    expect(exchange('whatever', []).verified).toEqual({ kind: 'refused' })
    expect(finish(RFC.clientFinal.replace('p=d', 'p=e'))).toEqual({ kind: 'refused' })
  })

  test('no proof of all zeros, and no empty key, opens an account without keys', () => {
    const start = begin('n,,n=,r=abc')
    if (start.kind !== 'challenge') throw new Error(start.reason)
    const zeros = Buffer.alloc(32).toString('base64')
    const final = Buffer.from(`c=biws,r=abc${RFC.serverNonce},p=${zeros}`)
    expect(verify(start.exchange, final, [])).toEqual({ kind: 'refused' })
  })
})

describe('channel binding', () => {
  const bound = Buffer.alloc(32, 7)
  const run = (client: ClientBinding, server: Buffer | undefined, plus: boolean): string => {
    const start = clientFirst('Y2xpZW50LW5vbmNlLTEyMw==', '', client)
    const challenged = challenge(start.message, {
      salt: SALT,
      iterations: ITERATIONS,
      nonce: NONCE,
      endPoint: server,
      plus,
    })
    if (challenged.kind !== 'challenge') return challenged.reason
    const answer = clientFinal(start, challenged.message, 'pencil')
    if (answer.kind !== 'answer') return answer.reason
    const verified = verify(challenged.exchange, answer.message, [keysOf('t', 'pencil')])
    if (verified.kind !== 'accepted') return verified.kind === 'violation' ? verified.reason : verified.kind
    return checkServer(answer.serverSignature, verified.message).kind
  }

  /** RFC 5802 section 6, as a table: what the client says, whether it was offered and chosen, and what comes of it. */
  test.each([
    [{ endPoint: bound }, bound, true, 'verified'],
    [{ endPoint: bound }, bound, false, 'channel_binding_not_chosen'],
    [{ endPoint: bound }, undefined, false, 'channel_binding_not_chosen'],
    [{ endPoint: bound }, undefined, true, 'channel_binding_missing'],
    [{ endPoint: Buffer.alloc(32, 8) }, bound, true, 'channel_binding_differs'],
    [{ endPoint: bound.subarray(1) }, bound, true, 'channel_binding_differs'],
    [{ endPoint: Buffer.alloc(0) }, bound, true, 'channel_binding_differs'],
    ['not_possible', bound, false, 'verified'],
    ['not_possible', bound, true, 'channel_binding_missing'],
    ['not_possible', undefined, false, 'verified'],
    ['server_offers_none', bound, false, 'channel_binding_downgraded'],
    ['server_offers_none', bound, true, 'channel_binding_missing'],
    ['server_offers_none', undefined, false, 'verified'],
  ] as const)('client %o, server %o, chosen %o: %s', (client, server, plus, outcome) => {
    expect(run(client, server, plus)).toBe(outcome)
  })

  test('of another kind is refused', () => {
    const given = { salt: SALT, iterations: ITERATIONS, nonce: NONCE, endPoint: bound, plus: true }
    for (const type of ['tls-unique', 'tls-exporter', 'TLS-SERVER-END-POINT', 'tls-server-end-point ', '']) {
      expect(challenge(Buffer.from(`p=${type},,n=,r=abc`), given)).toEqual({
        kind: 'violation',
        reason: 'channel_binding_unknown',
      })
    }
    expect(challenge(Buffer.from('p,,n=,r=abc'), given)).toEqual({ kind: 'violation', reason: 'malformed' })
    expect(challenge(Buffer.from('p=tls-server-end-point,a=x,n=,r=abc'), given)).toEqual({
      kind: 'violation',
      reason: 'authorization_identity',
    })
  })
})

describe('client and server together', () => {
  test('agree exactly when the password is one of those with keys', () => {
    const passwords = ['correct horse', 'p\u00e4ssword', 'I\u00adX', 'a'.repeat(300)]
    const candidates = passwords.map((password, index) => keysOf(`t${index}`, password))
    const word = fc.oneof(fc.constantFrom(...passwords), fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }))
    fc.assert(
      fc.property(word, fc.subarray(candidates), (password, some) => {
        const { verified, checked } = exchange(password, some)
        // The soft hyphen is mapped to nothing (RFC 4013 section 3).
        const meant = passwords.findIndex((one) => one.replace('\u00ad', '') === password.replace('\u00ad', ''))
        const expected = some.find((keys) => keys.token === `t${meant}`)?.token
        expect(verified.kind === 'accepted' ? verified.token : undefined).toBe(expected)
        expect(checked).toBe(expected === undefined ? 'none' : 'verified')
      }),
      { numRuns: 60 },
    )
  })

  test('any changed byte of any message ends in refusal, never in acceptance', () => {
    const start = clientFirst('Y2xpZW50LW5vbmNlLTEyMw==')
    const candidates = [keysOf('t', 'pencil')]
    const challenged = challenge(start.message, { salt: SALT, iterations: ITERATIONS, nonce: NONCE })
    if (challenged.kind !== 'challenge') throw new Error(challenged.reason)
    const answer = clientFinal(start, challenged.message, 'pencil')
    if (answer.kind !== 'answer') throw new Error(answer.reason)
    const verified = verify(challenged.exchange, answer.message, candidates)
    if (verified.kind !== 'accepted') throw new Error(verified.kind)
    const flip = (bytes: Buffer, at: number, by: number): Buffer => {
      const copy = Buffer.from(bytes)
      copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ by
      return copy
    }
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, by) => {
        expect(verify(challenged.exchange, flip(answer.message, at, by), candidates).kind).not.toBe('accepted')
        expect(checkServer(answer.serverSignature, flip(verified.message, at, by)).kind).not.toBe('verified')
      }),
    )
  })
})

describe('SCRAM-SHA-256 client', () => {
  const start = clientFirst(RFC.clientNonce, 'user')

  test('plays the exchange of RFC 7677', () => {
    expect(start.message.toString()).toBe(RFC.clientFirst)
    const answer = clientFinal(start, Buffer.from(RFC.serverFirst), 'pencil')
    if (answer.kind !== 'answer') throw new Error(answer.reason)
    expect(answer.message.toString()).toBe(RFC.clientFinal)
    expect(checkServer(answer.serverSignature, Buffer.from(RFC.serverFinal))).toEqual({ kind: 'verified' })
    expect(checkServer(answer.serverSignature, Buffer.from('e=invalid-proof')).kind).toBe('refused')
    expect(checkServer(answer.serverSignature, Buffer.from('v=AAAA')).kind).toBe('violation')
    expect(checkServer(Buffer.alloc(32), Buffer.from(RFC.serverFinal)).kind).toBe('violation')
  })

  test.each([
    RFC.serverFirst.replace('i=4096', 'i=4095'),
    RFC.serverFirst.replace('i=4096', 'i=600001'),
    RFC.serverFirst.replace('i=4096', 'i=-1'),
    RFC.serverFirst.replace('i=4096', 'i=04096'),
    RFC.serverFirst.replace('i=4096', 'i=1e5'),
    RFC.serverFirst.replace('r=r', 'r=x'),
    RFC.serverFirst.replace(RFC.serverNonce, ''),
    RFC.serverFirst.replace('s=W22ZaJ0SNY7soEsUEjb6gQ==', 's='),
    RFC.serverFirst.replace('gQ==', 'gQ'),
    `m=x,${RFC.serverFirst}`,
    `${RFC.serverFirst},x=1`,
    'e=other-error',
    '',
  ])('refuses server-first %j', (text) => {
    expect(clientFinal(start, Buffer.from(text), 'pencil').kind).toBe('violation')
  })

  test('a name with commas and equals signs is spelled as the RFC says', () => {
    expect(clientFirst('abc', 'a,b=c').message.toString()).toBe('n,,n=a=2Cb=3Dc,r=abc')
    expect(() => clientFirst('a,b')).toThrow(RangeError)
  })
})

describe('the frames that carry it', () => {
  test('a SASLInitialResponse reads back as it was written', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z0-9-]{1,20}$/), fc.uint8Array({ maxLength: 50 }), (mechanism, data) => {
        const frame = encodePassword(writeSaslInitialResponse(mechanism, Buffer.from(data)))
        expect(decodeSaslInitial(frame)).toEqual({ mechanism, data: Buffer.from(data) })
      }),
    )
  })

  test('mechanisms are read up to the closing NUL', () => {
    expect(readMechanisms(Buffer.from('SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'))).toEqual([
      'SCRAM-SHA-256-PLUS',
      'SCRAM-SHA-256',
    ])
    expect(readMechanisms(Buffer.from('SCRAM-SHA-256\0'))).toBeUndefined()
    expect(readMechanisms(Buffer.from('SCRAM-SHA-256'))).toBeUndefined()
  })
})

describe('passwords', () => {
  test('md5 as PostgreSQL computes it', () => {
    // echo -n "$(echo -n secretana | md5sum | head -c32)$(printf '\1\2\3\4')" | md5sum
    const salt = Buffer.from([1, 2, 3, 4])
    expect(md5Answer('ana', 'secret', salt).toString()).toBe('md58f8b530763ed9afcdb2cb65189075c56\0')
  })

  test('clear text ends in a NUL', () => {
    expect(cleartextAnswer('secret').toString()).toBe('secret\0')
  })
})
