import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeQuery } from '../../src/wire/postgres/frontend.ts'
import { installation } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { brief, rawClient, textOf } from '../support/raw-client.ts'

/** How clients come in, against the whole installation: what they send when they connect, and what they prove. */
let world: Installation
beforeAll(async () => {
  world = await installation({
    tables: [
      'CREATE TABLE carts (id int, note text)',
      'CREATE SCHEMA evil',
      'CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ DELETE FROM public.carts; SELECT pg_catalog.now() $$',
      'CREATE TABLE evil.carts (id int, note text)',
    ],
  })
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => expect(world.logged).toEqual([]))

describe('parameters when connecting', () => {
  /** Taken down from the drivers themselves, or from their source. */
  const DRIVERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'libpq with its environment': {
      application_name: 'psql',
      client_encoding: 'UTF8',
      datestyle: 'German',
      timezone: 'Europe/Vienna',
      geqo: 'off',
      options: '-c statement_timeout=5000 --work-mem=8MB -cjit=off',
    },
    pgjdbc: {
      client_encoding: 'UTF8',
      DateStyle: 'ISO',
      TimeZone: 'Europe/Vienna',
      extra_float_digits: '2',
      application_name: 'PostgreSQL JDBC Driver',
      search_path: 'evil',
    },
    Npgsql: { client_encoding: 'UTF8', application_name: 'app', search_path: 'evil', TimeZone: 'UTC' },
    pgx: { application_name: 'app', search_path: 'evil,public', statement_timeout: '3000', lock_timeout: '2s' },
    'lib/pq': { client_encoding: 'UTF8', datestyle: 'ISO, MDY', extra_float_digits: '2' },
    asyncpg: { client_encoding: "'utf-8'", application_name: 'app', jit: 'off' },
    sqlx: { client_encoding: 'UTF8', DateStyle: 'ISO, MDY', TimeZone: 'UTC', extra_float_digits: '2' },
    'tokio-postgres': { client_encoding: 'UTF8', options: '-c idle_in_transaction_session_timeout=60000' },
    'node-postgres': {
      application_name: 'app',
      statement_timeout: '3000',
      idle_in_transaction_session_timeout: '1000',
    },
    Django: {
      client_encoding: 'UTF8',
      options: '-c search_path=evil,public -c default_transaction_isolation=serializable',
    },
  }

  it.each(Object.entries(DRIVERS))('%s comes in as it is', async (_, parameters) => {
    const client = await rawClient(world.connection, { parameters })
    client.send(encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    client.close()
  })

  it('arrive as they were meant, and are what RESET goes back to', async () => {
    const options =
      '-c search_path=evil\\,\\ public -c application_name=a\\ b\\\\c --DateStyle=German -c work_mem=\u00a08MB'
    await expect(rawClient(world.connection, { parameters: { options } })).rejects.toThrow('work_mem')
    const client = await rawClient(world.connection, { parameters: { options: options.replace('\u00a0', '') } })
    const show = async (name: string): Promise<string> => {
      client.send(encodeQuery(`SHOW ${name}`))
      return brief(await client.until('Z'))
    }
    client.send(encodeQuery("SET search_path = public; SET work_mem = '1MB'"), encodeQuery('DISCARD ALL'))
    await client.until('Z')
    await client.until('Z')
    expect(await show('search_path')).toContain('D(evil, public)')
    expect(await show('application_name')).toContain('D(a b\\c)')
    expect(await show('datestyle')).toContain('D(German')
    expect(await show('work_mem')).toContain('D(8MB)')
    client.close()
  })

  it('45, 56: a search path given then hides nothing unseen', async () => {
    await world.target.query('INSERT INTO public.carts SELECT generate_series(1, 20)')
    for (const parameters of [{ search_path: 'evil, pg_catalog' }, { options: '-c search_path=evil,pg_catalog' }]) {
      const client = await rawClient(world.connection, { parameters })
      client.send(encodeQuery('SELECT now()'))
      expect((await world.pending()).subject).toMatchObject({
        state: { searchPath: expect.stringContaining('evil') },
      })
      client.close()
      await expect.poll(async () => (await world.as('mia').call('getInbox', {})).needsMe).toEqual([])
    }
    expect(await world.target.query('SELECT count(*)::int AS n FROM public.carts')).toEqual([{ n: 20 }])
  })
})

describe('what a client sets never hides its backend', () => {
  it.each(['German', 'SQL, DMY'])('DateStyle %s: cut, it is gone', async (style) => {
    const parameters = { datestyle: style, timezone: 'Asia/Kathmandu', application_name: "x' OR true --" }
    const token = await world.as('ana').call('issueToken', { body: { kind: 'gateway' } })
    const client = await rawClient({ ...world.connection, password: token.text }, { parameters })
    client.send(encodeQuery('SELECT pg_sleep(60)'))
    const running = () =>
      world.target.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'",
      )
    await world.approve()
    await expect.poll(running).toHaveLength(1)
    await world.as('ana').call('revokeToken', { params: { id: token.id } })
    expect(textOf((await client.toEnd()).at(-1))).toBe('the token that opened the session was revoked')
    await expect.poll(running, { timeout: 2000 }).toHaveLength(0)
    const last = async () => (await world.as('sam').call('listSessions', { query: {} })).items[0]
    await expect.poll(last).toMatchObject({ state: 'closed', why: 'cut' })
  })
})

describe('tokens', () => {
  const session = async (token: { readonly text: string }) => {
    const client = await rawClient({ ...world.connection, password: token.text })
    client.send(encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toContain('D(1)')
    return client
  }

  it('several of one person work at once; one that is revoked ends its own sessions, and no other', async () => {
    const ana = world.as('ana')
    const [one, two] = [
      await ana.call('issueToken', { body: { kind: 'gateway', label: 'laptop' } }),
      await ana.call('issueToken', { body: { kind: 'gateway', label: 'desk' } }),
    ]
    const sessions = [await session(one), await session(one), await session(two)]
    await ana.call('revokeToken', { params: { id: one.id } })
    for (const ended of sessions.slice(0, 2)) {
      const last = (await ended.toEnd()).at(-1)
      expect(`${brief(last === undefined ? [] : [last])} ${textOf(last)}`).toBe(
        'E(57P01) the token that opened the session was revoked',
      )
    }
    const left = sessions[2]
    left?.send(encodeQuery('SELECT 2'))
    expect(brief((await left?.until('Z')) ?? [])).toContain('D(2)')
    await expect(session(one)).rejects.toThrow('sign-in failed for user "ana"')
    const another = await session(two)
    another.close()
    left?.close()
  })

  it('one that has ended opens nothing, and one of another person neither', async () => {
    const ana = world.as('ana')
    const short = await ana.call('issueToken', { body: { kind: 'gateway' } })
    await world.store.query('UPDATE token SET expires_at = created_at + 1 WHERE id = $1', [short.id])
    await expect(session(short)).rejects.toThrow('sign-in failed for user "ana"')
    const dev = await world.as('dev').call('issueToken', { body: { kind: 'gateway' } })
    await expect(session(dev)).rejects.toThrow('sign-in failed for user "ana"')
    const api = await ana.call('issueToken', { body: { kind: 'api' } })
    await expect(session(api)).rejects.toThrow('sign-in failed for user "ana"')
    const right = new pg.Client(world.connection)
    await right.connect()
    await right.end()
  })
})
