import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import { trappedTarget } from '../../../test/support/trapped-target.ts'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import { createCatalogueSource } from '../../connector/postgres/catalogue-source.ts'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
} from '../../wire/postgres/frontend.ts'

const describeStatement = (name: string): Buffer => {
  const frame = encodeClose('statement', name)
  frame[0] = 'D'.charCodeAt(0)
  return frame
}

/** What a text means may change between the moment it is judged and the moment it runs. */
describe('a name keeps the meaning that was decided', () => {
  let db: Awaited<ReturnType<typeof trappedTarget>>
  let catalogue: CatalogueSource
  let world: GatewayWorld
  let client: RawClient
  let sprung: number

  beforeEach(async () => {
    db = await trappedTarget()
    await db.query('drop function lower(varchar)')
    catalogue = await createCatalogueSource()
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { catalogue })
    client = await rawClient(world.connection)
    strict()
    sprung = await db.sprung()
  })
  afterEach(async () => {
    client.close()
    await world.close()
    await catalogue.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const strict = () => (world.app.rule = ({ verb }) => (verb === 'read' || verb === 'connect' ? 'allow' : 'deny'))
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z'))
  }
  /** As if people had agreed. */
  const agreed = async (sql: string) => {
    world.app.rule = () => 'allow'
    const answer = await ask(sql)
    strict()
    return answer
  }
  const cards = async () => (await db.query<{ n: number }>('select count(*)::int as n from cards'))[0]?.n
  const DELETE = 'delete from cards'

  it('of what a text prepares and executes itself', async () => {
    expect(await ask('prepare p as select 1')).toBe('C(PREPARE) Z(I)')
    expect(await ask(`deallocate p; prepare p as ${DELETE}; execute p`)).toBe('E(42501) Z(I)')
    expect(await ask(`deallocate all; prepare p as ${DELETE}; execute p`)).toBe('E(42501) Z(I)')
    expect(await ask(`discard all; execute p`)).toBe('E(42501) Z(I)')
    expect(await ask('execute p')).toBe('T D(1) C(SELECT 1) Z(I)')
    expect(await ask('prepare q as select 2; execute q')).toBe('C(PREPARE) T D(2) C(SELECT 1) Z(I)')
    expect(await cards()).toBe(50)
  })

  it('of a table that is made of what is executed', async () => {
    expect(await ask('prepare p as select * from carts')).toBe('C(PREPARE) Z(I)')
    expect(await ask('create table made as execute p')).toBe('E(42501) Z(I)')
    expect(await ask('create temp table carts as execute p')).toBe('E(42501) Z(I)')
    expect(await ask('explain analyze create table made as execute p')).toBe('E(42501) Z(I)')
  })

  it('of a prepared statement whose name could not be taken again, however fast it is asked for', async () => {
    expect(await ask(`prepare p as ${DELETE}`)).toBe('C(PREPARE) Z(I)')
    client.send(encodeQuery('prepare p as select 1'), encodeQuery('execute p'))
    expect(brief(await client.until('Z'))).toBe('E(42P05) Z(I)')
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    client.send(encodeParse('d', DELETE), SYNC)
    await client.until('Z')
    client.send(encodeParse('d', 'select 1'), SYNC, encodeBind('', 'd'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('E(42P05) Z(I)')
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    expect(await cards()).toBe(50)
  })

  it('of a name that was refused once and given again before the answer came', async () => {
    client.send(
      encodeParse('n', 'select nothing'),
      SYNC,
      encodeParse('n', 'select 3'),
      encodeBind('', 'n'),
      encodeExecute(''),
      SYNC,
    )
    expect(brief(await client.until('Z'))).toBe('E(42703) Z(I)')
    expect(brief(await client.until('Z'))).toBe('1 2 D(3) C(SELECT 1) Z(I)')
    client.send(encodeBind('', 'n'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('2 D(3) C(SELECT 1) Z(I)')
    client.send(encodeParse('n', 'select 4'), SYNC, encodeParse('n', 'select 5'), SYNC)
    await client.until('Z')
    await client.until('Z')
    client.send(encodeBind('', 'n'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('2 D(3) C(SELECT 1) Z(I)')
  })

  it('of the unnamed statement, behind a Parse that the target skipped', async () => {
    client.send(encodeParse('', DELETE), SYNC)
    await client.until('Z')
    client.send(
      encodeBind('x', 'unheard'),
      encodeParse('', 'select 1'),
      SYNC,
      encodeBind('', ''),
      encodeExecute(''),
      SYNC,
    )
    await client.until('Z')
    expect(brief(await client.until('Z'))).toContain('E(42501)')
    client.send(encodeParse('ok', 'select 1'), SYNC)
    await client.until('Z')
    client.send(
      describeStatement('unheard'),
      encodeParse('', 'select 1'),
      SYNC,
      encodeBind('', ''),
      encodeExecute(''),
      SYNC,
    )
    await client.until('Z')
    expect(brief(await client.until('Z'))).toContain('E(42501)')
    expect(await cards()).toBe(50)
  })

  it('inside a transaction that has changed the catalogue, which nobody else sees yet', async () => {
    await ask('begin')
    await agreed(
      `create function public.lower(varchar) returns text language plpgsql as 'begin perform trap.spring(); return 1; end'`,
    )
    expect(await ask(`select lower('A'::varchar)`)).toBe('E(42501) Z(E)')
    await ask('rollback')
    expect(await ask(`select lower('A'::varchar)`)).toBe('T D(a) C(SELECT 1) Z(I)')
    await ask('begin')
    await agreed(`create view public.newest as select trap.evil(1)`)
    await ask('savepoint a')
    expect(await ask('select * from newest')).toBe('E(42501) Z(E)')
    await ask('rollback')
    await ask('begin')
    await agreed(
      `create function public.lower(varchar) returns text language plpgsql as 'begin perform trap.spring(); return 1; end'`,
    )
    await ask('commit')
    expect(await ask(`select lower('A'::varchar)`)).toBe('E(42501) Z(I)')
    expect(await ask(`select upper('a')`)).toBe('T D(A) C(SELECT 1) Z(I)')
    // What was changed before the transaction began is seen by everybody.
    await agreed('create table public.later (id int)')
    await ask('begin')
    expect(await ask('select * from later')).toBe('T C(SELECT 0) Z(T)')
    await ask('rollback')
    await agreed('begin; create view public.newer as select trap.evil(1)')
    expect(await ask('select * from newer')).toBe('E(42501) Z(E)')
    await ask('rollback')
    expect(await db.sprung()).toBe(sprung)
  })

  it('is trusted behind a reading of what only administrators may read: it changes none', async () => {
    await ask('begin')
    await agreed('select subconninfo from pg_subscription')
    expect(await ask(`select lower('A'::varchar)`)).toBe('T D(a) C(SELECT 1) Z(T)')
    await ask('rollback')
  })

  it('of a prepared statement when a function comes between it and its run', async () => {
    expect(await ask(`prepare p as select lower(note::varchar) from carts`)).toBe('C(PREPARE) Z(I)')
    client.send(encodeParse('d', 'select lower(note::varchar) from carts limit 1'), SYNC)
    await client.until('Z')
    await agreed(
      `create function public.lower(varchar) returns text language plpgsql as 'begin perform trap.spring(); return 1; end'`,
    )
    expect(await ask('execute p')).toBe('E(42501) Z(I)')
    client.send(encodeBind('', 'd'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    expect(await db.sprung()).toBe(sprung)
  })

  it('of a literal whose type has checks, which run while the text is only analysed', async () => {
    const text = `select '{5}'::checked[]`
    for (const behind of [
      SYNC,
      FLUSH,
      describeStatement('c'),
      encodeParse('other', 'select 1'),
      encodeBind('', 'fine'),
    ]) {
      client.send(encodeParse('fine', 'select 1'), SYNC)
      await client.until('Z')
      client.send(encodeParse('c', text), behind, SYNC)
      expect(brief(await client.until('Z'))).toContain('E(42501)')
      if (behind === SYNC) await client.until('Z')
      client.send(encodeClose('statement', 'fine'), SYNC)
      await client.until('Z')
    }
    expect(await db.sprung()).toBe(sprung)
    world.app.rule = () => 'allow'
    client.send(encodeParse('c', text), describeStatement('c'), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 t T Z(I)')
    expect(await db.sprung()).toBeGreaterThan(sprung)
  })

  it('of a Parse that waits while the session is looked at', async () => {
    client.send(
      encodeQuery(`set search_path = 'public'`),
      encodeParse('kept', 'select 1'),
      encodeBind('', 'kept'),
      SYNC,
    )
    await client.until('Z')
    expect(brief(await client.until('Z'))).toBe('1 2 Z(I)')
    client.send(encodeBind('', 'kept'), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('2 D(1) C(SELECT 1) Z(I)')
  })

  it('of a text that only the target’s grammar takes: asking it runs nothing, and changes nothing', async () => {
    const real = await createClassifier()
    const older = await gatewayWorld(
      { ...db.target, sslmode: 'disable' },
      {
        catalogue,
        classifier: {
          ...real,
          classify: (text, ...rest) =>
            text.includes('odd') ? { kind: 'syntax_error', message: 'odd' } : real.classify(text, ...rest),
          classifyLater: async (text, ...rest) =>
            text.includes('odd') ? { kind: 'syntax_error', message: 'odd' } : real.classify(text, ...rest),
        },
      },
    )
    const odd = await rawClient(older.connection)
    const say = async (sql: string) => {
      odd.send(encodeQuery(sql))
      return brief(await odd.until('Z'))
    }
    const checked = `select '{5}'::checked[] as odd`
    older.app.rule = ({ verb }) => (verb === 'unknown' ? 'deny' : 'allow')
    expect(await say(checked)).toBe('E(42501) Z(I)')
    expect(await say('begin')).toBe('C(BEGIN) Z(T)')
    expect(await say(checked)).toBe('E(42501) Z(E)')
    expect(await say(checked)).toBe('E(42501) Z(E)')
    expect(await say('rollback')).toBe('C(ROLLBACK) Z(I)')
    expect(await db.sprung()).toBe(sprung)
    older.app.rule = () => 'allow'
    expect(await say('select 7 as odd')).toBe('T D(7) C(SELECT 1) Z(I)')
    await say('begin')
    await say('delete from cards where id = 1')
    expect(await say('select 7 as odd')).toBe('T D(7) C(SELECT 1) Z(T)')
    expect(await say('commit')).toBe('C(COMMIT) Z(I)')
    expect(await cards()).toBe(49)
    expect(await say('selekt odd')).toBe('E(42601) Z(I)')
    await say('begin')
    expect(await say('selekt odd')).toBe('E(42601) Z(E)')
    expect(await say('rollback')).toBe('C(ROLLBACK) Z(I)')
    odd.close()
    await older.close()
  })

  it('of a search path that was set for no longer than the pipeline', async () => {
    await db.query('create schema apart; create table apart.cards (id int)')
    world.app.rule = ({ verb, facts }) =>
      (verb === 'read' || verb === 'connect') && facts.sql?.tables.includes('public.cards') !== true ? 'allow' : 'deny'
    expect(await ask('select count(*) from cards')).toBe('E(42501) Z(I)')
    const set = [encodeParse('', `set local search_path = 'apart'`), encodeBind('', ''), encodeExecute('')]
    const count = [encodeParse('', 'select count(*) from cards'), encodeBind('', ''), encodeExecute('')]
    client.send(...set, ...count, SYNC)
    expect(brief(await client.until('Z'))).toContain('D(0)')
    expect(await ask('select count(*) from cards')).toBe('E(42501) Z(I)')
    client.send(...set, ...count, SYNC, encodeQuery('select count(*) from cards'))
    await client.until('Z')
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    const setAll = [encodeParse('', `set search_path = 'apart'`), encodeBind('', ''), encodeExecute('')]
    client.send(...setAll, ...count, encodeBind('', 'unheard'), SYNC, encodeQuery('select count(*) from cards'))
    await client.until('Z')
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
  })
})
