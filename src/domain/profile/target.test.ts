import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readTarget, targetKey } from './target.ts'

const target = (text: string) => {
  const read = readTarget(text)
  if (!read.ok) throw new Error(read.message)
  return read.target
}

test.each([
  [
    'postgres://ledger.internal/ledger',
    { host: 'ledger.internal', port: 5432, user: 'holdpoint', database: 'ledger', sslmode: 'require' },
  ],
  [
    'postgresql://app@db:6432/x?sslmode=verify-full',
    { host: 'db', port: 6432, user: 'app', database: 'x', sslmode: 'verify-full' },
  ],
  [
    'postgres://app@127.0.0.1:7433/shop',
    { host: '127.0.0.1', port: 7433, user: 'app', database: 'shop', sslmode: 'prefer' },
  ],
  ['postgres://app@[::1]/shop', { host: '::1', port: 5432, user: 'app', database: 'shop', sslmode: 'prefer' }],
  [
    'postgres://app@10.0.0.7/shop?sslmode=disable',
    { host: '10.0.0.7', port: 5432, user: 'app', database: 'shop', sslmode: 'disable' },
  ],
  [
    'postgres://app@h/shop?sslmode=require&sslnegotiation=direct',
    { host: 'h', port: 5432, user: 'app', database: 'shop', sslmode: 'require', direct: true },
  ],
  [
    'postgres://app@h/shop?sslnegotiation=postgres',
    { host: 'h', port: 5432, user: 'app', database: 'shop', sslmode: 'require' },
  ],
  ['postgres://us%40er@h/d%2Fb', { host: 'h', port: 5432, user: 'us@er', database: 'd/b', sslmode: 'require' }],
  [
    'postgres://app@/shop?host=/var/run/postgresql&port=6000',
    {
      host: '/var/run/postgresql',
      socket: '/var/run/postgresql',
      port: 6000,
      user: 'app',
      database: 'shop',
      sslmode: 'disable',
    },
  ],
  [
    'postgres:///shop?host=%2Ftmp',
    { host: '/tmp', socket: '/tmp', port: 5432, user: 'holdpoint', database: 'shop', sslmode: 'disable' },
  ],
])('%s', (text, wanted) => {
  expect(target(text)).toEqual(wanted)
})

test.each([
  'ledger',
  'postgres:/h/d',
  'postgres://h',
  'postgres://h/',
  'postgres:///d',
  'postgres://h:0/d',
  'postgres://h:65536/d',
  'postgres://h:port/d',
  'postgres://u:p@h/d',
  'postgres://u@h/d?password=x',
  'postgres://h/d?options=-c%20x',
  'postgres://h/d?sslmode=allow',
  'postgres://h/d?sslnegotiation=direct',
  'postgres://h/d?sslnegotiation=direct&sslmode=prefer',
  'postgres://h/d?sslnegotiation=requiredirect&sslmode=require',
  'postgres:///d?host=/tmp&sslnegotiation=direct&sslmode=require',
  'postgres://h/d?sslmode=a&sslmode=b',
  'postgres://h/d?host=other',
  'postgres://h/d?host=/tmp',
  'postgres:///d?host=/tmp&sslmode=require',
  'postgres://a,b/d',
  'postgres://h_/d',
  'postgres://-h/d',
  'postgres://h%00/d',
  'postgres://h/d%00',
  'postgres://h/d%zz',
  'postgres://\u043eb/d',
  'postgres://h/d#x',
  'postgres://a@b@c/d',
  'mysql://h/d',
  ' postgres://h/d',
])('is refused: %s', (text) => {
  expect(readTarget(text).ok).toBe(false)
})

test('spellings of one place have one key, and other places have others', () => {
  const keys = ['postgres://a@Db.Internal./x', 'postgres://b@db.internal:5432/x?sslmode=disable'].map((text) =>
    targetKey(target(text)),
  )
  expect(new Set(keys).size).toBe(1)
  const local = [
    'postgres://localhost/x',
    'postgres://127.0.0.1/x',
    'postgres://127.1.2.3/x',
    'postgres://[::1]/x',
  ].map((text) => targetKey(target(text)))
  expect(new Set(local).size).toBe(1)
  expect(
    new Set(
      ['postgres://h/x', 'postgres://h/y', 'postgres://h:1/x', 'postgres:///x?host=/tmp'].map((text) =>
        targetKey(target(text)),
      ),
    ).size,
  ).toBe(4)
})

test('no message repeats what was written, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('postgres://u:', 'postgres://', 'postgres://h/d?password=', ''),
      (noise, prefix) => {
        const read = readTarget(`${prefix}${noise}s3cr3t@h/d`)
        expect(read.ok ? '' : read.message).not.toContain('s3cr3t')
      },
    ),
  )
})
