import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hp } from '../cli/hp-process.ts'
import type { HpProcess } from '../cli/hp-process.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation, Person } from '../support/installation.ts'

/** What the command line does to requests, against a server as it is booted: words, exit codes, and what is true afterwards. */
let world: Installation
let home: string
const tokens = new Map<Person, string>()

beforeAll(async () => {
  world = await installation({ documents: [RULES.replace('scope: once', 'scope: window')] })
  home = await mkdtemp(path.join(tmpdir(), 'hp-life-'))
  for (const name of ['ana', 'mia', 'dev', 'sam'] as const)
    tokens.set(name, (await world.as(name).call('issueToken', { body: { kind: 'api', scopes: ['all'] } })).text)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})
beforeEach(async () => {
  await world.target.query('TRUNCATE carts')
  await world.target.query("INSERT INTO carts SELECT n, 'cart ' || n FROM generate_series(1, 20) n")
})
/** That a target does not answer is what one test here makes; it is said in single lines. */
afterEach(() => expect(world.logged.filter((line) => !/: the end of access can/.test(line))).toEqual([]))

const as = (name: Person, ...args: readonly string[]): HpProcess =>
  hp(args, {
    HOME: home,
    HP_SYSTEM_CONFIG: path.join(home, 'none.yaml'),
    HP_DEMO_FILE: path.join(home, 'none.json'),
    HP_URL: world.running.url,
    HP_TOKEN: tokens.get(name) ?? '',
  })
async function ended(process: HpProcess) {
  const code = await process.ended
  return { code, out: process.out(), err: process.err() }
}
const count = async () => (await world.target.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n
const asked = async (...more: readonly string[]) => {
  const { code, out } = await ended(as('ana', 'request', 'shop-db', '--verb', 'delete', '--for', '10m', ...more))
  expect(code).toBe(75)
  return /HP-\d+/.exec(out)?.[0] ?? ''
}

describe('hp request, wait, withdraw, extend, done, retry', () => {
  it('pending is 75, approved 0, denied 77, withdrawn 130', async () => {
    const one = await asked()
    const gaveUp = await ended(as('ana', 'wait', one, '--timeout', '1s'))
    expect(gaveUp).toMatchObject({ code: 75, out: `${one} pending\n` })
    const waiting = as('ana', 'wait', one)
    expect(await ended(as('mia', 'review', one, '--approve'))).toMatchObject({ code: 0 })
    expect(await ended(waiting)).toMatchObject({ code: 0, out: `${one} approved by mia\n` })

    expect(await ended(as('ana', 'extend', one, '5m'))).toMatchObject({ code: 75 })
    const extension = await world.pending()
    expect(extension.subject).toMatchObject({ kind: 'extension', of: one })
    expect(await ended(as('mia', 'review', extension.id, '--approve'))).toMatchObject({ code: 0 })
    expect(await ended(as('ana', 'wait', extension.id))).toMatchObject({ code: 0 })

    expect(await ended(as('ana', 'done', one))).toMatchObject({ code: 0, out: `${one} access ended (released)\n` })
    expect(await ended(as('ana', 'done', one))).toMatchObject({ code: 1 })
    expect(await ended(as('ana', 'extend', one, '5m'))).toMatchObject({ code: 1 })

    const two = await asked()
    expect(await ended(as('mia', 'review', two, '--deny', '-m', 'not on a Friday'))).toMatchObject({ code: 0 })
    expect(await ended(as('ana', 'wait', two))).toMatchObject({
      code: 77,
      out: `${two} denied by mia: not on a Friday\n`,
    })
    expect(await ended(as('ana', 'retry', two))).toMatchObject({ code: 75 })
    const three = (await world.pending()).id
    expect(await ended(as('mia', 'withdraw', three))).toMatchObject({ code: 0 })
    const owners = await asked()
    expect(await ended(as('ana', 'withdraw', owners))).toMatchObject({ code: 0 })
    expect(await ended(as('ana', 'wait', owners))).toMatchObject({ code: 130 })
    expect(await ended(as('ana', 'wait', 'HP-999999'))).toMatchObject({ code: 4 })
  }, 60_000)

  it('hp retry sends a statement again through the gateway, where it waits anew', async () => {
    const refused = await withClient(world.connection, async (client) => {
      const running = client.query('DELETE FROM carts WHERE id <= 3').catch((error: unknown) => error)
      const found = await world.deny('ask again tomorrow')
      expect(await running).toMatchObject({ code: '42501' })
      return found.id
    })
    const again = as('ana', 'retry', refused)
    const { id, subject } = await world.pending()
    expect(id).not.toBe(refused)
    expect(subject).toMatchObject({ kind: 'statement', text: 'DELETE FROM carts WHERE id <= 3' })
    expect(await count()).toBe(20)
    await world.approve()
    const sent = await ended(again)
    expect(sent).toMatchObject({ code: 0 })
    expect(sent.out).toContain('DELETE 3')
    expect(await count()).toBe(17)
    // Somebody else's is not sent in one's own name.
    expect(await ended(as('dev', 'retry', refused))).toMatchObject({ code: 1 })
  })
})

describe('hp watch, record and sessions', () => {
  it('watch says when it has begun and misses nothing after that; record and watch write JSON lines', async () => {
    const watching = as('mia', 'watch', '--json')
    await watching.says(/Watching/)
    const id = await asked()
    await world.as('ana').call('withdrawRequest', { params: { id } })
    await expect.poll(() => watching.out(), { timeout: 5_000 }).toContain('request.withdrawn')
    watching.signal('SIGINT')
    expect(await watching.ended).toBe(0)
    const lines = watching
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; subject: string })
    expect(lines.filter((one) => one.subject === `request/${id}`).map((one) => one.kind)).toEqual([
      'request.opened',
      'request.withdrawn',
    ])
    const record = await ended(as('mia', 'record', '--subject', `request/${id}`, '--json'))
    expect(
      record.out
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { kind: string }).kind),
    ).toEqual(['request.opened', 'request.withdrawn'])
    const profile = await ended(as('sam', 'record', '--subject', 'document/resource/shop-db'))
    expect(profile).toMatchObject({ code: 0, out: expect.stringContaining('profile.changed') })
  })

  it('sessions are listed, each a line of JSON, and their statements too', async () => {
    await withClient(world.connection, async (client) => {
      await client.query('SELECT count(*) FROM carts')
      const { out } = await ended(as('mia', 'sessions', '--json'))
      const [session] = (JSON.parse(out) as { items: { id: string }[] }).items
      expect(session).toMatchObject({ principal: 'ana', resource: 'shop-db' })
      await expect
        .poll(async () => (await ended(as('mia', 'sessions', session?.id ?? ''))).out, { timeout: 10_000 })
        .toContain('succeeded 1 rows')
    })
  })
})

describe('what nobody can answer', () => {
  it('says why and who mends it: in the notice, on the page, for a window, and where it is applied', async () => {
    const { host, port, user } = world.target.target
    const ledger = `kind: Resource\nname: ledger-db\nconnect: postgres://${user}@${host}:${port}/postgres?sslmode=disable\ncredential: {from: env, name: HP_TEST_TARGET_PASSWORD}\n`
    const because = 'nobody can answer: no team guards exists; an administrator names one with hp apply'
    const files = [
      { path: 'a.yaml', text: 'kind: Settings\ndefault: hold\nsecurity: guards\ntimeout: 15m\n' },
      { path: 'b.yaml', text: ledger },
    ]
    const applied = await world.as('sam').call('applyDocuments', { body: { files, prune: false } })
    expect(applied.kind === 'applied' ? applied.notes : []).toContain(`ledger-db: ${because}`)
    expect((await world.as('ana').call('getResource', { params: { name: 'ledger-db' } })).warnings.join()).toMatch(
      /no team guards exists/,
    )
    const connecting = as('ana', 'psql', 'ledger-db', '-c', 'SELECT 1')
    const [notice] = await connecting.says(/held HP-.*/)
    expect(notice).toContain(`; ${because} http`)
    expect(notice).not.toMatch(/team:|nobody:/)
    expect(connecting.err()).not.toMatch(/Nobody was told/)
    connecting.signal('SIGINT')
    expect(await connecting.ended).toBe(130)
    const { code, err } = await ended(as('ana', 'request', 'ledger-db', '--verb', 'read', '--for', '10m'))
    expect(err).toContain(because)
    expect(err).not.toMatch(/team:|nobody:/)
    expect(code).toBe(75)
    const id = /HP-\d+/.exec(err)?.[0] ?? ''
    const page = await ended(as('ana', 'show', 'ledger-db'))
    expect(page.err).toContain('no team guards exists')
    await world.as('ana').call('withdrawRequest', { params: { id } })
  })
})

describe('whoever changes documents while a request is open', () => {
  it('cannot approve it: not who proposed, not who agreed; and who joins a team is not asked', async () => {
    await world.as('sam').call('updatePerson', { params: { name: 'dev' }, body: { roles: ['admin'] } })
    const id = await asked()
    const change = async (text: string) => {
      const body = { files: [{ path: 'x.yaml', text }], prune: false }
      const held = await world.as('sam').call('applyDocuments', { body })
      const request = held.kind === 'held' ? held.request : ''
      const { digest } = await world.as('dev').call('getRequest', { params: { id: request } })
      await world.as('dev').call('review', { params: { id: request }, body: { verdict: 'approve', digest } })
    }
    const mayApprove = async (name: Person, request = id) =>
      (await world.as(name).call('getRequest', { params: { id: request } })).may.approve
    expect(await mayApprove('dev')).toEqual({ allowed: true })
    await change('kind: Team\nname: others\nmembers: [dev]\n')
    expect(await mayApprove('dev')).toMatchObject({ allowed: false, code: 'not_eligible' })
    expect(await ended(as('dev', 'review', id, '--approve'))).toMatchObject({ code: 77 })
    expect(await mayApprove('mia')).toEqual({ allowed: true })
    // A denial from them stands, and takes nothing from anybody.
    expect((await world.as('dev').call('getRequest', { params: { id } })).may.deny).toEqual({ allowed: true })
    await change('kind: Team\nname: payments\nmembers: [mia, dev, sam]\nlead: mia\n')
    const after = await world.as('ana').call('getRequest', { params: { id } })
    expect(after.requirements.flatMap((one) => one.eligible)).toEqual(['dev', 'mia'])
    expect(await mayApprove('sam')).toMatchObject({ allowed: false })
    const fresh = await asked()
    expect(await mayApprove('sam', fresh)).toEqual({ allowed: true })
    for (const open of [id, fresh])
      await world
        .as('ana')
        .call('withdrawRequest', { params: { id: open } })
        .catch(() => undefined)
    await world.as('sam').call('updatePerson', { params: { name: 'dev' }, body: { roles: [] } })
  })
})

describe('a token that is taken back', () => {
  it('cuts the session that it opened, and the record says why', async () => {
    const token = await world.as('ana').call('issueToken', { body: { kind: 'gateway' } })
    await withClient({ ...world.connection, password: token.text }, async (client) => {
      await client.query('SELECT 1 FROM carts LIMIT 1')
      const closed = new Promise<unknown>((resolve) => {
        client.once('error', resolve)
      })
      await world.as('ana').call('revokeToken', { params: { id: token.id } })
      expect(await closed).toMatchObject({ message: 'the token that opened the session was revoked' })
    })
    const { items } = await world.as('sam').call('listRecord', { query: { limit: '200' } })
    expect(items.filter((one) => one.kind === 'session.cut').map((one) => one.body['why'])).toEqual(['token_revoked'])
  })

  it('a client that leaves and takes back its own token is not said to be cut', async () => {
    const again = await ended(as('ana', 'psql', 'shop-db', '-c', 'SELECT 1 FROM carts LIMIT 1'))
    expect(again.code).toBe(0)
    const closed = async () => (await world.as('ana').call('listSessions', { query: { limit: '1' } })).items[0]
    await expect.poll(closed).toMatchObject({ state: 'closed', why: 'client_left' })
  })
})

describe('a removal that the target does not confirm', () => {
  it('shows in readiness, which stays ready, in metrics and in hp status, until it is confirmed', async () => {
    const id = await asked()
    await world.approve()
    await withClient(world.connection, async (client) => {
      await client.query('DELETE FROM carts WHERE id = 1')
      // Where the look from a second connection goes to finds nobody from now on.
      await world.store.query(
        `UPDATE session SET target = jsonb_set(target::jsonb, '{target,port}', '1')::json WHERE state = 'open'`,
      )
      await world.as('mia').call('revokeGrant', { params: { id }, body: {} })
      await world.store.query('UPDATE clock SET ahead = ahead + 16000')
      const ready = async () => {
        const response = await fetch(new URL('/readyz', world.running.url))
        const body = (await response.json()) as { checks: { name: string; ok: boolean; detail?: string }[] }
        return { status: response.status, removals: body.checks.find((one) => one.name === 'removals') }
      }
      await expect.poll(ready, { timeout: 15_000 }).toMatchObject({
        status: 200,
        removals: { ok: true, detail: expect.stringMatching(/^1 overdue: .* the oldest for \d+ s$/) },
      })
      const metrics = await (await fetch(new URL('/metrics', world.running.url))).text()
      expect(metrics).toContain('holdpoint_overdue_grants 1')
      expect(metrics).toContain('holdpoint_lost_statements 0')
      expect((await ended(as('mia', 'status'))).out).toMatch(/removals +ok {2}1 overdue/)
      await world.store.query(
        `UPDATE session SET target = jsonb_set(target::jsonb, '{target,port}', '${world.target.target.port}')::json`,
      )
      await expect.poll(ready, { timeout: 15_000 }).toMatchObject({ removals: { ok: true } })
      await expect.poll(async () => (await ready()).removals?.detail, { timeout: 15_000 }).toBeUndefined()
      // However often it was tried: one line at the beginning, without a stack, and one at the end.
      const told = () => world.logged.filter((line) => line.includes('the end of access'))
      await expect.poll(() => told().length, { timeout: 15_000 }).toBe(2)
      expect(told()[0]).toMatch(/cannot be confirmed \([GS]-\d+; tried until it can\): connect ECONNREFUSED/)
      expect(told()[0]).not.toContain('stack')
      expect(told()[1]).toMatch(/can be confirmed again, after \d+ attempts? in vain/)
    })
  }, 60_000)
})
