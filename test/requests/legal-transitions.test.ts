import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

/** Every step from every state to every state, tried with plain SQL against what design.md draws. */
const LEGAL: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  request: {
    pending: ['approved', 'denied', 'withdrawn', 'expired', 'voided'],
    approved: ['voided'],
    denied: [],
    withdrawn: [],
    expired: [],
    voided: [],
  },
  grant: { provisioning: ['active', 'ending'], active: ['ending'], ending: ['ended'], ended: [] },
  execution: {
    ready: ['started'],
    started: ['succeeded', 'failed', 'unknown'],
    succeeded: [],
    failed: [],
    unknown: [],
  },
  session: { open: ['closed'], closed: [] },
}

let database: TestDatabase
let client: pg.Client
/** On one connection: there are hundreds of steps to try. */
const db = {
  query: async (text: string, values: readonly unknown[] = []): Promise<unknown[]> =>
    (await client.query<pg.QueryResultRow>(text, [...values])).rows,
}
let next = 1
beforeAll(async () => {
  database = await testDatabase()
  client = new pg.Client(database.url)
  await client.connect()
  await db.query("INSERT INTO replica (id, started_at, heartbeat_at) VALUES ('r', 0, 0)")
})
afterAll(async () => {
  await client.end()
  await database.close()
})

const D = 'd'.repeat(64)
async function request(state = 'pending'): Promise<number> {
  const n = next++
  await db.query(
    `INSERT INTO access_request (number, requester, resource, verbs, kind, digest, revision, opened_at, expires_at, asked, opening, checked_revision, state)
     VALUES ($1, 'ana', 'shop-db', '{write}', 'window', $2, 1, 0, 1000, '{mia}', '{}', 1, 'pending')`,
    [n, D],
  )
  if (state === 'voided') await moveRequest(n, 'voided')
  else if (state !== 'pending') await moveRequest(n, state)
  return n
}
const moveRequest = (n: number, state: string) =>
  db.query(
    `UPDATE access_request SET state = $2, ending = CASE WHEN $2 = 'pending' THEN NULL ELSE '{"at": 1}'::json END WHERE number = $1`,
    [n, state],
  )

async function grant(state = 'active'): Promise<number> {
  const n = await request('approved')
  await db.query(
    `INSERT INTO access_grant (number, request, principal, resource, verbs, scope, digest, met, revision, checked_revision, starts_at, expires_at, state)
     VALUES ($1, $1, 'ana', 'shop-db', '{write}', 'once', $2, '[]', 1, 1, 0, 1000, $3)`,
    [n, D, state === 'provisioning' ? state : 'active'],
  )
  if (state === 'ending' || state === 'ended') await moveGrant(n, 'ending')
  if (state === 'ended') await moveGrant(n, 'ended')
  return n
}
const moveGrant = (n: number, state: string) =>
  db.query(
    `UPDATE access_grant SET state = $2, why = CASE WHEN $2 IN ('ending', 'ended') THEN coalesce(why, 'revoked') END,
       since = CASE WHEN $2 IN ('ending', 'ended') THEN coalesce(since, 1) END, ended_at = CASE WHEN $2 = 'ended' THEN 2 END WHERE number = $1`,
    [n, state],
  )
async function execution(state: string): Promise<number> {
  const n = await grant()
  await db.query("INSERT INTO execution (request, grant_of, state) VALUES ($1, $1, 'ready')", [n])
  if (state !== 'ready') await moveExecution(n, 'started')
  if (state !== 'ready' && state !== 'started') await moveExecution(n, state)
  return n
}
const moveExecution = (n: number, state: string) =>
  db.query('UPDATE execution SET state = $2, started_at = coalesce(started_at, 1) WHERE request = $1', [n, state])
async function session(state: string): Promise<number> {
  const n = next++
  await db.query(
    `INSERT INTO session (number, principal, token, resource, database, client, source_address, replica, target, opened_at, state)
     VALUES ($1, 'ana', 't', 'shop-db', 'shop', 'psql', '::1', 'r', '{}', 0, 'open')`,
    [n],
  )
  if (state === 'closed') await moveSession(n, 'closed')
  return n
}
const moveSession = (n: number, state: string) =>
  db.query("UPDATE session SET state = $2, closed_at = CASE WHEN $2 = 'closed' THEN 1 END WHERE number = $1", [
    n,
    state,
  ])

const MACHINES: Readonly<
  Record<
    string,
    { readonly make: (state: string) => Promise<number>; readonly move: (n: number, state: string) => Promise<unknown> }
  >
> = {
  request: { make: request, move: moveRequest },
  grant: { make: grant, move: moveGrant },
  execution: { make: execution, move: moveExecution },
  session: { make: session, move: moveSession },
}
const worked = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )

describe('SQL itself', () => {
  for (const [machine, from] of Object.entries(LEGAL))
    it(`lets a ${machine} take its legal steps and no other`, async () => {
      const states = Object.keys(from)
      for (const was of states)
        for (const becomes of states.filter((s) => s !== was)) {
          const { make, move } = MACHINES[machine] ?? { make: request, move: moveRequest }
          const n = await make(was)
          expect([was, becomes, await worked(move(n, becomes))]).toEqual([was, becomes, from[was]?.includes(becomes)])
        }
    })

  it('refuses to change what was asked, and to delete anything', async () => {
    const n = await request()
    const changes = [
      "digest = repeat('e', 64)",
      "requester = 'mia'",
      "verbs = '{admin}'",
      'expires_at = 999999',
      "asked = '{ana}'",
      'opening = \'{"a": 1}\'',
      "was = 'approved'",
    ]
    for (const change of changes.slice(0, 6))
      expect(await worked(db.query(`UPDATE access_request SET ${change} WHERE number = $1`, [n]))).toBe(false)
    // Whatever is written into it, the trigger says what it was.
    await db.query(`UPDATE access_request SET ${changes[6]} WHERE number = $1`, [n])
    expect(await db.query('SELECT was FROM access_request WHERE number = $1', [n])).toEqual([{ was: 'new' }])
    const g = await grant()
    for (const change of [
      "principal = 'mia'",
      "verbs = '{admin}'",
      "scope = 'window'",
      'expires_at = 10',
      "met = '[{}]'",
    ])
      expect(await worked(db.query(`UPDATE access_grant SET ${change} WHERE number = $1`, [g]))).toBe(false)
    for (const table of ['access_request', 'access_grant'])
      expect(await worked(db.query(`DELETE FROM ${table} WHERE number = $1`, [g]))).toBe(false)
  })

  it('takes one review a person, of the right digest, in time, from somebody who was asked', async () => {
    const n = await request()
    const give = (by: string, digest = D, at = 1) =>
      worked(
        db.query("INSERT INTO review (request, reviewer, verdict, digest, at) VALUES ($1, $2, 'approve', $3, $4)", [
          n,
          by,
          digest,
          at,
        ]),
      )
    expect(await give('ana')).toBe(false)
    expect(await give('dev')).toBe(false)
    expect(await give('mia', 'e'.repeat(64))).toBe(false)
    expect(await give('mia', D, 1000)).toBe(false)
    expect(await give('mia')).toBe(true)
    expect(await give('mia')).toBe(false)
    expect(await worked(db.query("UPDATE review SET verdict = 'deny', words = 'x' WHERE request = $1", [n]))).toBe(
      false,
    )
  })

  it('makes no grant without an approval, and starts nothing without a live grant', async () => {
    for (const state of ['pending', 'denied', 'expired', 'withdrawn', 'voided']) {
      const n = await request(state)
      expect(
        await worked(
          db.query(
            `INSERT INTO access_grant (number, request, principal, resource, verbs, scope, digest, met, revision, checked_revision, starts_at, expires_at, state)
             VALUES ($1, $1, 'ana', 'shop-db', '{write}', 'once', $2, '[]', 1, 1, 0, 1000, 'active')`,
            [n, D],
          ),
        ),
      ).toBe(false)
    }
    const over = await execution('ready')
    expect(
      await worked(db.query("UPDATE execution SET state = 'started', started_at = 1000 WHERE request = $1", [over])),
    ).toBe(false)
    const voided = await execution('ready')
    await moveRequest(voided, 'voided')
    expect(await worked(moveExecution(voided, 'started'))).toBe(false)
    const ended = await execution('ready')
    await moveGrant(ended, 'ending')
    expect(await worked(moveExecution(ended, 'started'))).toBe(false)
  })
})
