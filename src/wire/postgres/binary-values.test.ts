import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { readBinary } from './binary-values.ts'

let db: TestDatabase
let client: pg.Client
beforeAll(async () => {
  db = await testServer()
  client = new pg.Client(db.url)
  await client.connect()
  await client.query("SET timezone = 'UTC'; SET datestyle = 'ISO'")
})
afterAll(async () => {
  await client.end()
  await db.close()
})

const VALUES: Readonly<Record<string, readonly string[]>> = {
  bool: ['true', 'false'],
  int2: ['-32768', '0', '7'],
  int4: ['-2147483648', '0', '1204'],
  int8: ['-9223372036854775808', '9007199254740993'],
  oid: ['4294967295'],
  float8: ['0.1', '-12345.678'],
  text: ['', "it's ✓"],
  varchar: ['abc'],
  json: ['{"a": 1}'],
  jsonb: ['{"a": [1, 2]}'],
  uuid: ['6fd8f6d2-0000-4a77-9d0c-0123456789ab'],
  date: ['2026-11-23', '1999-12-31', '0001-01-01', 'infinity', '-infinity'],
  time: ['00:00:00', '23:59:59.000001'],
  timestamp: ['2026-11-23 21:30:00', '1969-07-20 20:17:40.000001', 'infinity'],
  timestamptz: ['2026-11-23 21:30:00+00', '1999-12-31 23:59:59.999999+00'],
  numeric: [
    '0',
    '-1',
    '12345.6789',
    '0.00001234',
    '10000',
    '99990001.50',
    '0.0000',
    'NaN',
    '1e30',
    '-0.5',
    '100000000.0001',
  ],
}

const SEND: Readonly<Record<string, string>> = Object.fromEntries(
  ['bool', 'int2', 'int4', 'int8', 'oid', 'float8', 'text', 'varchar'].map((type) => [type, `${type}send`]),
)

it.each(Object.keys(VALUES))('reads %s as PostgreSQL prints it', async (type) => {
  const [{ oid } = { oid: 0 }] = await db.query<{ oid: number }>('SELECT $1::regtype::oid::int4 AS oid', [type])
  for (const value of VALUES[type] ?? []) {
    const [{ bytes, text } = { bytes: Buffer.alloc(0), text: '' }] = (
      await client.query<{ bytes: Buffer; text: string }>(
        `SELECT ${SEND[type] ?? `${type}_send`}($1::${type}) AS bytes, $1::${type}::text AS text`,
        [value],
      )
    ).rows
    expect([value, readBinary(oid, bytes)]).toEqual([value, { type, text }])
  }
})

it('leaves alone what is not known or not what the type sends', () => {
  expect(readBinary(23, Buffer.alloc(3))).toBeUndefined()
  expect(readBinary(16, Buffer.from([2]))).toBeUndefined()
  expect(readBinary(25, Buffer.from([0xff]))).toBeUndefined()
  expect(readBinary(99_999, Buffer.alloc(4))).toBeUndefined()
  expect(readBinary(1700, Buffer.alloc(0))).toBeUndefined()
  // More digits than the scale shows.
  expect(readBinary(1700, Buffer.from([0, 1, 0xff, 0xff, 0, 0, 0, 1, 0x04, 0xd2]))).toBeUndefined()
  expect(readBinary(1700, Buffer.from([0, 0, 0x7f, 0xff, 0, 0, 0, 0]))).toBeUndefined()
})
