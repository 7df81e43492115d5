import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldInput, HoldOpened } from '../../src/app/ports/gateway.ts'
import { openChange } from '../../src/app/requests/open-change.ts'
import { connectDigest } from '../../src/domain/digest.ts'
import type { Digest, ResourceName, Revision } from '../../src/domain/ids.ts'
import { instant } from '../../src/domain/time.ts'
import { approve, CAST, connectClient, DOCUMENTS, refusal, requestsWorld, value } from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'
import type { Principal } from '../../src/domain/principal.ts'

let world: RequestsWorld
let process: Process
beforeEach(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
})
afterEach(() => world.close())

const held = (opened: HoldOpened) => {
  if (opened.kind !== 'held') throw new Error('it was covered')
  return opened.request
}
const SESSION = DOCUMENTS.replace('grantAtMost: 1h}', 'grantAtMost: 1h, scope: session}')

describe('a grant of scope session', () => {
  it('carries on in its own session and in no other, and ends with it', async () => {
    world.change({ documents: SESSION })
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts WHERE id = 1')
    const id = held(await process.gateway.hold(input))
    const view = value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), id))))
    expect(view.grant?.scope).toBe('session')
    expect((await process.gateway.start(id, input)).kind).toBe('go')
    await process.gateway.finish(id, { outcome: 'succeeded' })
    expect(await process.gateway.hold(client.input('DELETE FROM carts WHERE id = 2'))).toMatchObject({
      kind: 'covered',
      request: id,
    })
    // At its deadline a gateway asks how long it lasts by now.
    const again = await process.gateway.start(id, { session: client.session, digest: '' as Digest })
    expect(again).toMatchObject({ kind: 'go', expiresAt: view.grant?.expiresAt })

    const other = await connectClient(world, process, 'ana')
    expect((await process.gateway.hold(other.input('DELETE FROM carts WHERE id = 2'))).kind).toBe('held')
    await process.gateway.closeSession(client.session, 'client_left')
    expect(value(await world.app.getRequest(world.caller('ana'), id)).grant).toMatchObject({
      state: 'ended',
      why: 'released',
    })
  })

  it('is what an approved connection has, and the session is cut when it ends', async () => {
    const documents = DOCUMENTS.replace(
      'verbs: [connect, read]}\nallow: {sessionAtMost: 8h}',
      'verbs: [read]}\nallow: {}',
    )
    world.change({ documents })
    const client = await connectClient(world, process, 'ana')
    const { principal } = world.caller('ana')
    const resource = 'shop-db' as ResourceName
    const decision = world
      .snapshot()
      .scope(principal, resource)
      ?.decide({ resource, verb: 'connect', facts: {} }, { now: 0, sourceAddress: '::1', sessionStatements: 0 })
    if (decision?.outcome !== 'hold') throw new Error('it is not held')
    const subject = { kind: 'connect', database: 'shop', client: 'psql', sourceAddress: '::1' } as const
    const digest = connectDigest({ ...subject, resource, principal: principal.id })
    const input: HoldInput = {
      session: client.session,
      principal,
      resource,
      subject,
      digest,
      decision,
      revision: world.snapshot().revision,
    }
    const id = held(await process.gateway.hold(input))
    value(await approve(world, 'dev', value(await world.app.getRequest(world.caller('dev'), id))))
    const started = await process.gateway.start(id, input)
    expect(started.kind).toBe('go')
    await process.gateway.finish(id, { outcome: 'succeeded' })
    const orders: string[] = []
    process.gateway.onCut(client.session, (order) => orders.push(order.reason))
    value(await world.app.revokeGrant(world.caller('mia'), id, {}))
    await process.gateway.cuts.check()
    expect(orders).toEqual(['revoked'])
  })
})

describe('a change of documents', () => {
  const change = (who: string, base: number) =>
    world.store.transaction((tx) =>
      openChange(tx, world.caller(who), {
        base: base as Revision,
        summary: ['x'],
        documents: [],
        staff: world.snapshot(),
      }),
    )
  const lee = (p: Principal): Principal => (p.id === 'lee' ? { ...p, roles: ['admin'] } : p)

  it('needs another administrator, and is used once', async () => {
    world.change({ people: CAST.map(lee) })
    const request = await change('sam', 2)
    const give = (who: string) =>
      world.app.review(world.caller(who), request.id, { verdict: 'approve', digest: request.digest })
    expect(refusal(await give('sam'))).toBe('self_review')
    expect(refusal(await give('mia'))).toBe('not_found')
    expect(value(await give('lee'))).toMatchObject({
      request: { state: 'approved' },
      grant: { state: 'ended', why: 'completed' },
    })
  })

  it('is void when another came first', async () => {
    world.change({ people: CAST.map(lee) })
    const request = await change('sam', 2)
    world.change({})
    await process.reconciler.pass()
    expect((await world.store.requests.findRequest(request.id))?.state).toBe('voided')
  })

  it('takes the approval of other requests from whoever proposed it while they were open', async () => {
    const client = await connectClient(world, process, 'ana')
    const before = await change('mia', 1)
    // A request opened after the proposal is judged by it as well only when both were open at the same moment.
    const id = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const view = value(await world.app.getRequest(world.caller('mia'), id))
    expect(before.openedAt).toBeLessThanOrEqual(view.request.openedAt)
    expect(view.may.approve).toBe(true)
    await world.store.transaction(async (tx) => {
      expect(tx.now).toBeGreaterThan(instant(0))
      await openChange(tx, world.caller('mia'), {
        base: 1 as Revision,
        summary: ['y'],
        documents: [1],
        staff: world.snapshot(),
      })
    })
    expect(refusal(await approve(world, 'mia', view))).toBe('not_eligible')
    // A denial takes nothing from anybody.
    expect(value(await world.app.getRequest(world.caller('mia'), id)).may).toMatchObject({
      approve: 'not_eligible',
      deny: true,
    })
  })
})
