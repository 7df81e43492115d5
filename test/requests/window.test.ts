import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CutOrder } from '../../src/app/ports/gateway.ts'
import type { ResourceName, Revision } from '../../src/domain/ids.ts'
import { millis } from '../../src/domain/time.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { NamedVerb } from '../../src/domain/verb.ts'
import { approve, connectClient, DOCUMENTS, refusal, requestsWorld, until, value } from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
let process: Process
const clients: pg.Client[] = []
beforeEach(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end().catch(() => undefined)
  await world.close()
})

const ask = (who: string, verbs: readonly NamedVerb[], length = 30 * 60_000) =>
  world.app.requestWindow(world.caller(who), { resource: 'shop-db', verbs, length: length as Millis })
const window = async (who: string, by: string, verbs: readonly NamedVerb[] = ['write']) => {
  const view = value(await ask(who, verbs))
  return value(await approve(world, by, view))
}

/** What policy says to a write of Ana's in a database of shop-db's server. */
function decidedIn(database: string) {
  const { principal } = world.caller('ana')
  const resource = 'shop-db' as ResourceName
  const context = { now: 0, sourceAddress: '::1', sessionStatements: 0 }
  const decision = world
    .snapshot()
    .scope(principal, resource, database)
    ?.decide({ resource, verb: 'write', facts: {} }, context)
  if (decision?.outcome !== 'hold') throw new Error(`policy says ${decision?.outcome}`)
  return decision
}

/** A connection to the target, as a gateway would hold it. */
async function backend() {
  const client = new pg.Client(world.url)
  clients.push(client)
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ pid: number; at: string }>(
    'SELECT pid, backend_start::text AS at FROM pg_stat_activity WHERE pid = pg_backend_pid()',
  )
  return { client, backend: { pid: rows[0]?.pid ?? 0, startedAt: rows[0]?.at ?? '' } }
}

describe('a window', () => {
  it('counts for exactly what its reviews met, again and again, and only for its holder', async () => {
    const granted = await window('ana', 'mia')
    expect(granted.grant).toMatchObject({ state: 'active', scope: 'window' })
    const client = await connectClient(world, process, 'ana')
    for (const text of ['DELETE FROM carts WHERE id = 1', 'DELETE FROM carts WHERE id = 2'])
      expect(await process.gateway.hold(client.input(text))).toMatchObject({
        kind: 'covered',
        grant: granted.grant?.id,
      })
    // Another verb, and both together, are not what was approved.
    expect((await process.gateway.hold(client.input('DELETE', ['delete']))).kind).toBe('held')
    expect((await process.gateway.hold(client.input('WITH', ['write', 'delete']))).kind).toBe('held')
    // Ana's agent has no part in it.
    const bot = await connectClient(world, process, 'bot')
    expect((await process.gateway.hold(bot.input('DELETE FROM carts'))).kind).toBe('held')
    const mia = await connectClient(world, process, 'mia')
    expect((await process.gateway.hold(mia.input('DELETE FROM carts'))).kind).toBe('held')
  })

  it('does not count in another database of the same server, whose own profile is asked as well', async () => {
    await window('ana', 'mia')
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts WHERE id = 1')
    if (input.subject.kind !== 'statement') throw new Error('no statement')
    const there = { ...input, subject: { ...input.subject, state: { ...input.subject.state, database: 'cards' } } }
    const held = await process.gateway.hold(there)
    if (held.kind !== 'held') throw new Error(held.kind)
    // The profile of that other database comes to ask for more: what was approved for less is void.
    world.change({
      documents: `${DOCUMENTS}---
kind: Resource
name: cards-db
connect: postgres://cards@127.0.0.1:5432/cards
env: prod
classification: restricted
owners: [{layer: service, team: database}]
`,
    })
    const view = value(await world.app.getRequest(world.caller('mia'), held.request))
    // The review finds it out, or the reconciler was sooner: either way it is void, and nothing of it may be approved.
    expect(['changed', 'not_pending']).toContain(refusal(await approve(world, 'mia', view)))
    expect(value(await world.app.getRequest(world.caller('mia'), held.request)).request.state).toBe('voided')
    const again = await process.gateway.hold({ ...there, decision: decidedIn('cards'), revision: 2 as Revision })
    if (again.kind !== 'held') throw new Error(again.kind)
    expect(again.needs.map((need) => need.key).toSorted()).toEqual(['team:database', 'team:shop'])
  })

  it('is asked for, clipped to what policy gives, or refused with the reason', async () => {
    const view = value(await ask('ana', ['write'], 10 * 3_600_000))
    expect(view.request.subject).toMatchObject({ kind: 'window', length: 3_600_000 })
    expect(refusal(await ask('ana', ['schema']))).toBe('scope_not_allowed')
    expect(refusal(await ask('ana', ['read']))).toBe('nothing_to_approve')
    expect(refusal(await ask('ana', ['write', 'export']))).toBe('denied_by_policy')
    expect(refusal(await ask('olu', ['write']))).toBe('not_permitted')
    expect(refusal(await ask('ana', []))).toBe('invalid_input')
    for (const length of [-1, Number.NaN, Number.POSITIVE_INFINITY, 0, 11 * 365 * 86_400_000, 1.5])
      expect(refusal(await ask('ana', ['write'], length))).toBe('invalid_input')
    expect(refusal(await ask('ana', ['unknown' as NamedVerb]))).toBe('invalid_input')
    expect(
      refusal(
        await world.app.requestWindow(world.caller('ana'), {
          resource: 'no-db',
          verbs: ['write'],
          length: millis(60_000),
        }),
      ),
    ).toBe('not_found')
    expect(
      refusal(
        await world.app.requestWindow(world.caller('ana', ['read']), {
          resource: 'shop-db',
          verbs: ['write'],
          length: millis(60_000),
        }),
      ),
    ).toBe('scope_too_narrow')
  })

  it('is never given for longer than was asked, whatever a reviewer says', async () => {
    const { request } = value(await ask('ana', ['write'], 10 * 60_000))
    const give = (atMost: number) =>
      world.app.review(world.caller('mia'), request.id, {
        verdict: 'approve',
        digest: request.digest,
        atMost: millis(atMost),
      })
    expect(refusal(await give(20 * 60_000))).toBe('not_shorter')
    expect(refusal(await give(10 * 60_000 + 1))).toBe('not_shorter')
    const { grant } = value(await give(10 * 60_000))
    expect((grant?.expiresAt ?? 0) - (grant?.startsAt ?? 0)).toBe(10 * 60_000)
  })

  it('expires while its session is open: the session is cut, and its backend seen gone', async () => {
    const granted = await window('ana', 'mia')
    const { backend: target } = await backend()
    const client = await connectClient(world, process, 'ana', target)
    await process.gateway.hold(client.input('DELETE FROM carts'))
    const orders: CutOrder[] = []
    process.gateway.onCut(client.session, (order) => orders.push(order))
    await world.advance(30 * 60_000 + 1_000)
    // The gateway is told, and does nothing about it: the reconciler ends the backend itself.
    await until(
      async () => (await world.store.requests.findGrant(granted.grant?.id ?? ('' as never)))?.state === 'ended',
      'the end of the grant',
    )
    expect(orders).toEqual([{ why: `${granted.request.id} ended (expired)`, reason: 'expired' }])
    expect(await world.query('SELECT FROM pg_stat_activity WHERE pid = $1', [target.pid])).toEqual([])
    expect((await process.gateway.hold(client.input('DELETE FROM carts'))).kind).toBe('held')
    expect(await world.kinds(`session/${client.session}`)).toContain('session.gone')
  })

  it('ends at once when its holder is done, a reviewer revokes it, or policy changes', async () => {
    const first = await window('ana', 'mia')
    expect(refusal(await world.app.releaseGrant(world.caller('mia'), first.request.id))).toBe('not_permitted')
    expect(value(await world.app.releaseGrant(world.caller('ana'), first.request.id)).grant).toMatchObject({
      state: 'ended',
      why: 'released',
    })
    expect(refusal(await world.app.releaseGrant(world.caller('ana'), first.request.id))).toBe('not_active')

    const second = await window('ana', 'mia')
    expect(refusal(await world.app.revokeGrant(world.caller('dev'), second.request.id, {}))).toBe('ok')

    const third = await window('ana', 'mia')
    world.change({ documents: DOCUMENTS.replace('grantAtMost: 1h}', 'grantAtMost: 1h, scope: once}') })
    await process.reconciler.pass()
    expect(value(await world.app.getRequest(world.caller('ana'), third.request.id)).grant).toMatchObject({
      state: 'ended',
      why: 'voided',
    })
  })

  it('is extended by a fresh decision, no further than policy gives', async () => {
    const granted = await window('ana', 'mia')
    const before = granted.grant?.expiresAt ?? 0
    expect(
      refusal(await world.app.extendGrant(world.caller('mia'), granted.request.id, { length: millis(600_000) })),
    ).toBe('not_permitted')
    const extension = value(
      await world.app.extendGrant(world.caller('ana'), granted.request.id, { length: millis(600_000) }),
    )
    expect(extension.request.subject).toMatchObject({ kind: 'extension', of: granted.request.id })
    expect(
      refusal(await world.app.extendGrant(world.caller('ana'), granted.request.id, { length: millis(600_000) })),
    ).toBe('already_exists')
    const longer = value(await approve(world, 'mia', extension))
    expect((longer.grant?.expiresAt ?? 0) - before).toBe(600_000)
    const most = value(
      await world.app.extendGrant(world.caller('ana'), extension.request.id, { length: millis(3_600_000) }),
    )
    const far = value(await approve(world, 'mia', most))
    expect(far.grant?.expiresAt).toBeLessThanOrEqual(
      (await world.store.transaction((tx) => Promise.resolve(tx.now))) + 3_600_000,
    )

    const late = value(
      await world.app.extendGrant(world.caller('ana'), granted.request.id, { length: millis(600_000) }),
    )
    value(await world.app.releaseGrant(world.caller('ana'), granted.request.id))
    expect(refusal(await approve(world, 'mia', late))).toBe('not_pending')
    expect(
      refusal(await world.app.extendGrant(world.caller('ana'), granted.request.id, { length: millis(600_000) })),
    ).toBe('not_active')
    expect(refusal(await world.app.retryRequest(world.caller('ana'), granted.request.id))).toBe('ok')
  })
})
