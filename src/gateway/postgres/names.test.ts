import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import { framed } from '../../../test/support/strict-framing.ts'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import { createCatalogueSource } from '../../connector/postgres/catalogue-source.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/** 48 and its relatives: a name means on the target what it means here, whatever half of a text did. */
let db: TestDatabase
let world: GatewayWorld
let client: RawClient
let catalogue: CatalogueSource
beforeAll(async () => {
  db = await testServer()
  await db.query('CREATE TABLE carts (id int)')
  await db.query('INSERT INTO carts SELECT generate_series(1, 20)')
  catalogue = await createCatalogueSource()
  world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { catalogue })
})
afterAll(async () => {
  await world.close()
  await catalogue.close()
  await db.close()
})
beforeEach(async () => {
  world.app.rule = ({ verb }) => (verb === 'delete' || verb === 'unknown' ? 'deny' : 'allow')
  client = await rawClient(world.connection)
})
afterEach(async () => {
  client.close()
  expect(world.app.faults).toEqual([])
  expect(await db.query('SELECT FROM carts')).toHaveLength(20)
})
const ask = async (sql: string) => {
  client.send(encodeQuery(sql))
  return brief((await client.until('Z')).filter(({ type }) => type !== 'S'))
}
const executes = async (name: string) => {
  client.send(encodeBind('', name), encodeExecute(''), SYNC)
  return brief(await client.until('Z'))
}
const parsed = async (name: string, sql: string) => {
  client.send(encodeParse(name, sql), SYNC)
  expect(brief(await client.until('Z'))).toBe('1 Z(I)')
}
const DELETE = 'DELETE FROM carts'

describe('a prepared statement', () => {
  it('whose name half of a failed text gave to another statement is not run for the first', async () => {
    await parsed('b', "SET application_name = 'x'")
    expect(await ask(`DEALLOCATE b; PREPARE b AS ${DELETE}; SELECT 1/0`)).toContain('E(22012)')
    expect(await executes('b')).toBe('E(26000) Z(I)')
    expect(await ask('EXECUTE b')).toBe('E(42501) Z(I)')
  })

  it('whose name a function gave to another statement is not run for the first', async () => {
    await parsed('b', "SET application_name = 'x'")
    const body = `BEGIN DEALLOCATE b; EXECUTE 'PREPARE b AS ${DELETE}'; END`
    expect(await ask(`DO $$ ${body} $$`)).toContain('C(DO)')
    expect(await executes('b')).toBe('E(26000) Z(I)')
  })

  it('lives on when what would have forgotten it fails', async () => {
    await parsed('b', 'SELECT 5')
    expect(await ask('DISCARD ALL; SHOW TimeZone')).toContain('E(25001)')
    expect(await executes('b')).toBe('2 D(5) C(SELECT 1) Z(I)')
    expect(await ask('DEALLOCATE ALL; SELECT 1/0')).toContain('E(22012)')
    expect(await executes('b')).toBe('E(26000) Z(I)')
  })

  it('that is unknown is refused in the words of PostgreSQL', async () => {
    for (const [name, words] of [
      ['b', 'prepared statement "b" does not exist'],
      ['', 'unnamed prepared statement does not exist'],
    ] as const) {
      client.send(encodeBind('', name), SYNC)
      expect(textOf((await client.until('Z'))[0])).toBe(words)
    }
    client.send(encodeExecute('p'), SYNC)
    expect(textOf((await client.until('Z'))[0])).toBe('portal "p" does not exist')
  })
})

describe('what stands behind the end of a transaction', () => {
  const swapped = `DEALLOCATE q; PREPARE q AS ${DELETE}; SELECT 1/0`

  it('of a failed one, in the same text, is not judged by names that the transaction changed', async () => {
    expect(await ask('PREPARE q AS SELECT 1')).toBe('C(PREPARE) Z(I)')
    await ask('BEGIN')
    expect(await ask(swapped)).toContain('E(22012) Z(E)')
    expect(await ask('ROLLBACK; EXECUTE q')).toBe('E(0A000) Z(E)')
    expect(await ask('ROLLBACK; BEGIN')).toBe('C(ROLLBACK) C(BEGIN) Z(T)')
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(await ask('EXECUTE q')).toBe('E(42501) Z(I)')
  })

  it('of a failed one, in the same pipeline, is judged after a look', async () => {
    expect(await ask('PREPARE q AS SELECT 1')).toBe('C(PREPARE) Z(I)')
    await ask('BEGIN')
    expect(await ask(swapped)).toContain('E(22012) Z(E)')
    client.send(encodeParse('', 'ROLLBACK'), encodeBind('', ''), encodeExecute(''))
    client.send(encodeParse('', 'EXECUTE q'), encodeBind('', ''), encodeExecute(''), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 2 C(ROLLBACK) E(42501) Z(I)')
  })

  it('of one that had another search path is not judged by that', async () => {
    await db.query('CREATE SCHEMA IF NOT EXISTS apart')
    await db.query('CREATE TABLE IF NOT EXISTS apart.carts (id int)')
    world.app.rule = ({ facts }) => (facts.sql?.tables.includes('public.carts') === true ? 'deny' : 'allow')
    for (const [set, end] of [
      ['BEGIN; SET LOCAL search_path = apart', 'COMMIT'],
      ['BEGIN; SET search_path = apart', 'ROLLBACK'],
      ['BEGIN; SAVEPOINT s; SET search_path = apart', 'ROLLBACK TO s'],
    ]) {
      expect(await ask(set ?? '')).toMatch(/Z\(T\)$/)
      expect(await ask('SELECT count(*) FROM carts')).toContain('D(0)')
      expect([end, await ask(`${end}; SELECT count(*) FROM carts`)]).toEqual([end, 'E(0A000) Z(E)'])
      expect(await ask('ROLLBACK')).toBe('C(ROLLBACK) Z(I)')
      expect(await ask('SELECT count(*) FROM carts')).toBe('E(42501) Z(I)')
    }
    expect(await ask('BEGIN; SELECT 1; COMMIT; SELECT 2')).toContain('D(2)')
    expect(await ask('SET search_path = apart')).toBe('C(SET) Z(I)')
    expect(await ask('BEGIN; SELECT 1; COMMIT; SELECT count(*) FROM carts')).toContain('D(0)')
  })
})

it('the portal of a simple query that failed is not executed: PostgreSQL itself would crash', async () => {
  expect(await ask('BEGIN')).toBe('C(BEGIN) Z(T)')
  expect(await ask('SELECT 1/(2 - n) FROM generate_series(1, 2) n')).toContain('E(22012) Z(E)')
  client.send(encodeExecute(''), SYNC)
  expect(brief(await client.until('Z'))).toBe('E(34000) Z(E)')
})

it('a text that may not stand in a pipeline is not put into one by the gateway', async () => {
  await parsed('', 'DISCARD ALL')
  expect(await executes('')).toBe('2 C(DISCARD ALL) Z(I)')
  expect(await executes('')).toBe('2 C(DISCARD ALL) Z(I)')
})

it('a COPY behind another whose end the target has not confirmed takes its own rows', async () => {
  await db.query('CREATE TABLE IF NOT EXISTS rows (id int)')
  const [data, fail, done] = [framed('d', '1\n'), framed('f', 'given up\0'), framed('c')]
  client.send(encodeParse('', 'COPY rows FROM STDIN'), encodeBind('', ''), encodeExecute(''), SYNC)
  await client.until('G')
  client.send(fail, SYNC, encodeQuery('COPY rows FROM STDIN'))
  expect(brief(await client.until('Z'))).toBe('E(57014) Z(I)')
  await client.until('G')
  client.send(data, done, encodeQuery('SELECT 3'))
  expect(brief([...(await client.until('Z')), ...(await client.until('Z'))])).toBe(
    'C(COPY 1) Z(I) T D(3) C(SELECT 1) Z(I)',
  )
})
