import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeBind, encodeClose, encodeExecute, encodeParse, FLUSH, SYNC } from '../../src/wire/postgres/frontend.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'

/** What policy can say, carried out by the whole installation. */
let world: Installation
beforeAll(async () => {
  world = await installation()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.target.query('TRUNCATE carts')
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 1000) n")
  await world.target.query('ANALYZE carts')
})
afterEach(() => expect(world.logged).toEqual([]))

const SMALL = `kind: Rule
name: small-changes
on: {resource: shop-db, verbs: [delete], team: sre}
when: action.estimate.rows < 100
allow: {waives: [changes], reviewAfter: 24h}
`

describe('a rule that reads the estimate', () => {
  beforeAll(() => world.apply(RULES, SMALL))
  afterAll(() => world.apply(`${RULES}---\n${SMALL.replace('< 100', '< 0')}`))

  it('decides for a text, and for the values that a driver binds; the exception is told and recorded', () =>
    withClient(world.connection, async (client, notices) => {
      expect((await client.query('DELETE FROM carts WHERE id <= 5')).rowCount).toBe(5)
      expect(notices.join()).toContain('AUTO-APPROVED by small-changes, which waives changes. Recorded.')
      expect((await client.query('DELETE FROM carts WHERE id <= $1', [10])).rowCount).toBe(5)
      expect((await client.query({ name: 'd', text: 'DELETE FROM carts WHERE id <= $1', values: [15] })).rowCount).toBe(
        5,
      )
      const many = client.query('DELETE FROM carts WHERE id <= $1', [900])
      expect((await world.approve()).subject).toMatchObject({ actions: [{ facts: { estimate: { rows: 900 } } }] })
      expect((await many).rowCount).toBe(885)
      const { items } = await world.as('sam').call('listRecord', { query: { limit: '100' } })
      expect(items.filter(({ kind }) => kind === 'exception.waived')).toHaveLength(3)
    }))
})

describe('a reason', () => {
  const NEEDED = RULES.replace('reviews: [{from: owners}]', 'reviews: [{from: owners}], reason: required')
  beforeAll(() => world.apply(NEEDED))
  afterAll(() => world.apply(RULES))

  it('is asked for, and given by SET or when connecting', async () => {
    await withClient(world.connection, async (client) => {
      await expect(client.query('DELETE FROM carts WHERE id = 1')).rejects.toMatchObject({
        code: '42501',
        hint: expect.stringContaining('SET holdpoint.reason'),
      })
      await client.query("SET holdpoint.reason = 'too many carts'")
      const running = client.query('DELETE FROM carts WHERE id = 1')
      expect((await world.approve()).reason).toBe('too many carts')
      await running
      await client.query('RESET holdpoint.reason')
      await expect(client.query('DELETE FROM carts WHERE id = 2')).rejects.toMatchObject({ code: '42501' })
    })
    await withClient({ ...world.connection, options: '-c holdpoint.reason=INC-9:\\ carts' }, async (client) => {
      const running = client.query('DELETE FROM carts WHERE id = 2')
      expect((await world.approve()).reason).toBe('INC-9: carts')
      await running
    })
  })
})

describe('a held connect', () => {
  const HELD = RULES.replace(
    'on: {verbs: [connect]}\nallow: {}',
    'on: {verbs: [connect]}\nhold: {reviews: [{from: owners}]}',
  )
  beforeAll(() => world.apply(HELD))
  afterAll(() => world.apply(RULES))

  it('reaches the target only once it is agreed to', async () => {
    const connected = withClient(world.connection, async (client) => (await client.query('SELECT 1 AS n')).rows)
    expect((await world.pending()).subject).toMatchObject({ kind: 'connect' })
    const [there] = await world.target.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name NOT LIKE 'holdpoint%' AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    expect(there?.n).toBe(0)
    await world.approve()
    expect(await connected).toEqual([{ n: 1 }])
  })
})

describe('parameters', () => {
  it('in the binary format are shown as what they say, and the digest tells the format apart', async () => {
    const raw = await rawClient(world.connection)
    const describe = encodeClose('statement', 's')
    describe[0] = 0x44
    raw.send(encodeParse('s', 'DELETE FROM carts WHERE id = $1'), describe, SYNC)
    expect(brief(await raw.until('Z'))).toBe('1 t n Z(I)')
    const head = encodeBind('', 's')
    const body = Buffer.concat([
      head.subarray(5, head.length - 6),
      Buffer.from([0, 1, 0, 1, 0, 1, 0, 0, 0, 4, 0, 0, 1, 0x2c, 0, 0]),
    ])
    const bind = Buffer.concat([Buffer.from([0x42, 0, 0, 0, body.length + 4]), body])
    raw.send(bind, encodeExecute(''), FLUSH, SYNC)
    expect((await world.approve()).subject).toMatchObject({
      parameters: [{ kind: 'binary', hex: '0000012c', reads: { type: 'int4', text: '300' } }],
    })
    expect(brief(await raw.until('Z'))).toBe('2 C(DELETE 1) Z(I)')
    raw.close()
  })
})
