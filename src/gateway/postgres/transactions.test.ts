import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { RequestId } from '../../domain/ids.ts'
import { encodeBind, encodeClose, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/** What was done under a review is kept only while the review stands, up to and with the commit. */
describe('a transaction under review', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: RawClient

  beforeEach(async () => {
    db = await testServer()
    await db.query('CREATE TABLE carts (id int PRIMARY KEY); INSERT INTO carts SELECT generate_series(1, 20)')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = await rawClient(world.connection)
  })
  afterEach(async () => {
    client.close()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const count = async () => (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n
  const approveNext = () => void world.app.nextHold().then((held) => held.approve())
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z'))
  }
  const held = (sql: string) => {
    approveNext()
    return ask(sql)
  }
  const finished = () => world.app.finished.map(({ outcome, rows, sqlstate }) => [outcome, rows, sqlstate])
  const UNDONE = (rows: number) => ['failed', rows, '40000']
  const KEPT = (rows: number) => ['succeeded', rows, undefined]
  const revoke = () =>
    (world.app.onConfirm = (requests) => ({ kind: 'ended', request: requests[0] as RequestId, why: 'revoked' }))

  it('keeps its grant to the commit, which is confirmed once for all that was used', async () => {
    await ask('BEGIN')
    expect(await held('DELETE FROM carts WHERE id = 1')).toBe('C(DELETE 1) Z(T)')
    expect(await held('DELETE FROM carts WHERE id = 2')).toBe('C(DELETE 1) Z(T)')
    expect(finished()).toEqual([])
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(world.app.confirmed).toEqual([['HP-142', 'HP-143']])
    expect(finished()).toEqual([KEPT(1), KEPT(1)])
    expect(await count()).toBe(18)
  })

  it('asks nobody where nothing was held', async () => {
    await ask('BEGIN')
    await ask('SELECT 1')
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(await held('DELETE FROM carts WHERE id = 1')).toBe('C(DELETE 1) Z(I)')
    await ask('BEGIN')
    expect(await ask('END')).toBe('C(COMMIT) Z(I)')
    expect(world.app.confirmed).toEqual([])
    expect(finished()).toEqual([KEPT(1)])
  })

  it.each(['COMMIT', 'END WORK', 'COMMIT AND CHAIN', 'SELECT 1; COMMIT; SELECT 2'])(
    'is rolled back in place of %s when the grant has ended',
    async (commit) => {
      await ask('BEGIN')
      await held('DELETE FROM carts')
      revoke()
      client.send(encodeQuery(commit))
      const messages = await client.until('Z')
      expect(brief(messages)).toBe('E(40000) Z(I)')
      expect(textOf(messages.find(({ type }) => type === 'E'))).toBe(
        'HP-142 ended (revoked); the transaction was rolled back',
      )
      expect(finished()).toEqual([UNDONE(20)])
      expect(await count()).toBe(20)
      // The session goes on.
      expect(await ask('SELECT count(*) FROM carts')).toBe('T D(20) C(SELECT 1) Z(I)')
      expect(world.app.entries.map(({ outcome, sqlstate }) => [outcome, sqlstate])).toContainEqual(['refused', '40000'])
    },
  )

  it('is rolled back when a driver commits by the extended protocol', async () => {
    await ask('BEGIN')
    await held('DELETE FROM carts')
    revoke()
    client.send(encodeParse('', 'COMMIT'), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 E(40000) Z(I)')
    expect(finished()).toEqual([UNDONE(20)])
    expect(await count()).toBe(20)
    expect(await ask('SELECT 1')).toBe('T D(1) C(SELECT 1) Z(I)')
  })

  it('is rolled back when a Sync would commit it', async () => {
    revoke()
    approveNext()
    client.send(encodeParse('', 'DELETE FROM carts'), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(DELETE 20) E(40000) Z(I)')
    expect(finished()).toEqual([UNDONE(20)])
    expect(await count()).toBe(20)
    world.app.onConfirm = () => ({ kind: 'live' })
    approveNext()
    client.send(encodeParse('', 'DELETE FROM carts'), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(DELETE 20) Z(I)')
    expect(finished()[1]).toEqual(KEPT(20))
    expect(await count()).toBe(0)
  })

  it('is rolled back when a simple query behind a pipeline would commit it', async () => {
    revoke()
    approveNext()
    client.send(encodeParse('', 'DELETE FROM carts'), encodeBind('', ''), encodeExecute(''), encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toBe('1 2 C(DELETE 20) E(40000) Z(I)')
    expect(finished()).toEqual([UNDONE(20)])
    expect(await count()).toBe(20)
  })

  it('commits nothing when the store cannot be asked, and says that it was a failure', async () => {
    await ask('BEGIN')
    await held('DELETE FROM carts')
    world.app.onConfirm = () => Promise.reject(new Error('the store is down'))
    expect(await ask('COMMIT')).toBe('E(58000) Z(I)')
    expect(await count()).toBe(20)
    expect(finished()).toEqual([UNDONE(20)])
  })

  it('says what was rolled back: by the client, by a failure, by leaving', async () => {
    await ask('BEGIN')
    await held('DELETE FROM carts WHERE id = 1')
    expect(await ask('ROLLBACK')).toBe('C(ROLLBACK) Z(I)')
    expect(finished()).toEqual([UNDONE(1)])

    await ask('BEGIN')
    await held('DELETE FROM carts WHERE id <= 2')
    expect(await ask('SELECT 1/0')).toBe('E(22012) Z(E)')
    expect(await ask('COMMIT')).toBe('C(ROLLBACK) Z(I)')
    expect(finished()[1]).toEqual(UNDONE(2))

    // In a pipeline a later failure takes back what was done before.
    approveNext()
    client.send(
      encodeParse('', 'DELETE FROM carts WHERE id <= 3'),
      encodeBind('', ''),
      encodeExecute(''),
      encodeParse('', 'SELECT 1/0'),
      encodeBind('', ''),
      encodeExecute(''),
      SYNC,
    )
    expect(brief(await client.until('Z'))).toContain('E(22012) Z(I)')
    expect(finished()[2]).toEqual(UNDONE(3))

    await ask('BEGIN')
    await held('DELETE FROM carts WHERE id <= 4')
    client.close()
    await expect.poll(() => world.app.closed).toHaveLength(1)
    expect(finished()[3]).toEqual(UNDONE(4))
    expect(await count()).toBe(20)
  })

  it('follows savepoints', async () => {
    await ask('BEGIN')
    await ask('SAVEPOINT before')
    await held('DELETE FROM carts WHERE id = 1')
    await ask('SAVEPOINT a')
    await held('DELETE FROM carts WHERE id IN (2, 3)')
    await ask('SAVEPOINT b')
    await held('DELETE FROM carts WHERE id IN (4, 5, 6)')
    await ask('RELEASE b')
    await ask('ROLLBACK TO a')
    expect(finished()).toEqual([UNDONE(2), UNDONE(3)])
    await held('DELETE FROM carts WHERE id IN (7, 8, 9, 10)')
    // Behind a failure, too.
    await ask('SAVEPOINT c')
    await ask('SELECT 1/0')
    expect(await ask('ROLLBACK TO c')).toBe('C(ROLLBACK) Z(T)')
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(world.app.confirmed).toEqual([['HP-142', 'HP-145']])
    expect(finished().slice(2)).toEqual([KEPT(1), KEPT(4)])
    expect(await count()).toBe(15)

    await ask('BEGIN; SAVEPOINT before')
    await held('DELETE FROM carts WHERE id = 11')
    await ask('ROLLBACK TO before')
    expect(finished().slice(4)).toEqual([UNDONE(1)])
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(world.app.confirmed).toHaveLength(1)
  })

  it('has succeeded only when it was executed: bound and left alone, or closed, it has not', async () => {
    const pipeline = async (...frames: readonly Buffer[]) => {
      approveNext()
      client.send(encodeParse('', 'DELETE FROM carts WHERE id < 3'), encodeBind('', ''), ...frames, SYNC)
      return brief(await client.until('Z'))
    }
    expect(await pipeline()).toBe('1 2 Z(I)')
    expect(await pipeline(encodeClose('portal', ''))).toBe('1 2 3 Z(I)')
    const never = ['failed', undefined, '57014']
    expect(finished()).toEqual([never, never])
    expect(world.app.entries.map(({ outcome, sqlstate }) => [outcome, sqlstate])).toEqual([
      ['failed', '57014'],
      ['failed', '57014'],
    ])
    expect(await count()).toBe(20)
    expect(await pipeline(encodeExecute(''))).toBe('1 2 C(DELETE 2) Z(I)')
    expect(finished().slice(2)).toEqual([KEPT(2)])
  })

  it('has not succeeded when a deferred constraint refuses it at the Sync, or the second half behind its own COMMIT fails', async () => {
    await db.query(
      'CREATE TABLE items (cart int REFERENCES carts DEFERRABLE INITIALLY DEFERRED); INSERT INTO items VALUES (1)',
    )
    approveNext()
    // Not counted, so that nothing of the gateway's own looks at the constraint before the Sync does.
    const sql = 'DO $$ BEGIN DELETE FROM carts WHERE id = 1; END $$'
    client.send(encodeParse('', sql), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(DO) E(23503) Z(I)')
    expect(finished()).toEqual([['failed', 0, '40000']])
    expect(await count()).toBe(20)

    expect(await held('DELETE FROM carts WHERE id = 2; COMMIT; DELETE FROM carts WHERE id = 1 / 0')).toBe(
      'C(DELETE 1) C(COMMIT) E(22012) Z(I)',
    )
    expect(world.app.finished[1]).toMatchObject({ outcome: 'failed', sqlstate: '22012', partly: true })
    expect(await count()).toBe(19)
  })

  it('what PostgreSQL commits at once may stand although the rest of its pipeline was rolled back', async () => {
    world.app.rule = () => 'hold'
    void world.app.nextHold().then((held) => {
      world.app.rule = () => 'allow'
      held.approve()
    })
    const run = (sql: string) => [encodeParse('', sql), encodeBind('', ''), encodeExecute('')]
    client.send(...run('VACUUM carts'), ...run('SELECT 1 / 0'), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(VACUUM) 1 E(22012) Z(I)')
    expect(world.app.finished).toMatchObject([{ outcome: 'failed', sqlstate: '40000', partly: true }])
  })

  it('is not known when it may have committed by itself before a failure in its pipeline', async () => {
    await db.query(`CREATE PROCEDURE close_books() LANGUAGE plpgsql AS $$ BEGIN
      DELETE FROM carts WHERE id = (SELECT min(id) FROM carts); COMMIT; END $$`)
    const part = Buffer.from(encodeExecute(''))
    part.writeInt32BE(1, part.length - 4)
    const run = (sql: string) => [encodeParse('', sql), encodeBind('', ''), encodeExecute('')]
    const failing = run('SELECT 1 / 0')
    world.app.rule = ({ verb }) => (verb === 'delete' || verb === 'exec' ? 'hold' : 'allow')
    for (const committing of ['CALL close_books()', 'DO $$ BEGIN CALL close_books(); END $$']) {
      approveNext()
      client.send(...run(committing), ...failing, SYNC)
      expect(brief(await client.until('Z'))).toMatch(/^1 2 C\((CALL|DO)\) 1 E\(22012\) Z\(I\)$/)
    }
    expect(await count()).toBe(18)
    // A COMMIT has kept what a portal had done by then, whose other rows nobody asked for.
    approveNext()
    const returning = 'DELETE FROM carts WHERE id > 17 RETURNING id'
    client.send(encodeParse('', returning), encodeBind('', ''), part, ...run('COMMIT'), ...failing, SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 D(18) s 1 2 C(COMMIT) 1 E(22012) Z(I)')
    expect(await count()).toBe(15)
    expect(world.app.finished.map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown', 'succeeded'])
  })

  it('is cut when its time is up in between, and nothing of it is left', async () => {
    world.app.onStart = () => ({ kind: 'go', grant: 'G-1' as never, expiresAt: (Date.now() + 300) as never })
    await ask('BEGIN')
    await held('DELETE FROM carts')
    const messages = await client.toEnd()
    expect(brief(messages)).toBe('E(57P01)')
    await expect.poll(() => world.app.closed).toHaveLength(1)
    expect(finished()).toEqual([UNDONE(20)])
    expect(await count()).toBe(20)
  })
})
