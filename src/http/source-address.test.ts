import { expect, it } from 'vitest'
import { createSourceAddress } from './source-address.ts'

it('ignores X-Forwarded-For of a peer that is no proxy of ours', () => {
  const address = createSourceAddress([])
  expect(address('203.0.113.9', '10.1.1.1')).toBe('203.0.113.9')
  expect(address('::ffff:203.0.113.9', '10.1.1.1, 10.1.1.2')).toBe('203.0.113.9')
})

it('believes a named proxy for the hop it saw, and nothing that the client wrote before', () => {
  const address = createSourceAddress(['10.0.0.0/8', '::1'])
  expect(address('10.0.0.1', '198.51.100.7')).toBe('198.51.100.7')
  expect(address('10.0.0.1', '1.2.3.4, 198.51.100.7')).toBe('198.51.100.7')
  expect(address('10.0.0.1', '198.51.100.7, 10.0.0.2')).toBe('198.51.100.7')
  expect(address('::1', '198.51.100.7')).toBe('198.51.100.7')
})

it('keeps the last hop it understands when the rest is garbage', () => {
  const address = createSourceAddress(['10.0.0.1'])
  expect(address('10.0.0.1', undefined)).toBe('10.0.0.1')
  expect(address('10.0.0.1', '198.51.100.7, <script>')).toBe('10.0.0.1')
  expect(address(undefined, '198.51.100.7')).toBe('unknown')
})

it('refuses a proxy that is not an address', () => {
  expect(() => createSourceAddress(['proxy.internal'])).toThrow(TypeError)
})
