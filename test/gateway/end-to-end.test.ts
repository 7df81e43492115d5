import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../src/wire/postgres/frontend.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient } from '../support/raw-client.ts'

/** The whole installation, as it is booted, with drivers in front and a real target behind. */
let world: Installation
beforeAll(async () => {
  world = await installation()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.target.query('TRUNCATE carts')
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
})
afterEach(() => expect(world.logged).toEqual([]))
const count = async () => (await world.target.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n

describe('a held statement', () => {
  it('simple: waits, is told about, runs when it is approved, and is denied with words', () =>
    withClient(world.connection, async (client, notices) => {
      const running = client.query('DELETE FROM carts WHERE id <= 5')
      const { id } = await world.pending()
      expect(await count()).toBe(20)
      expect(notices[0]).toMatch(new RegExp(`^held ${id}: needs 1 of team payments \\(rule changes\\) http`))
      await world.approve()
      expect((await running).rowCount).toBe(5)
      const refused = client.query('DELETE FROM carts').catch((error: unknown) => error)
      await world.deny('not\nthese')
      expect(await refused).toMatchObject({
        code: '42501',
        message: expect.stringMatching(/denied by mia: not these$/),
      })
      expect(await count()).toBe(15)
    }))

  it('extended: unnamed, named and pipelined; one approval is one run', () =>
    withClient(world.connection, async (client) => {
      const unnamed = client.query('DELETE FROM carts WHERE id = $1', [1])
      expect((await world.approve()).subject).toMatchObject({ parameters: [{ kind: 'text', text: '1' }] })
      expect((await unnamed).rowCount).toBe(1)
      for (const value of [2, 3]) {
        const named = client.query({ name: 'del', text: 'DELETE FROM carts WHERE id = $1', values: [value] })
        expect((await world.approve()).subject).toMatchObject({ parameters: [{ kind: 'text', text: String(value) }] })
        expect((await named).rowCount).toBe(1)
      }
      const raw = await rawClient(world.connection)
      raw.send(encodeParse('', 'DELETE FROM carts WHERE id = 4'), encodeBind('', ''), encodeExecute(''), SYNC)
      raw.send(encodeParse('', 'SELECT count(*) FROM carts'), encodeBind('', ''), encodeExecute(''), SYNC)
      await world.pending()
      expect(await count()).toBe(17)
      await world.approve()
      expect(brief([...(await raw.until('Z')), ...(await raw.until('Z'))])).toBe(
        '1 2 C(DELETE 1) Z(I) 1 2 D(16) C(SELECT 1) Z(I)',
      )
      raw.close()
    }))

  it('61a: in a transaction a refusal fails it, and COMMIT rolls back, as a second connection sees', () =>
    withClient(world.connection, async (client) => {
      await client.query('BEGIN')
      const first = client.query('DELETE FROM carts WHERE id = 1')
      await world.approve()
      expect((await first).rowCount).toBe(1)
      const second = client.query('DELETE FROM carts').catch((error: unknown) => error)
      expect((await world.pending()).subject).toMatchObject({
        state: { inTransaction: true },
        locks: { held: expect.arrayContaining([{ object: 'public.carts', mode: 'RowExclusive' }]) },
      })
      await world.deny('no')
      expect(await second).toMatchObject({ code: '42501' })
      expect((await client.query('COMMIT')).command).toBe('ROLLBACK')
      expect(await count()).toBe(20)
    }))

  it('61a: in a pipeline a refusal before Sync commits nothing of it', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeParse('', 'DELETE FROM carts WHERE id = 1'), encodeBind('', ''), encodeExecute(''))
    raw.send(encodeParse('', 'ALTER SYSTEM RESET ALL'), encodeBind('', ''), encodeExecute(''), SYNC)
    await world.approve()
    expect(brief(await raw.until('Z'))).toBe('1 2 C(DELETE 1) E(42501) Z(I)')
    expect(await count()).toBe(20)
    raw.close()
  })

  it('61e: a temporary object made after an approval voids nothing it does not touch, and one before it is shown', () =>
    withClient(world.connection, async (client) => {
      const made = client.query('CREATE TEMP TABLE carts (id int)')
      await world.approve()
      await made
      const deleted = client.query('DELETE FROM carts')
      expect((await world.pending()).subject).toMatchObject({ state: { temporaryObjects: ['carts'] } })
      await world.approve()
      expect((await deleted).rowCount).toBe(0)
      expect(await count()).toBe(20)
    }))

  it('is withdrawn when its client is gone, and by CancelRequest', async () => {
    const raw = await rawClient(world.connection)
    raw.send(encodeQuery('DELETE FROM carts'))
    const { id } = await world.pending()
    raw.close()
    const stateOf = async (of: string) => (await world.as('mia').call('getRequest', { params: { id: of } })).state
    await expect.poll(() => stateOf(id)).toBe('withdrawn')
    expect(await count()).toBe(20)
  })

  it('whose profile changes while it waits is asked about again in place', () =>
    withClient(world.connection, async (client, notices) => {
      const running = client.query('DELETE FROM carts WHERE id = 9')
      const { id } = await world.pending()
      await world.apply(
        RULES.replace('reviews: [{from: owners}]', 'reviews: [{from: owners}, {from: "team:security"}]'),
      )
      await expect.poll(() => notices.find((text) => text.includes('asking again'))).toContain(`${id} voided`)
      const again = await world.approve('mia')
      expect(again.id).not.toBe(id)
      expect(await count()).toBe(20)
      await world.approve('sam')
      expect((await running).rowCount).toBe(1)
      await world.apply(RULES)
    }))
})
