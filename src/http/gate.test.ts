import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stopAtGate } from './gate.ts'
import type { GateOptions } from './gate.ts'

const LOOPBACK: GateOptions = { publicUrl: 'http://localhost:7400', loopbackOnly: true }
const OPEN: GateOptions = { publicUrl: 'https://hold.example', loopbackOnly: false }

function at(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  options = LOOPBACK,
): string | undefined {
  const all = { host: 'localhost:7400', ...headers }
  return stopAtGate({ method, url, headers: all, rawHeaders: Object.entries(all).flat() }, options)?.code
}

describe('paths', () => {
  it.each(['/', '/v1/requests/HP-142', '/v1/requests?state=pending', '/openapi.json', '/v1/secrets/a.b_c-d'])(
    'lets %s through',
    (url) => {
      expect(at('GET', url)).toBeUndefined()
    },
  )

  it.each([
    '//v1/me',
    '/v1//me',
    '/v1/me/',
    '/v1/./me',
    '/v1/../me',
    '/..',
    '/v1/%6de',
    '/v1/%2e%2e/me',
    '/v1%2Fme',
    '/v1/me%00',
    '/v1\\me',
    '/v1/me#x',
    'http://localhost:7400/v1/me',
    '*',
    '',
    '/v1/m\u00e9',
    '/.git/config',
  ])('refuses %s', (url) => {
    expect(at('GET', url)).toBe('invalid_path')
  })

  it('lets only those paths through that the URL parser leaves as they are', () => {
    const path = fc.array(fc.constantFrom('/', '.', '..', 'v1', '%2f', '%2e', '\\', 'a', ';', ' ', '\t', '@'), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(path, (parts) => {
        const url = `/${parts.join('')}`
        const passed = at('GET', url) === undefined
        expect(passed && new URL(url, 'http://localhost').pathname).toBe(passed && url)
      }),
    )
  })

  it('answers in time linear in the length of a hostile path', () => {
    expect(at('GET', `/${'a/'.repeat(4_000)}%`)).toBe('invalid_path')
  })
})

describe('origins', () => {
  it.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:7401' },
    { origin: 'http://localhost:7400.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('refuses a change that a page of another origin orders: %o', (headers) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect(at(method, '/v1/sign-out', headers)).toBe('cross_origin')
  })

  it.each([
    {},
    { origin: 'http://localhost:7400' },
    { origin: 'http://localhost:7400', 'sec-fetch-site': 'same-origin' },
  ])('lets its own pages and command-line clients change things: %o', (headers) => {
    expect(at('POST', '/v1/sign-out', headers)).toBeUndefined()
  })

  it('knows its public origin behind a proxy that rewrites Host', () => {
    expect(at('POST', '/v1/sign-out', { host: 'backend:7400', origin: 'https://hold.example' }, OPEN)).toBeUndefined()
  })
})

describe('names', () => {
  it.each(['evil.example', 'localhost.evil.example:7400', '127.0.0.1.nip.io', '10.0.0.1'])(
    'refuses Host: %s on loopback',
    (host) => {
      expect(at('GET', '/v1/info', { host })).toBe('wrong_host')
    },
  )
  it.each(['localhost', 'localhost:7400', '127.0.0.1:7400', '[::1]:7400'])('answers to %s on loopback', (host) => {
    expect(at('GET', '/v1/info', { host })).toBeUndefined()
  })
  it('answers to any name elsewhere, where a probe comes by address', () => {
    expect(at('GET', '/healthz', { host: '10.0.0.7:7400' }, OPEN)).toBeUndefined()
  })
})

it.each(['authorization', 'content-type', 'host', 'origin', 'idempotency-key'])(
  'refuses two of the header %s',
  (name) => {
    const rawHeaders = [name, 'a', name.toUpperCase(), 'b']
    expect(stopAtGate({ method: 'GET', url: '/', headers: { host: 'localhost' }, rawHeaders }, LOOPBACK)?.code).toBe(
      'bad_request',
    )
  },
)

it.each(['', ' ', 'a b', 'localhost/x', 'localhost:', 'user@localhost', '[::1', 'localhost:99999999'])(
  'refuses Host: %j anywhere',
  (host) => {
    expect(at('GET', '/v1/info', { host }, OPEN)).toBe('bad_request')
  },
)

it.each(['TRACE', 'CONNECT', 'OPTIONS', 'PROPFIND', ''])('refuses the method %s', (method) => {
  expect(at(method, '/')).toBe('method_not_allowed')
})
