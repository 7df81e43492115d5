import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../../src/wire/postgres/frontend.ts'
import { installation, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { rawClient } from '../support/raw-client.ts'

/**
 * I11: no secret reaches the record, a log, an error or an answer. The main journeys are made with canaries, and then
 * everything that was kept or said is searched for them.
 */
let world: Installation
const RULES = `kind: Settings
default: hold
security: security
timeout: 15m
---
kind: Rule
name: connecting
on: {verbs: [connect]}
allow: {}
---
kind: Rule
name: reads
on: {verbs: [read]}
allow: {}
---
kind: Rule
name: changes
on: {verbs: [write, delete, schema, admin, exec]}
hold: {reviews: [{from: owners}], scope: once, record: full}
`
const PERSON = 'canary-of-a-person-4711'
const OTHER = 'canary-of-another-person-0815'
const WRONG = 'canary-typed-wrongly-2342'
const IN_SQL = 'canary-in-sql-9f3c'
const BOUND = 'canary-bound-77aa'
const PLAIN = 'canary-in-a-plain-literal-51'
const SECRET = 'canary-of-a-secret-c0ffee'

beforeAll(async () => {
  world = await installation({ documents: [RULES], logLevel: 'trace' })
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
})
afterAll(() => world[Symbol.asyncDispose]())

const said: string[] = []
async function call(method: string, place: string, token: string | undefined, body?: string, key?: string) {
  const response = await fetch(new URL(place, world.running.url), {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, text: await response.text() }
}
/** As `call`, and what was answered is searched as well. */
async function answered(...given: Parameters<typeof call>) {
  const { status, text } = await call(...given)
  said.push(text)
  return { status, text }
}
const tokenIn = (text: string): string => (JSON.parse(text) as { text: string }).text

/** Whoever is asked gives the verdict, until what waits for it is over. */
async function decided(running: Promise<unknown>, verdict: 'approve' | 'deny'): Promise<void> {
  const over = new AbortController()
  const ended = running.then(
    () => over.abort(),
    () => over.abort(),
  )
  while (!over.signal.aborted) {
    for (const name of ['mia', 'sam'] as const) {
      const { needsMe } = await world.as(name).call('getInbox', {})
      for (const { id, digest } of needsMe) {
        const body = { verdict, digest, ...(verdict === 'deny' ? { words: 'no' } : {}) }
        await world.as(name).call('review', { params: { id }, body })
      }
    }
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))])
  }
}

/** Everything in Holdpoint's own database as text, by table; bytes are shown as hexadecimal digits. */
async function tables(): Promise<ReadonlyMap<string, string>> {
  const names = await world.store.query<{ name: string }>(
    `SELECT CASE nspname WHEN 'public' THEN quote_ident(relname) ELSE format('%I.%I', nspname, relname) END AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname IN ('public', 'pgboss')`,
  )
  const found = new Map<string, string>()
  for (const { name } of names) {
    const rows = await world.store.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)
    found.set(name, rows.map(({ row }) => row).join('\n'))
  }
  return found
}
const holds = (text: string, canary: string): boolean =>
  text.includes(canary) ||
  text.includes(Buffer.from(canary).toString('hex')) ||
  text.includes(Buffer.from(canary).toString('base64').replace(/=+$/, ''))

it('no canary is found in the record, the tables, the log, the answers or the data folder', async () => {
  // People: passwords that are right, wrong, misplaced, and in a body that is no JSON.
  const signIn = (password: unknown) => JSON.stringify({ name: 'olu', password })
  await world
    .as('sam')
    .call('createPerson', { body: { name: 'olu', kind: 'user', roles: ['auditor'], password: PERSON } })
  await answered('POST', '/v1/sign-in', undefined, signIn(WRONG))
  await answered('POST', '/v1/sign-in', undefined, signIn([PERSON]))
  await answered('POST', '/v1/sign-in', undefined, signIn(PERSON).slice(0, -3))
  await answered('POST', '/v1/sign-in', undefined, JSON.stringify({ name: PERSON, password: WRONG, code: WRONG }))
  await answered('GET', `/v1/me?password=${PERSON}`, undefined)
  const olu = tokenIn((await call('POST', '/v1/sign-in', undefined, signIn(PERSON))).text)
  await answered('PATCH', '/v1/people/olu', olu, JSON.stringify({ password: OTHER }), 'key-1')
  // Tokens: asked for twice under one key, which shows them once; put where they do not belong, revoked.
  const sam = (await world.as('sam').call('issueToken', { body: { kind: 'api', scopes: ['all'] } })).text
  const made = [olu, sam, world.connection.password]
  for (const kind of ['api', 'gateway']) {
    const ask = () => call('POST', '/v1/tokens', sam, JSON.stringify({ kind }), `key-of-${kind}`)
    const [first, again] = [await ask(), await ask()]
    made.push(tokenIn(first.text))
    expect(again).toMatchObject({ status: 409, text: expect.stringContaining('shown_once') })
  }
  await answered('GET', `/v1/requests?access_token=${sam}`, sam)
  await answered('GET', `/v1/requests/${sam}`, sam)
  await answered('GET', '/v1/me', `${sam}x`)
  // Secrets of targets.
  await answered('PUT', '/v1/secrets/shop', sam, JSON.stringify({ value: SECRET }), 'key-2')
  await answered('PUT', '/v1/secrets/shop', sam, JSON.stringify({ value: [SECRET] }))
  await answered('POST', '/v1/secrets', sam, JSON.stringify({ value: SECRET }))

  // Statements: held, approved, denied, failing, explained; simple and extended; in transactions and bodies.
  await withClient(world.connection, async (client) => {
    await client.query(`SELECT 1 FROM carts WHERE note = '${PLAIN}'`)
    await client.query('SELECT 1 FROM carts WHERE note = $1', [BOUND])
    await decided(client.query('DELETE FROM carts WHERE note = $1', [BOUND]), 'approve')
    for (const text of [
      `ALTER ROLE nobody_here PASSWORD '${IN_SQL}'`,
      `CREATE ROLE canary_role LOGIN PASSWORD '${IN_SQL}'; DROP ROLE canary_role`,
      `CREATE USER MAPPING FOR current_user SERVER nowhere OPTIONS (user 'x', password '${IN_SQL}')`,
      `DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_here PASSWORD ''${IN_SQL}'''; END $$`,
      `ALTER ROLE nobody_here PASSWORD '${IN_SQL}' oops`,
      `SELECT dblink_connect('host=x password=${IN_SQL}')`,
      `ALTER SUBSCRIPTION s CONNECTION 'host=x password=${IN_SQL}'`,
    ]) {
      for (const verdict of ['approve', 'deny'] as const) await decided(client.query(text), verdict)
      said.push((await world.as('ana').call('explain', { body: { as: 'ana', on: 'shop-db', sql: text } })).cause)
    }
    await client.query('BEGIN')
    await decided(client.query(`ALTER ROLE nobody_here PASSWORD '${IN_SQL}'`), 'approve')
    await client.query('ROLLBACK')
  })
  const raw = await rawClient(world.connection)
  raw.send(encodeParse('', `ALTER ROLE nobody_here PASSWORD '${IN_SQL}'`), encodeBind('', ''), encodeExecute(''), SYNC)
  await decided(raw.until('Z'), 'deny')
  raw.close()
  await expect(withClient({ ...world.connection, password: WRONG }, () => Promise.resolve())).rejects.toThrow()

  for (const misplaced of ['user', 'database'] as const)
    await expect(withClient({ ...world.connection, [misplaced]: sam }, () => Promise.resolve())).rejects.toThrow()
  // Refusals are gathered before they are written.
  const recorded = async () =>
    (await world.as('sam').call('listRecord', { query: { subject: 'access/sam' } })).items.length
  await expect.poll(recorded, { timeout: 10_000 }).toBeGreaterThan(0)

  // All that can be read.
  const { items } = JSON.parse((await answered('GET', '/v1/requests?limit=200', sam)).text) as {
    items: { id: string }[]
  }
  expect(items.length).toBeGreaterThan(12)
  for (const { id } of items) {
    said.push(JSON.stringify(await world.as('mia').call('getRequest', { params: { id } })))
    await answered('GET', `/v1/requests/${id}/explain`, sam)
  }
  const sessions = await world.as('mia').call('listSessions', { query: { limit: '200' } })
  for (const { id } of sessions.items)
    said.push(JSON.stringify(await world.as('mia').call('listStatements', { params: { id }, query: { limit: '200' } })))
  for (const place of ['record?limit=200', 'people', 'tokens', 'secrets', 'documents', 'revisions', 'resources'])
    expect((await answered('GET', `/v1/${place}`, sam)).status).toBe(200)
  for (const place of ['/metrics', '/readyz', '/']) await answered('GET', place, undefined)

  // Statements are written in the background.
  const statements = async () => (await tables()).get('statement_segment')?.length ?? 0
  await expect.poll(statements, { timeout: 10_000 }).toBeGreaterThan(1_000)
  const kept = await tables()
  const files = await readdir(world.dataDir, { recursive: true, withFileTypes: true })
  const folder = await Promise.all(
    files.filter((one) => one.isFile()).map((one) => readFile(path.join(one.parentPath, one.name), 'latin1')),
  )
  const places = new Map([
    ...[...kept].map(([table, text]) => [`the table ${table}`, text] as const),
    ['the log', world.logged.join('')],
    ['an answer', said.join('\n')],
    ['the data folder', folder.join('\n')],
  ])
  expect(kept.get('record')).toContain('request.opened')
  expect(world.logged.length).toBeGreaterThan(20)
  const target = world.target.target.password
  const secrets = { PERSON, OTHER, WRONG, IN_SQL, SECRET, target, ...Object.fromEntries(made.entries()) }
  const leaks = (names: Readonly<Record<string, string>>) =>
    [...places].flatMap(([place, text]) =>
      Object.entries(names).flatMap(([name, canary]) => (holds(text, canary) ? [`${name} in ${place}`] : [])),
    )
  expect(leaks(secrets)).toEqual([])
  // What a reviewer must see to judge stands with the request; nowhere else.
  expect(leaks({ BOUND, PLAIN }).toSorted()).toEqual(['BOUND in an answer', 'BOUND in the table access_request'])
}, 120_000)
