import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, fleet } from '../support/fleet.ts'
import type { Fleet, Replica } from '../support/fleet.ts'
import { RULES } from '../support/installation.ts'

/*
 * Three replicas of one installation, as an operator runs them: one that does everything, one that only carries
 * sessions, and one that answers the API and ends what must end.
 */

const WINDOWS = `${RULES.replace('write, delete', 'write')}---
kind: Rule
name: windows
on: {verbs: [delete]}
hold: {reviews: [{from: owners}]}
`
let at: Fleet
let [all, gate, brain]: Replica[] = []
const clients: pg.Client[] = []

beforeAll(async () => {
  at = await fleet({
    documents: [WINDOWS],
    replicas: [[], ['--role', 'gateway', '--drain', '2'], ['--role', 'api,worker']],
  })
  ;[all, gate, brain] = at.replicas
})
afterAll(async () => {
  for (const client of clients) await client.end().catch(() => undefined)
  await at[Symbol.asyncDispose]()
})

const here = (replica: Replica | undefined): Replica => {
  if (replica === undefined) throw new Error('no such replica')
  return replica
}

async function connect(through: Replica): Promise<{ readonly client: pg.Client; readonly said: Promise<unknown> }> {
  const client = new pg.Client(at.connection(through))
  clients.push(client)
  const said = new Promise<unknown>((resolve) => client.on('error', resolve))
  await client.connect()
  return { client, said }
}
const waiting = (through: Replica) =>
  eventually(async () => (await at.as('mia', through).call('getInbox', {})).needsMe[0], 'a request')
async function approve(through: Replica): Promise<string> {
  const { id, digest } = await waiting(through)
  await at.as('mia', through).call('review', { params: { id }, body: { verdict: 'approve', digest } })
  return id
}
const rows = async (note: string): Promise<number> =>
  (await at.target.query('SELECT FROM carts WHERE note = $1', [note])).length
const check = async (replica: Replica, name: string) => (await replica.ready())?.checks.find((one) => one.name === name)

test('an approval through one replica releases what another holds', async () => {
  const { client } = await connect(here(gate))
  const held = client.query("INSERT INTO carts VALUES (1, 'across')")
  const id = await approve(here(brain))
  expect((await held).rowCount).toBe(1)
  expect(await rows('across')).toBe(1)
  await eventually(
    async () => (await at.as('ana', here(all)).call('getRequest', { params: { id } })).execution?.state === 'succeeded',
    'the end',
  )
  await client.end()
})

test('a replica without the role api answers its probes and nothing else', async () => {
  const { url } = here(gate)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect((await fetch(`${url}/metrics`)).status).toBe(200)
  for (const path of ['/', '/v1/requests', '/docs']) expect((await fetch(`${url}${path}`)).status).toBe(404)
  const names = (await here(gate).ready())?.checks.map((one) => one.name)
  expect(names).toContain('gateway')
  expect(names).not.toContain('reconciler')
  expect((await here(brain).ready())?.checks.map((one) => one.name)).not.toContain('gateway')
})

const sessionOf = async (text: string) =>
  (
    await at.store.query<{ state: string; why: string | null; execution: string | null; grant: string | null }>(
      `SELECT s.state, s.why, e.state AS execution, g.state AS grant FROM access_request r
       JOIN session s ON 'S-' || s.number = r.session LEFT JOIN execution e ON e.request = r.number
       LEFT JOIN access_grant g ON g.request = r.number WHERE r.opening->'subject'->>'text' = $1`,
      [text],
    )
  )[0]
const backends = (text: string) =>
  at.target.query('SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE $1', [`%${text}`])

describe('a replica that dies', () => {
  test('is taken over within seconds: what ran is unknown and gone, what waited is withdrawn, what was open is closed', async () => {
    const [running, held] = await Promise.all([connect(here(gate)), connect(here(gate))])
    const slow = "INSERT INTO carts SELECT 3, 'killed' FROM pg_sleep(600)"
    const ran = running.client.query(slow).catch((error: unknown) => error)
    await approve(here(brain))
    await eventually(async () => (await backends(slow)).length === 1, 'the statement to run')
    const waited = held.client.query("INSERT INTO carts VALUES (3, 'never')").catch((error: unknown) => error)
    await waiting(here(brain))
    here(gate).signal('SIGKILL')
    expect(await Promise.all([ran, waited])).toEqual([expect.any(Error), expect.any(Error)])
    await eventually(async () => (await sessionOf(slow))?.state === 'closed', 'the end of the session', 15_000)
    expect(await sessionOf(slow)).toMatchObject({ why: 'gateway_died', execution: 'unknown' })
    await eventually(async () => (await sessionOf(slow))?.grant === 'ended', 'the end of the grant')
    expect(await backends(slow)).toEqual([])
    expect(await sessionOf("INSERT INTO carts VALUES (3, 'never')")).toMatchObject({
      why: 'gateway_died',
      execution: null,
    })
    expect((await rows('killed')) + (await rows('never'))).toBe(0)
    await here(gate).start()
  })

  test('one that was only paused does nothing twice when it wakes: what was approved meanwhile never runs', async () => {
    const { client, said } = await connect(here(gate))
    const text = "INSERT INTO carts VALUES (4, 'asleep')"
    const held = client.query(text).catch((error: unknown) => error)
    await waiting(here(brain))
    here(gate).signal('SIGSTOP')
    await approve(here(brain))
    await eventually(async () => (await sessionOf(text))?.state === 'closed', 'its death', 20_000)
    await eventually(async () => (await sessionOf(text))?.grant === 'ended', 'the end of the grant')
    here(gate).signal('SIGCONT')
    expect(await held).toBeInstanceOf(Error)
    await said
    expect(await sessionOf(text)).toMatchObject({ why: 'gateway_died', execution: 'ready' })
    expect(await rows('asleep')).toBe(0)
    // It has begun anew.
    await eventually(async () => (await here(gate).ready())?.ready, 'ready again')
    const again = await eventually(() => connect(here(gate)), 'a new session')
    const second = again.client.query("INSERT INTO carts VALUES (4, 'awake')")
    await approve(here(brain))
    expect((await second).rowCount).toBe(1)
  })

  test('one that ends what must end is paused: another does, and it does nothing again when it wakes', async () => {
    const asked = await at.as('ana', here(all)).call('requestWindow', {
      body: { resource: 'shop-db', verbs: ['delete'], for: '10m' },
    })
    await approve(here(all))
    here(brain).signal('SIGSTOP')
    await at.as('mia', here(all)).call('revokeGrant', { params: { id: asked.id }, body: {} })
    const ended = async () =>
      (await at.store.query("SELECT FROM access_grant WHERE 'HP-' || request = $1 AND state = 'ended'", [asked.id]))
        .length === 1
    await eventually(ended, 'the end of the grant')
    here(brain).signal('SIGCONT')
    await eventually(async () => (await here(brain).ready())?.ready, 'ready again')
    const twice = await at.store.query(
      "SELECT subject FROM record WHERE kind IN ('grant.ending', 'grant.ended', 'session.closed') GROUP BY subject, kind HAVING count(*) > 1",
    )
    expect(twice).toEqual([])
  })
})

describe('a replica is asked to stop (SIGTERM)', () => {
  test('idle sessions end at once, a transaction has its time, nothing new begins; the words are PostgreSQL’s', async () => {
    const [idle, open, stuck] = await Promise.all([connect(here(gate)), connect(here(gate)), connect(here(gate))])
    await open.client.query('BEGIN')
    await open.client.query('SELECT 1')
    await stuck.client.query('BEGIN')
    const stopping = here(gate).ended()
    here(gate).signal('SIGTERM')
    const words = { code: '57P01', message: 'terminating connection due to administrator command' }
    expect(await idle.said).toMatchObject(words)
    await eventually(async () => (await check(here(gate), 'stopping'))?.ok === false, 'not ready any more')
    await expect(connect(here(gate))).rejects.toThrow(/ECONNREFUSED/)
    // It goes on, and is over with its transaction.
    expect((await open.client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
    const held = open.client.query("INSERT INTO carts VALUES (2, 'while draining')")
    await approve(here(brain))
    await held
    await open.client.query('COMMIT')
    expect(await open.said).toMatchObject(words)
    // The other never ends its own, and is cut.
    expect(await stuck.said).toMatchObject(words)
    expect(await stopping).toBe(0)
    expect(await rows('while draining')).toBe(1)
    expect(await at.store.query("SELECT FROM session WHERE state = 'open'")).toEqual([])
    await here(gate).start()
  })
})
