import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/domain/principal.ts'
import { millis } from '../../src/domain/time.ts'
import { approve, CAST, connectClient, requestsWorld, until, value } from '../support/requests-world.ts'
import type { RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
const clients: pg.Client[] = []
beforeEach(async () => {
  world = await requestsWorld()
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end().catch(() => undefined)
  await world.close()
})

const disabled = (p: Principal): Principal => ({ ...p, disabled: true })

async function backend() {
  const client = new pg.Client(world.url)
  clients.push(client)
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ pid: number; at: string }>(
    'SELECT pid, backend_start::text AS at FROM pg_stat_activity WHERE pid = pg_backend_pid()',
  )
  return { pid: rows[0]?.pid ?? 0, startedAt: rows[0]?.at ?? '' }
}
const sessionState = async (id: string) =>
  (
    await world.query<{ state: string; why: string | null }>(
      `SELECT state, why FROM session WHERE 'S-' || number = $1`,
      [id],
    )
  )[0]

describe('a gateway that is killed', () => {
  it('leaves nothing behind: its sessions, requests, executions, grants and backends all end', async () => {
    const first = await world.startProcess()
    const second = await world.startProcess()
    const targets = [await backend(), await backend()]
    const running = await connectClient(world, first, 'ana', targets[0])
    const waiting = await connectClient(world, first, 'ana', targets[1])
    const connecting = await connectClient(world, first, 'ana')
    const input = running.input('DELETE FROM carts')
    const opened = await first.gateway.hold(input)
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request))))
    expect((await first.gateway.start(opened.request, input)).kind).toBe('go')
    const pending = await first.gateway.hold(waiting.input('DELETE FROM carts'))
    const approved = await first.gateway.hold(waiting.input('DELETE FROM carts WHERE id = 2'))
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), approved.request))))
    await first.kill()

    await world.advance(6_000)
    await until(
      async () => (await world.query("SELECT FROM access_grant WHERE state <> 'ended'")).length === 0,
      'the end of the grants',
    )
    for (const client of [running, waiting, connecting])
      expect(await sessionState(client.session)).toEqual({ state: 'closed', why: 'gateway_died' })
    expect(await world.query('SELECT state FROM execution ORDER BY request')).toEqual([
      { state: 'unknown' },
      { state: 'ready' },
    ])
    expect(value(await world.app.getRequest(world.caller('ana'), pending.request)).request).toMatchObject({
      state: 'withdrawn',
      why: 'the gateway that held it died',
    })
    await until(
      async () =>
        (await world.query('SELECT FROM pg_stat_activity WHERE pid = ANY ($1)', [targets.map((t) => t.pid)])).length ===
        0,
    )
    // Whoever it was that slept: nothing of it can start any more, by any process.
    await expect(
      second.gateway.start(approved.request, waiting.input('DELETE FROM carts WHERE id = 2')),
    ).rejects.toThrow(/not open/)
    expect(second.faults).toEqual([])
  })

  it('that was only asleep is told so by its own heartbeat, and begins anew', async () => {
    const first = await world.startProcess()
    const second = await world.startProcess()
    const name = first.replica.id()
    const client = await connectClient(world, first, 'ana')
    const orders: string[] = []
    first.gateway.onCut(client.session, (order) => orders.push(order.reason))
    // As the second would do it, had the first been silent for long enough.
    await world.store.transaction((tx) => tx.requests.endReplica(name, tx.now))
    await until(async () => (await sessionState(client.session))?.state === 'closed')
    await until(() => Promise.resolve(orders.length > 0), 'the cut')
    await until(() => {
      try {
        return Promise.resolve(first.replica.id() !== name)
      } catch {
        return Promise.resolve(false)
      }
    }, 'the new name')
    expect(second.replica.id()).not.toBe(first.replica.id())
    await connectClient(world, first, 'ana')
  })

  it('buries nobody because the clock jumped', async () => {
    const first = await world.startProcess()
    const second = await world.startProcess()
    const names = [first.replica.id(), second.replica.id()]
    await world.advance(60_000)
    await Promise.all([first.reconciler.pass(), second.reconciler.pass()])
    await until(async () => {
      const rows = await world.query<{ fresh: boolean }>(
        'SELECT heartbeat_at > holdpoint_now() - 3000 AS fresh FROM replica',
      )
      return rows.every((row) => row.fresh)
    })
    expect([first.replica.id(), second.replica.id()]).toEqual(names)
  })
})

describe('the reconciler', () => {
  it('run by many replicas at once does everything once', async () => {
    const all = await Promise.all([world.startProcess(), world.startProcess(), world.startProcess()])
    const [first] = all
    if (first === undefined) throw new Error('no process')
    const client = await connectClient(world, first, 'ana')
    const requests = []
    for (let n = 0; n < 6; n++)
      requests.push((await first.gateway.hold(client.input(`DELETE FROM carts WHERE id = ${n}`))).request)
    for (const id of requests.slice(0, 3))
      value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), id))))
    await world.advance(2 * 3_600_000)
    await Promise.all(all.map((p) => p.reconciler.pass()))
    await Promise.all(all.map((p) => p.reconciler.pass()))
    const rows = await world.query<{ kind: string; n: number }>(
      "SELECT kind, count(*)::int AS n FROM record WHERE kind IN ('request.expired', 'grant.ending', 'grant.ended') GROUP BY kind ORDER BY kind",
    )
    expect(rows).toEqual([
      { kind: 'grant.ended', n: 3 },
      { kind: 'grant.ending', n: 3 },
      { kind: 'request.expired', n: 3 },
    ])
    for (const process of all) expect(process.faults).toEqual([])
  })

  it('ends all that a disabled person had open', async () => {
    const process = await world.startProcess()
    const target = await backend()
    const client = await connectClient(world, process, 'ana', target)
    const bot = await connectClient(world, process, 'bot')
    const orders: string[] = []
    for (const { session } of [client, bot]) process.gateway.onCut(session, (order) => orders.push(order.reason))
    const pending = await process.gateway.hold(client.input('DELETE FROM carts'))
    const asked = value(
      await world.app.requestWindow(world.caller('ana'), {
        resource: 'shop-db',
        verbs: ['write'],
        length: millis(600_000),
      }),
    )
    const granted = value(await approve(world, 'mia', asked))
    world.change({ people: CAST.map((p) => (p.id === 'ana' ? disabled(p) : p)) })
    await until(
      async () => (await world.query('SELECT FROM pg_stat_activity WHERE pid = $1', [target.pid])).length === 0,
    )
    await until(() => Promise.resolve(orders.length === 2))
    expect(orders).toEqual(['account_disabled', 'account_disabled'])
    expect((await world.store.requests.findRequest(pending.request))?.state).toMatch(/withdrawn|voided/)
    expect((await world.store.requests.findGrant(granted.grant?.id ?? ('' as never)))?.state).toMatch(/ending|ended/)
  })

  it('shows a removal that the target does not confirm, and goes on trying', async () => {
    const process = await world.startProcess()
    const client = await connectClient(world, process, 'ana')
    const asked = value(
      await world.app.requestWindow(world.caller('ana'), {
        resource: 'shop-db',
        verbs: ['write'],
        length: millis(600_000),
      }),
    )
    const granted = value(await approve(world, 'mia', asked))
    await process.gateway.hold(client.input('DELETE FROM carts'))
    // A session that is open and has no backend yet: nothing can be seen gone.
    value(await world.app.revokeGrant(world.caller('mia'), granted.request.id, { words: 'enough' }))
    expect((await world.store.requests.findGrant(granted.grant?.id ?? ('' as never)))?.state).toBe('ending')
    await world.advance(16_000)
    await process.reconciler.pass()
    const overdueOrEnded = async () =>
      process.reconciler.status().overdue.length > 0 ||
      (await world.store.requests.findGrant(granted.grant?.id ?? ('' as never)))?.state === 'ended'
    await until(overdueOrEnded)
    await until(
      async () => (await world.store.requests.findGrant(granted.grant?.id ?? ('' as never)))?.state === 'ended',
      'the end',
    )
  })
})
