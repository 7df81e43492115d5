import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, HOLD } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { PrincipalId } from '../../domain/ids.ts'
import { instant, millis } from '../../domain/time.ts'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
  TERMINATE,
} from '../../wire/postgres/frontend.ts'
import { encodeCancelRequest } from '../../wire/postgres/startup.ts'

const bound = (portal: string, statement: string, value: string): Buffer => {
  const head = encodeBind(portal, statement)
  const body = Buffer.concat([
    head.subarray(5, head.length - 4),
    Buffer.from([0, 1]),
    Buffer.from([0, 0, 0, value.length]),
    Buffer.from(value),
    Buffer.from([0, 0]),
  ])
  const frame = Buffer.concat([Buffer.from('B\0\0\0\0', 'latin1'), body])
  frame.writeUInt32BE(body.length + 4, 1)
  return frame
}
const INSERT = 'INSERT INTO carts VALUES (1000)'

describe('the protocol, message by message', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: RawClient

  beforeEach(async () => {
    db = await testServer()
    await db.query('CREATE TABLE carts (id int)')
    await db.query('INSERT INTO carts SELECT generate_series(1, 20)')
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = await rawClient(world.connection)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    client.close()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const count = async () => (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z'))
  }
  const hold = (verb: string) => (world.app.rule = (action) => (action.verb === verb ? 'hold' : 'allow'))
  const deny = (verb: string) => (world.app.rule = (action) => (action.verb === verb ? 'deny' : 'allow'))

  it('46: classes every statement of one Query, and holds all of it', async () => {
    const next = world.app.nextHold()
    client.send(encodeQuery('SELECT 1; DROP TABLE carts'))
    const held = await next
    expect(held.input.subject).toMatchObject({ actions: [{ verb: 'read' }, { verb: 'schema' }] })
    held.decide({ kind: 'denied', by: 'mia' as PrincipalId, words: 'no' })
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    expect(await count()).toBe(20)
  })

  it('47: READ ONLY is no boundary: what stands behind its end in the same text is held, and nothing of it runs', async () => {
    hold('delete')
    expect(await ask('BEGIN READ ONLY')).toBe('C(BEGIN) Z(T)')
    const next = world.app.nextHold()
    client.send(encodeQuery('commit; delete from carts'))
    const held = await next
    expect(held.input.subject).toMatchObject({ actions: [{ verb: 'connect' }, { verb: 'delete' }] })
    held.decide({ kind: 'denied', by: 'mia' as PrincipalId, words: 'no' })
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(E)')
    expect(await ask('ROLLBACK')).toBe('C(ROLLBACK) Z(I)')
    expect(await count()).toBe(20)
  })

  it('61c: what a function of the target is in is not even planned before it is agreed to', async () => {
    await db.query(`CREATE FUNCTION spy() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_lock(4713); PERFORM pg_sleep(3600); RETURN 1; END $$`)
    world.app.rule = ({ verb }) => (verb === 'delete' ? 'hold' : 'allow')
    const estimates: unknown[] = []
    for (const where of ['id = 1', 'id = spy()', 'spy() = id AND id < 5']) {
      const next = world.app.nextHold()
      client.send(encodeQuery(`DELETE FROM carts WHERE ${where}`))
      const held = await next
      const { subject } = held.input
      estimates.push(subject.kind === 'statement' && subject.actions.some(({ facts }) => facts.estimate !== undefined))
      held.decide({ kind: 'denied', by: 'mia' as PrincipalId, words: 'no' })
      expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    }
    expect(estimates).toEqual([true, false, false])
    expect(await db.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4713")).toEqual([])
  })

  it('61a: a denial inside a transaction fails it, so that COMMIT commits nothing', async () => {
    deny('delete')
    expect(await ask('BEGIN')).toBe('C(BEGIN) Z(T)')
    expect(await ask(INSERT)).toBe('C(INSERT 0 1) Z(T)')
    expect(await ask('DELETE FROM carts')).toBe('E(42501) Z(E)')
    expect(await ask('SELECT 1')).toBe('E(25P02) Z(E)')
    expect(await ask('COMMIT')).toBe('C(ROLLBACK) Z(I)')
    expect(await count()).toBe(20)
  })

  it('61a: a denial in a pipeline rolls back what went before in it', async () => {
    deny('delete')
    client.send(encodeParse('', INSERT), encodeBind('', ''), encodeExecute(''))
    client.send(encodeParse('', 'DELETE FROM carts'), encodeBind('', ''), encodeExecute(''))
    client.send(encodeParse('', INSERT), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(INSERT 0 1) E(42501) Z(I)')
    expect(await count()).toBe(20)
    client.send(encodeParse('', INSERT), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(INSERT 0 1) Z(I)')
  })

  it('50: nothing behind a held statement runs, and everything runs in order once it may', async () => {
    hold('delete')
    const next = world.app.nextHold()
    client.send(
      encodeParse('', 'DELETE FROM carts WHERE id <= 5'),
      encodeBind('', ''),
      encodeExecute(''),
      SYNC,
      encodeQuery(INSERT),
      encodeQuery('SELECT 7'),
    )
    const held = await next
    expect(await count()).toBe(20)
    held.approve()
    const answers = [...(await client.until('Z')), ...(await client.until('Z')), ...(await client.until('Z'))]
    expect(brief(answers)).toBe('1 2 C(DELETE 5) Z(I) C(INSERT 0 1) Z(I) T D(7) C(SELECT 1) Z(I)')
    expect(await count()).toBe(16)
  })

  it('a simple query before Sync, where a question would have to be asked first, is refused and commits nothing', async () => {
    world.app.rule = () => 'allow'
    client.send(encodeParse('', INSERT), encodeBind('', ''), encodeExecute(''))
    client.send(encodeParse('', 'SET search_path = public'), encodeBind('', ''), encodeExecute(''))
    client.send(encodeQuery('SELECT count(*) FROM carts'))
    expect(brief(await client.until('Z'))).toBe('1 2 C(INSERT 0 1) 1 2 C(SET) E(0A000) Z(I)')
    expect(await count()).toBe(20)
    expect(await ask('SELECT count(*) FROM carts')).toBe('T D(20) C(SELECT 1) Z(I)')
    expect(await ask('SHOW search_path')).toBe('T D("$user", public) C(SHOW) Z(I)')
  })

  it('a simple query discards the unnamed statement, a slip of the pen too', async () => {
    client.send(encodeParse('', 'SELECT 1'), SYNC, encodeQuery('SELEC'), encodeBind('', ''), SYNC)
    expect(brief([...(await client.until('Z')), ...(await client.until('Z')), ...(await client.until('Z'))])).toBe(
      '1 Z(I) E(42601) Z(I) E(26000) Z(I)',
    )
  })

  it('49: a hold stands before Parse and Bind; other parameters are another request', async () => {
    hold('delete')
    const digests: string[] = []
    for (const value of ['1', '2']) {
      const next = world.app.nextHold()
      client.send(encodeParse('', 'DELETE FROM carts WHERE id = $1'), bound('', '', value), encodeExecute(''), SYNC)
      const held = await next
      expect(held.input.subject).toMatchObject({ parameters: [{ kind: 'text', text: value }] })
      expect(await db.query("SELECT 1 FROM pg_locks WHERE relation = 'carts'::regclass")).toEqual([])
      digests.push(held.input.digest)
      held.approve()
      expect(brief(await client.until('Z'))).toBe('1 2 C(DELETE 1) Z(I)')
    }
    expect(new Set(digests).size).toBe(2)
    expect(world.app.finished).toMatchObject([
      { request: 'HP-142', outcome: 'succeeded', rows: 1 },
      { request: 'HP-143', outcome: 'succeeded', rows: 1 },
    ])
  })

  it('49: what was approved is executed once, however often Execute comes', async () => {
    hold('delete')
    const next = world.app.nextHold()
    client.send(encodeQuery('BEGIN'))
    await client.until('Z')
    client.send(
      encodeParse('', 'DELETE FROM carts WHERE id = 1'),
      encodeBind('p', ''),
      encodeExecute('p'),
      encodeExecute('p'),
      SYNC,
    )
    ;(await next).approve()
    const answer = await client.until('Z')
    expect(brief(answer)).toBe('1 2 C(DELETE 1) E(55000) Z(E)')
    // PostgreSQL itself would refuse this portal, but not every one.
    expect(textOf(answer.find(({ type }) => type === 'E'))).toContain('what was approved ran already')
  })

  it.each<readonly [string, () => void]>([
    ['policy has changed since', () => world.app.revise()],
    [
      'its decision is old',
      () => {
        const now = performance.now.bind(performance)
        vi.spyOn(performance, 'now').mockImplementation(() => now() + 2000)
      },
    ],
  ])('49: what was bound is decided again at Execute when %s', async (_, then) => {
    world.app.rule = () => 'allow'
    client.send(encodeParse('', 'DELETE FROM carts'), encodeBind('', ''), FLUSH)
    expect(brief(await client.until('2'))).toBe('1 2')
    world.app.rule = () => 'deny'
    then()
    client.send(encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    expect(await count()).toBe(20)
  })

  it('48: a statement name means what was last parsed under it', async () => {
    hold('delete')
    client.send(encodeParse('s', 'SELECT 1'), SYNC)
    await client.until('Z')
    client.send(encodeClose('statement', 's'), encodeParse('s', 'DELETE FROM carts'), SYNC)
    await client.until('Z')
    const next = world.app.nextHold()
    client.send(encodeBind('', 's'), encodeExecute(''), SYNC)
    ;(await next).decide({ kind: 'denied', by: 'mia' as PrincipalId, words: 'no' })
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    // A Parse that the target refuses leaves the old one.
    client.send(encodeParse('t', 'SELECT 5'), SYNC, encodeParse('t', 'DELETE FROM carts'), SYNC)
    await client.until('Z')
    await client.until('Z')
    client.send(encodeBind('', 't'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('2 D(5) C(SELECT 1) Z(I)')
  })

  it('follows PREPARE, EXECUTE and DEALLOCATE', async () => {
    hold('delete')
    expect(await ask('PREPARE a AS DELETE FROM carts WHERE id = 3')).toMatch(/^(C\(PREPARE\) Z\(I\))$/)
    const next = world.app.nextHold()
    client.send(encodeQuery('EXECUTE a'))
    ;(await next).approve()
    expect(brief(await client.until('Z'))).toBe('C(DELETE 1) Z(I)')
    client.send(encodeBind('', 'a'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('E(26000) Z(I)')
    await ask('DEALLOCATE a')
    const unknown = world.app.nextHold()
    world.app.rule = (action) => (action.verb === 'unknown' ? 'hold' : 'allow')
    client.send(encodeQuery('EXECUTE a'))
    ;(await unknown).decide({ kind: 'expired' })
    expect(brief(await client.until('Z'))).toBe('E(57014) Z(I)')
  })

  it('reads the search path again after it was set, and refuses another encoding', async () => {
    world.app.rule = () => 'allow'
    await ask('CREATE SCHEMA other')
    await ask('SET search_path = other')
    hold('delete')
    const next = world.app.nextHold()
    client.send(encodeQuery('DELETE FROM public.carts WHERE id = 1'))
    const held = await next
    expect(held.input.subject).toMatchObject({ state: { searchPath: 'other' } })
    held.approve()
    await client.until('Z')
    expect(await ask("SET client_encoding = 'SJIS'")).toBe('E(0A000) Z(I)')
    expect(await ask('SET standard_conforming_strings = off')).toBe('E(0A000) Z(I)')
    expect(await ask("SET NAMES 'latin1'")).toBe('E(0A000) Z(I)')
    // Unseen by any parser: the session ends when the target reports it.
    world.app.rule = () => 'allow'
    client.send(encodeQuery("SELECT set_config('client_' || 'encoding', 'LATIN1', false)"))
    const last = await client.toEnd()
    expect(textOf(last.findLast(({ type }) => type === 'E'))).toContain('only UTF8')
  })

  it('56: what a statement means after SET search_path in the same text is not known', async () => {
    world.app.rule = (action) => (action.verb === 'unknown' ? 'deny' : 'allow')
    expect(await ask('SET search_path = evil; SELECT now()')).toBe('E(42501) Z(I)')
    expect(await ask('SELECT 1')).toContain('D(1)')
  })

  it('58: refuses FunctionCall, in and outside of a transaction', async () => {
    const call = Buffer.from('F\0\0\0\x0e\0\0\0\x01\0\0\0\0\0\0', 'latin1')
    client.send(call)
    expect(brief(await client.until('Z'))).toBe('E(0A000) Z(I)')
    await ask('BEGIN')
    client.send(call)
    expect(brief(await client.until('Z'))).toBe('E(0A000) Z(E)')
  })

  it('goes on with UTF8 under the old name that the target keeps', async () => {
    expect(await ask("SET client_encoding = 'UNICODE'")).toContain('C(SET)')
    expect(await ask('SELECT 1')).toBe('T D(1) C(SELECT 1) Z(I)')
    expect(await ask('RESET ALL')).toContain('C(RESET)')
    expect(await ask('SELECT 1')).toBe('T D(1) C(SELECT 1) Z(I)')
  })

  it('passes on the types of more parameters than their number can say, which PostgreSQL prepares', async () => {
    const count = 65_536
    const text = `VALUES ${Array.from({ length: count }, (_, i) => `($${i + 1}::text)`).join(', ')}`
    client.send(encodeParse('many', text), Buffer.from('D\0\0\0\x0aSmany\0', 'latin1'), SYNC)
    const described = (await client.until('Z')).find(({ type }) => type === 't')
    expect(described?.bytes).toHaveLength(7 + 4 * count)
    expect(await ask('SELECT 1')).toBe('T D(1) C(SELECT 1) Z(I)')
  })

  it('tells a client the process id of its own backend', async () => {
    world.app.rule = () => 'allow'
    client.send(encodeQuery('SELECT pg_backend_pid()'))
    expect(brief(await client.until('Z'))).toContain(`D(${client.key.pid})`)
    await ask('LISTEN news')
    client.send(encodeQuery('NOTIFY news'))
    const notified = (await client.until('Z')).find(({ type }) => type === 'A')
    expect(notified?.bytes.readInt32BE(5)).toBe(client.key.pid)
  })

  it('59: a cancel with a wrong key does nothing; with the right one it withdraws', async () => {
    hold('delete')
    const next = world.app.nextHold()
    client.send(encodeQuery('DELETE FROM carts'))
    await next
    const cancel = (pid: number, secret: Buffer) =>
      new Promise<void>((resolve) =>
        connect(world.connection.port, '127.0.0.1')
          .once('close', () => resolve())
          .end(encodeCancelRequest(pid, secret))
          .resume(),
      )
    await cancel(client.key.pid, Buffer.from([1, 2, 3, 4]))
    await cancel(client.key.pid ^ 1, client.key.secret)
    expect(world.app.withdrawals).toEqual([])
    await cancel(client.key.pid, client.key.secret)
    const answer = await client.until('Z')
    expect(brief(answer)).toBe('E(57014) Z(I)')
    expect(textOf(answer.at(-2))).toBe('withdrawn; nothing reached the database')
    expect(await ask('SELECT 1')).toContain('D(1)')
  })

  it('61b: a client that half-closes, terminates or goes away while held withdraws', async () => {
    hold('delete')
    const ways: ((of: RawClient) => void)[] = [
      (of) => of.socket.end(),
      (of) => of.send(TERMINATE),
      (of) => of.close(),
      (of) => of.send(encodeQuery('SELECT 1'), TERMINATE),
    ]
    for (const way of ways) {
      const other = await rawClient(world.connection)
      const next = world.app.nextHold()
      other.send(encodeQuery('DELETE FROM carts'))
      const held = await next
      way(other)
      await expect.poll(() => world.app.withdrawals.map(({ request }) => request)).toContain(held.id)
      other.close()
    }
    expect(await count()).toBe(20)
  })

  it('voided: decides again in place, holds anew, and says why', async () => {
    hold('delete')
    const next = world.app.nextHold()
    client.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    const again = next.then((held) => {
      const second = world.app.nextHold()
      world.app.revise()
      held.decide({ kind: 'voided', why: 'the profile changed' })
      return second
    })
    ;(await again).approve()
    const answer = await client.until('Z')
    expect(answer.filter(({ type }) => type === 'N').map((message) => textOf(message).split(' http')[0])).toEqual([
      'held HP-142: needs 1 of team payments (rule prod-writes)',
      'HP-142 voided: the profile changed; asking again',
      'held HP-143: needs 1 of team payments (rule prod-writes)',
      'HP-143 approved by mia after 0 s; running',
    ])
    expect(brief(answer)).toBe('C(DELETE 1) Z(I)')
  })

  it('voided at the start: what policy now allows runs, what it now denies does not', async () => {
    for (const [verdict, expected] of [
      ['allow', 'C(DELETE 1) Z(I)'],
      ['deny', 'E(42501) Z(I)'],
    ] as const) {
      hold('delete')
      const next = world.app.nextHold()
      world.app.onStart = () => {
        world.app.rule = () => verdict
        return { kind: 'voided', why: 'policy changed' }
      }
      client.send(encodeQuery(`DELETE FROM carts WHERE id = ${verdict === 'allow' ? 1 : 2}`))
      ;(await next).approve()
      expect(brief(await client.until('Z'))).toBe(expected)
    }
  })

  it('a policy that is away for a moment delays a statement and does not fail it', async () => {
    const before = world.app.policy
    let asked = 0
    // Away for the first looks, as when the store is busy for two seconds.
    world.app.policy = () => (++asked < 4 ? undefined : before())
    client.send(encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    world.app.policy = before
  })

  it('I7: a store or a policy that cannot be had refuses, and says that it was a failure', async () => {
    world.app.policyUp = false
    client.send(encodeQuery('SELECT 1'))
    let answer = await client.until('Z')
    expect(brief(answer)).toBe('E(58000) Z(I)')
    expect(textOf(answer[0])).toContain('policy could not be read; nothing passes until it can (failure)')
    world.app.policyUp = true
    world.app.storeUp = false
    hold('delete')
    client.send(encodeQuery('DELETE FROM carts'))
    answer = await client.until('Z')
    expect(textOf(answer[0])).toContain('(failure); nothing reached the database')
    expect(await count()).toBe(20)
  })

  it('a hold inside a transaction is short and shows the locks', async () => {
    hold('delete')
    await ask('BEGIN')
    await ask(INSERT)
    const next = world.app.nextHold()
    client.send(encodeQuery('DELETE FROM carts'))
    const held = await next
    expect(held.input.waitAtMostMs).toBe(60_000)
    expect(held.input.subject).toMatchObject({
      state: { inTransaction: true },
      locks: { held: expect.arrayContaining([{ object: 'carts', mode: 'RowExclusiveLock' }]) },
    })
    held.decide({ kind: 'expired' })
    expect(brief(await client.until('Z'))).toBe('E(57014) Z(E)')
    expect(await ask('COMMIT')).toBe('C(ROLLBACK) Z(I)')
  })

  it('61: a cut inside a transaction terminates the backend and rolls back', async () => {
    world.app.rule = () => 'allow'
    await ask('BEGIN')
    await ask(INSERT)
    client.send(encodeQuery('SELECT pg_sleep(60)'))
    await expect
      .poll(() =>
        db.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'",
        ),
      )
      .toHaveLength(1)
    world.app.cut({ reason: 'expired', why: 'HP-150 ended (expired)' })
    const last = (await client.toEnd()).at(-1)
    expect(brief(last === undefined ? [] : [last])).toBe('E(57P01)')
    expect(textOf(last)).toBe('HP-150 ended (expired)')
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'expired' }])
    expect(
      await db.query('SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'),
    ).toEqual([])
    expect(await count()).toBe(20)
    expect(world.app.entries.at(-1)).toMatchObject({ outcome: 'cut' })
  })

  it("cuts at the gateway's own deadline for a session and for a window", async () => {
    world.app.sessionExpiresInMs = 300
    const other = await rawClient(world.connection)
    expect(textOf((await other.toEnd()).at(-1))).toBe('the session ended (expired)')
    world.app.sessionExpiresInMs = undefined
    world.app.rule = () => ({ ...HOLD, terms: { ...HOLD.terms, scope: 'window', grantAtMost: millis(300) } })
    world.app.covers = (input) => (input.subject.kind === 'statement' ? Date.now() + 300 : undefined)
    // The store says once that the window was extended, and then that it is over.
    let extended = 0
    world.app.onStart = () =>
      extended++ === 0
        ? { kind: 'go', grant: 'G' as never, expiresAt: instant(Date.now() + 200) }
        : { kind: 'voided', why: 'over' }
    client.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    expect(brief(await client.until('Z'))).toBe('C(DELETE 1) Z(I)')
    expect(textOf((await client.toEnd()).at(-1))).toBe('HP-9 ended (expired)')
    expect(extended).toBe(2)
  })

  it('COPY in both directions passes once allowed, and a held COPY FROM STDIN shows what is not covered', async () => {
    const data = (text: string) => {
      const frame = Buffer.concat([Buffer.from('d\0\0\0\0', 'latin1'), Buffer.from(text)])
      frame.writeUInt32BE(text.length + 4, 1)
      return frame
    }
    const done = Buffer.from('c\0\0\0\x04', 'latin1')
    const next = world.app.nextHold()
    client.send(encodeQuery('COPY carts FROM STDIN'))
    const held = await next
    expect(held.input.subject).toMatchObject({ notCovered: ['the rows that COPY FROM STDIN will send'] })
    held.approve()
    expect(brief(await client.until('G'))).toBe('G')
    client.send(data('101\n'), data('102\n'), done, encodeQuery('SELECT 3'))
    expect(brief([...(await client.until('Z')), ...(await client.until('Z'))])).toBe(
      'C(COPY 2) Z(I) T D(3) C(SELECT 1) Z(I)',
    )
    world.app.rule = () => 'allow'
    // Extended, as libpq sends it: the first Sync is swallowed by the copy.
    client.send(encodeParse('', 'COPY carts FROM STDIN'), encodeBind('', ''), encodeExecute(''), SYNC)
    await client.until('G')
    client.send(data('103\n'), done, SYNC)
    expect(brief(await client.until('Z'))).toBe('C(COPY 1) Z(I)')
    client.send(encodeQuery('COPY carts FROM STDIN'))
    await client.until('G')
    client.send(data('not a number\n'), data('1\n'), done)
    expect(brief(await client.until('Z'))).toBe('E(22P02) Z(I)')
    client.send(encodeQuery('COPY (SELECT 1) TO STDOUT'))
    expect(brief(await client.until('Z'))).toBe('H d c C(COPY 1) Z(I)')
    expect(await ask('SELECT 4')).toContain('D(4)')
  })

  it('refuses and closes what is not the protocol', async () => {
    const frame = (tag: string, length: number) => {
      const bytes = Buffer.alloc(5)
      bytes.write(tag, 'latin1')
      bytes.writeUInt32BE(length, 1)
      return bytes
    }
    const bad: readonly (readonly [Buffer, string])[] = [
      [frame('Q', 3), '08P01'],
      [frame('Q', 0), '08P01'],
      [frame('Q', 0xffffffff), '54000'],
      [frame('Q', 0x80000000), '54000'],
      [frame('P', 17 * 1024 * 1024), '54000'],
      [frame('d', 0xfffffff0), '54000'],
      [frame('S', 5), '54000'],
      [frame('Z', 4), '08P01'],
      [frame('p', 4), '08P01'],
      [Buffer.from('Q\0\0\0\x0aSELECT', 'latin1'), '08P01'],
      [Buffer.from('Q\0\0\0\x0bSEL\0ECT', 'latin1').fill(0, 11), '08P01'],
      [Buffer.from('Q\0\0\0\x07\xff\xfe\0', 'latin1'), '08P01'],
      [Buffer.from('B\0\0\0\x04', 'latin1'), '08P01'],
    ]
    for (const [bytes, code] of bad) {
      const other = await rawClient(world.connection)
      other.send(bytes)
      expect([bytes, brief(await other.toEnd())]).toEqual([bytes, `E(${code})`])
    }
    expect(await ask('SELECT 1')).toContain('D(1)')
    await expect.poll(() => world.gateway.connections()).toBe(1)
  })

  it('records what ran', async () => {
    await ask("SELECT 'secret' FROM carts WHERE id = 1")
    deny('delete')
    await ask('DELETE FROM carts')
    expect(world.app.entries).toMatchObject([
      {
        number: 1,
        verbs: ['read'],
        decision: 'allow',
        rows: 1,
        outcome: 'succeeded',
        objects: ['carts'],
        text: 'SELECT ? FROM carts WHERE id = ?',
      },
      { number: 2, verbs: ['delete'], decision: 'deny', outcome: 'refused', sqlstate: '42501' },
    ])
  })

  it('a pipeline with an error goes on behind its Sync', async () => {
    client.send(
      encodeParse('', 'SELECT 1/0'),
      encodeBind('', ''),
      encodeExecute(''),
      encodeParse('x', 'SELECT 1'),
      SYNC,
    )
    client.send(
      encodeBind('', 'x'),
      encodeExecute(''),
      SYNC,
      encodeParse('', 'SELECT 2'),
      encodeBind('', ''),
      encodeExecute(''),
      FLUSH,
      SYNC,
    )
    const answers = [...(await client.until('Z')), ...(await client.until('Z')), ...(await client.until('Z'))]
    expect(brief(answers)).toBe('1 E(22012) Z(I) E(26000) Z(I) 1 2 D(2) C(SELECT 1) Z(I)')
  })
})
