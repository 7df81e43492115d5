import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldOpened } from '../../src/app/ports/gateway.ts'
import { millis } from '../../src/domain/time.ts'
import { approve, connectClient, DOCUMENTS, refusal, requestsWorld, until, value } from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
let process: Process
beforeEach(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
})
afterEach(async () => {
  const { faults } = process
  await world.close()
  expect(faults).toEqual([])
})

const held = (opened: HoldOpened) => {
  if (opened.kind !== 'held') throw new Error('it was covered')
  return opened
}
const never = new AbortController().signal

describe('a held statement', () => {
  it('waits, is approved by its owner, starts once, and its grant ends with it', async () => {
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts')
    const opened = held(await process.gateway.hold(input))
    expect(opened.needs.map((n) => [n.key, n.people])).toEqual([['team:shop', ['mia']]])
    const waiting = process.gateway.outcome(opened.request, never)

    const view = value(await world.app.getRequest(world.caller('mia'), opened.request))
    expect(view.may).toMatchObject({ approve: true, deny: true, withdraw: true, done: 'not_permitted' })
    const after = value(await approve(world, 'mia', view))
    expect(after.request.state).toBe('approved')
    expect(after.grant?.state).toBe('active')
    expect(await waiting).toMatchObject({ kind: 'approved', by: ['mia'] })

    const started = await process.gateway.start(opened.request, input)
    expect(started.kind).toBe('go')
    await expect(process.gateway.start(opened.request, input)).rejects.toThrow(/started before/)
    await process.gateway.finish(opened.request, { outcome: 'succeeded', rows: 3 })
    await process.gateway.finish(opened.request, { outcome: 'failed' })
    const ended = value(await world.app.getRequest(world.caller('ana'), opened.request))
    expect(ended.grant).toMatchObject({ state: 'ended', why: 'completed' })
    // The session goes on: its statement is done, not the person.
    await process.reconciler.pass()
    expect(value(await world.app.listSessions(world.caller('ana'), {})).items[0]?.state).toBe('open')
    expect(await world.kinds(`request/${opened.request}`)).toEqual([
      'request.opened',
      'review.given',
      'request.approved',
      'execution.started',
      'execution.succeeded',
    ])
    expect(await world.kinds(`grant/${after.grant?.id}`)).toEqual(['grant.active', 'grant.ending', 'grant.ended'])
  })

  it('starts exactly once however many ask at the same moment', async () => {
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts')
    const opened = held(await process.gateway.hold(input))
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request))))
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => process.gateway.start(opened.request, input)))
    expect(all.filter((s) => s.status === 'fulfilled' && s.value.kind === 'go')).toHaveLength(1)
  })

  it('is not covered by the approval of another text, or in another session', async () => {
    const client = await connectClient(world, process, 'ana')
    const other = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts WHERE id = 1')
    for (const wrong of [
      { session: client.session, digest: client.input('DELETE FROM carts').digest },
      { session: other.session, digest: input.digest },
    ]) {
      const opened = held(await process.gateway.hold(input))
      value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request))))
      expect((await process.gateway.start(opened.request, wrong)).kind).toBe('voided')
      // Void for good: the right one does not run with it either.
      expect((await process.gateway.start(opened.request, input)).kind).toBe('voided')
    }
  })

  it('is denied with words that reach the client', async () => {
    const client = await connectClient(world, process, 'ana')
    const opened = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const { request } = value(await world.app.getRequest(world.caller('mia'), opened.request))
    const deny = (words?: string) =>
      world.app.review(world.caller('mia'), request.id, {
        verdict: 'deny',
        digest: request.digest,
        ...(words === undefined ? {} : { words }),
      })
    expect(refusal(await deny())).toBe('words_required')
    expect(refusal(await deny('  '))).toBe('words_required')
    value(await deny('Not on a Friday.'))
    expect(await process.gateway.outcome(opened.request, never)).toEqual({
      kind: 'denied',
      by: 'mia',
      words: 'Not on a Friday.',
    })
    expect((await process.gateway.start(opened.request, client.input('DELETE FROM carts'))).kind).toBe('voided')
  })

  it('is withdrawn by Ctrl-C, and by a client that leaves', async () => {
    const client = await connectClient(world, process, 'ana')
    const first = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const waiting = process.gateway.outcome(first.request, never)
    await process.gateway.withdraw(first.request, 'the client cancelled')
    expect(await waiting).toEqual({ kind: 'withdrawn', why: 'the client cancelled' })
    expect(
      refusal(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), first.request)))),
    ).toBe('not_pending')

    const second = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    await process.gateway.closeSession(client.session, 'client_left')
    await process.gateway.closeSession(client.session, 'cut')
    expect(await process.gateway.outcome(second.request, never)).toMatchObject({ kind: 'withdrawn' })
    expect(await world.kinds(`session/${client.session}`)).toEqual(['session.opened', 'session.closed'])
    await expect(process.gateway.hold(client.input('DELETE FROM carts'))).rejects.toThrow(/not open/)
  })

  it('expires by the database clock, and not before', async () => {
    const client = await connectClient(world, process, 'ana')
    const opened = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    await world.advance(14 * 60_000)
    await process.reconciler.pass()
    expect(value(await world.app.getRequest(world.caller('mia'), opened.request)).request.state).toBe('pending')
    await world.advance(61_000)
    expect(await process.gateway.outcome(opened.request, never)).toEqual({ kind: 'expired' })
    expect(
      refusal(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request)))),
    ).toMatch(/expired|not_pending/)
    await process.reconciler.pass()
    expect(value(await world.app.getRequest(world.caller('mia'), opened.request)).request.state).toBe('expired')
  })

  it('is voided, pending or approved, when the profile changes so that the decision differs, and says what changed', async () => {
    const client = await connectClient(world, process, 'ana')
    const pending = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const approved = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), approved.request))))
    world.change({
      documents: DOCUMENTS.replace('decides: [write, delete]', 'decides: [exec]').replace(
        '[schema, admin, connect]',
        '[schema, admin, write]',
      ),
    })
    expect(await process.gateway.start(approved.request, client.input('DELETE FROM carts'))).toEqual({
      kind: 'voided',
      why: 'profile of shop-db changed, revision 1 to 2',
    })
    await process.reconciler.pass()
    expect(await process.gateway.outcome(pending.request, never)).toEqual({
      kind: 'voided',
      why: 'profile of shop-db changed, revision 1 to 2',
    })
  })

  it('is voided when the profile points at another server, though the decision is the same', async () => {
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts')
    const opened = held(await process.gateway.hold(input))
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request))))
    world.change({ documents: DOCUMENTS.replace('@127.0.0.1', '@127.0.0.2') })
    expect((await process.gateway.start(opened.request, input)).kind).toBe('voided')
  })

  it('stays when what changed has nothing to do with it', async () => {
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts')
    const opened = held(await process.gateway.hold(input))
    world.change({ documents: `${DOCUMENTS}---\nkind: Team\nname: others\nmembers: [lee]\n` })
    await process.reconciler.pass()
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), opened.request))))
    expect((await process.gateway.start(opened.request, input)).kind).toBe('go')
  })

  it('asks an agent’s sponsor and its owner, and the sponsor fills no other place', async () => {
    const client = await connectClient(world, process, 'bot')
    const opened = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    // Ana stands in team shop, too: for her own agent she counts as its sponsor only.
    expect(opened.needs.map((n) => [n.key, n.people])).toEqual([
      ['sponsor:ana', ['ana']],
      ['team:shop', ['mia']],
    ])
    const view = value(await world.app.getRequest(world.caller('ana'), opened.request))
    expect(value(await approve(world, 'ana', view)).request.state).toBe('pending')
    expect(refusal(await approve(world, 'ana', view))).toBe('already_reviewed')
    expect(refusal(await approve(world, 'bot', view))).toBe('self_review')
    expect(value(await approve(world, 'mia', view)).request.state).toBe('approved')
  })
})

describe('a review', () => {
  it('is refused for what was not shown, for a longer time, and from those who were not asked', async () => {
    const client = await connectClient(world, process, 'ana')
    const opened = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const { request } = value(await world.app.getRequest(world.caller('mia'), opened.request))
    const give = (who: string, more: object = {}) =>
      world.app.review(world.caller(who), request.id, { verdict: 'approve', digest: request.digest, ...more })
    expect(refusal(await give('mia', { digest: 'f'.repeat(64) }))).toBe('changed')
    expect(refusal(await give('mia', { atMost: 2 * 3_600_000 }))).toBe('not_shorter')
    for (const atMost of [-1, Number.NaN, 0, Number.POSITIVE_INFINITY, 1.5])
      expect(refusal(await give('mia', { atMost }))).toBe('invalid_input')
    expect(refusal(await give('ana'))).toBe('self_review')
    expect(refusal(await give('ci'))).toBe('not_found')
    // An owner of another layer, an administrator and an auditor may look; they were not asked.
    expect(refusal(await give('dev'))).toBe('not_eligible')
    expect(refusal(await give('sam'))).toBe('not_eligible')
    expect(refusal(await give('olu'))).toBe('not_eligible')
    expect(refusal(await give('bot'))).toBe('not_found')
    expect(
      refusal(
        await world.app.review(world.caller('mia', ['read']), request.id, {
          verdict: 'approve',
          digest: request.digest,
        }),
      ),
    ).toBe('scope_too_narrow')
    const approved = value(await give('mia', { atMost: millis(60_000) }))
    expect((approved.grant?.expiresAt ?? 0) - (approved.grant?.startsAt ?? 0)).toBe(60_000)
  })

  it('does not count from somebody who became eligible afterwards, or is not any more', async () => {
    const client = await connectClient(world, process, 'ana')
    const opened = held(await process.gateway.hold(client.input('DELETE FROM carts')))
    const view = value(await world.app.getRequest(world.caller('mia'), opened.request))
    world.change({ documents: DOCUMENTS.replace('members: [mia, ana]', 'members: [dev, ana]') })
    expect(refusal(await approve(world, 'dev', view))).toMatch(/not_eligible|not_pending/)
    expect(refusal(await approve(world, 'mia', view))).toMatch(/not_eligible|not_pending/)
    await until(async () => (await world.store.requests.findRequest(opened.request))?.state === 'voided')
  })
})
