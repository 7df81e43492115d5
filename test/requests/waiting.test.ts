import { afterEach, beforeEach, expect, it } from 'vitest'
import type { HoldNews, HoldOpened } from '../../src/app/ports/gateway.ts'
import { takeSteps } from '../../src/app/requests/take-steps.ts'
import type { PrincipalId, RequestId } from '../../src/domain/ids.ts'
import {
  approve,
  CAST,
  connectClient,
  DOCUMENTS,
  refusal,
  requestsWorld,
  until,
  value,
} from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'

/* What a request does while nobody answers it (J20), and who may answer it then (I3). */

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

const MINUTE = 60_000
const ESCALATING = DOCUMENTS.replace(
  'timeout: 15m,',
  'timeout: 15m, escalate: [{after: 10m, to: "team:database"}, {after: 12m, to: "user:lee"}],',
)
const held = (opened: HoldOpened) => {
  if (opened.kind !== 'held') throw new Error('it was covered')
  return opened
}
const open = async (verbs: readonly ('write' | 'delete')[] = ['write']) =>
  held(await process.gateway.hold((await connectClient(world, process, 'ana')).input('DELETE FROM carts', verbs)))
/** The job when it comes in time. */
const step = (id: RequestId) => takeSteps({ store: world.store, policy: () => world.snapshot() }, id)
const seen = async (who: string, id: RequestId) => value(await world.app.getRequest(world.caller(who), id))
const inbox = async (who: string) => value(await world.app.inbox(world.caller(who))).needsMe.map((v) => v.request.id)

it('reminds after five minutes, asks others by rule after ten, and says so where the client waits', async () => {
  world.change({ documents: ESCALATING })
  const { request } = await open()
  const told: HoldNews[] = []
  const outcome = process.gateway.outcome(request, new AbortController().signal, (news) => told.push(news))
  expect(refusal(await world.app.getRequest(world.caller('dev'), request))).toBe('ok') // owns the platform layer
  expect((await seen('dev', request)).may.approve).toBe('not_eligible')

  await step(request)
  expect(await world.kinds(`request/${request}`)).toEqual(['request.opened'])
  await world.advance(5 * MINUTE)
  await step(request)
  await step(request)
  expect(await world.kinds(`request/${request}`)).toEqual(['request.opened', 'request.nudged'])
  expect((await seen('mia', request)).request.nudge?.done).toBeDefined()
  expect(await inbox('dev')).toEqual([])

  await world.advance(5 * MINUTE)
  await Promise.all([step(request), step(request), step(request)])
  expect(await world.kinds(`request/${request}`)).toEqual(['request.opened', 'request.nudged', 'request.escalated'])
  expect(await inbox('dev')).toEqual([request])
  expect(await inbox('lee')).toEqual([])
  await until(() => Promise.resolve(told.length > 0), 'the news')
  expect(told).toEqual([{ kind: 'escalated', to: ['dev'] }])

  expect((await seen('dev', request)).may).toMatchObject({ approve: true, deny: true })
  value(await approve(world, 'dev', await seen('dev', request)))
  expect(await outcome).toMatchObject({ kind: 'approved', by: ['dev'] })
  // What was planned for later does nothing any more.
  await world.advance(2 * MINUTE)
  await step(request)
  expect((await world.kinds(`request/${request}`)).filter((kind) => kind === 'request.escalated')).toHaveLength(1)
})

it('does so without any job, a little later, and its end comes by the reconciler alone', async () => {
  world.change({ documents: ESCALATING })
  const { request } = await open()
  await world.query('DELETE FROM pgboss.job')
  await world.advance(10 * MINUTE + 6_000)
  await process.reconciler.pass()
  expect(await world.kinds(`request/${request}`)).toEqual(['request.opened', 'request.nudged', 'request.escalated'])
  await world.advance(5 * MINUTE)
  await process.reconciler.pass()
  expect((await seen('ana', request)).request.state).toBe('expired')
})

it('plans all of it with the request, and nothing that would come after its end', async () => {
  world.change({ documents: ESCALATING.replace('timeout: 15m', 'timeout: 11m') })
  const { request } = await open()
  const rows = await world.query(
    `SELECT round(extract(epoch FROM start_after - created_on))::int AS wait FROM pgboss.job
     WHERE data->>'request' = $1 ORDER BY 1`,
    [request],
  )
  expect(rows).toEqual([{ wait: 300 }, { wait: 600 }, { wait: 660 }])
})

it('an edit made after it was opened adds nobody, to an escalation either; leaving the team takes the place away', async () => {
  world.change({ documents: ESCALATING })
  const { request } = await open()
  // Lee joins the team that it will escalate to. The plan and the decision are otherwise the same.
  world.change({ documents: ESCALATING.replace('members: [dev]', 'members: [dev, lee]') })
  await world.advance(10 * MINUTE)
  await step(request)
  expect((await seen('dev', request)).may.deny).toBe(true)
  expect(await inbox('lee')).toEqual([])
  world.change({ people: CAST.map((p) => (p.id === 'dev' ? { ...p, disabled: true } : p)) })
  expect((await seen('dev', request)).may.approve).toBe('not_eligible')
})

it('who asked is never among those that it climbs to, and nobody writes themselves in', async () => {
  world.change({ documents: ESCALATING.replace('"team:database"', '"user:ana"') })
  const { request } = await open()
  await world.advance(11 * MINUTE)
  await step(request)
  expect((await seen('ana', request)).may.approve).toBe('self_review')
  await expect(
    world.query(`UPDATE access_request SET asked = asked || '{lee}' WHERE number = $1`, [request.slice(3)]),
  ).rejects.toThrow('never widens by itself')
  await expect(
    world.query('UPDATE request_step SET people = $2 WHERE request = $1', [request.slice(3), ['lee']]),
  ).rejects.toThrow('taken once')
  await expect(world.query(`INSERT INTO stand_in VALUES ($1, 'lee', 'mia', 1)`, [request.slice(3)])).rejects.toThrow()
})

it('a change of the rule that it climbs by voids an approval that rests on it', async () => {
  world.change({ documents: ESCALATING })
  const { request } = await open()
  await world.advance(10 * MINUTE)
  await step(request)
  world.change({ documents: DOCUMENTS })
  const view = await seen('dev', request)
  expect(refusal(await approve(world, 'dev', view))).toBe('changed')
  expect((await seen('ana', request)).request.state).toBe('voided')
})

const friday = async () =>
  Number((await world.query<{ now: string }>('SELECT holdpoint_now() AS now'))[0]?.now) + 3 * 86_400_000
const handOn = async (from: string, to: string) => world.app.delegate(world.caller(from), { to, until: await friday() })

it('a reviewer who is away hands on what waits and what comes, until then', async () => {
  const { request: before } = await open()
  expect(value(await handOn('mia', 'lee'))).toMatchObject({ person: 'mia', to: 'lee', requests: 1 })
  const { request: later } = await open()
  expect(await inbox('lee')).toEqual([before, later])
  const answered = value(await approve(world, 'lee', await seen('lee', before)))
  expect(answered.request).toMatchObject({ state: 'approved', reviews: [{ by: 'lee', for: 'mia' }] })
  expect(await world.kinds(`request/${later}`)).toEqual(['request.opened', 'request.handed_on'])

  value(await world.app.endDelegation(world.caller('mia')))
  expect((await seen('lee', later)).may.approve).toBe('not_eligible')
  expect((await seen('mia', later)).may.approve).toBe(true)
  expect(refusal(await world.app.endDelegation(world.caller('mia')))).toBe('not_found')
})

it('a delegation is over when its time is', async () => {
  const { request } = await open()
  const until = Number((await world.query('SELECT holdpoint_now() AS now'))[0]?.['now']) + MINUTE
  value(await world.app.delegate(world.caller('mia'), { to: 'lee', until }))
  expect((await seen('lee', request)).may.approve).toBe(true)
  await world.advance(MINUTE)
  expect((await seen('lee', request)).may.approve).toBe('not_eligible')
  expect(refusal(await approve(world, 'lee', await seen('lee', request)))).toBe('not_eligible')
})

it('two people in one place are one: a quorum is never filled by a reviewer and who answers for them', async () => {
  world.change({
    documents: DOCUMENTS.replace('members: [mia, ana]', 'members: [mia, ana, sam]').replace(
      'hold: {reviews: [{from: owners}], timeout',
      'hold: {reviews: [{from: owners, count: 2}], timeout',
    ),
  })
  value(await handOn('mia', 'lee'))
  const { request } = await open()
  value(await approve(world, 'lee', await seen('lee', request)))
  expect(refusal(await approve(world, 'mia', await seen('mia', request)))).toBe('already_reviewed')
  expect((await seen('sam', request)).request.state).toBe('pending')
  expect(value(await approve(world, 'sam', await seen('sam', request))).request.state).toBe('approved')
})

it('nobody is handed what they asked for, what their agent asked for, or what they are asked themselves', async () => {
  value(await handOn('mia', 'ana'))
  const { request } = await open()
  expect((await seen('ana', request)).may.approve).toBe('self_review')
  const bots = held(await process.gateway.hold((await connectClient(world, process, 'bot')).input('DELETE FROM carts')))
  // Ana answers as the sponsor; Mia's place is not hers besides.
  value(await approve(world, 'ana', await seen('ana', bots.request)))
  expect((await seen('ana', bots.request)).request.state).toBe('pending')
})

it('hands nothing to machines, auditors, strangers or the dead, for no time and not for ever', async () => {
  for (const to of ['bot', 'ci', 'olu', 'nobody', 'mia']) expect(refusal(await handOn('mia', to))).toBe('invalid_input')
  for (const until of [0, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER])
    expect(refusal(await world.app.delegate(world.caller('mia'), { to: 'lee', until }))).toBe('invalid_input')
  expect(refusal(await handOn('olu', 'lee'))).toBe('not_permitted')
  expect(refusal(await handOn('bot', 'lee'))).toBe('not_permitted')
  expect(refusal(await world.app.delegate(world.caller('mia', ['read']), { to: 'lee', until: await friday() }))).toBe(
    'scope_too_narrow',
  )
  expect(await world.store.waiting.delegationsOf(['mia' as PrincipalId], 0 as never)).toEqual([])
})

it("an agent's sponsor answers in person, whoever they handed the rest to", async () => {
  value(await handOn('ana', 'lee'))
  const { request } = held(
    await process.gateway.hold((await connectClient(world, process, 'bot')).input('DELETE FROM carts')),
  )
  expect(refusal(await world.app.getRequest(world.caller('lee'), request))).toBe('not_found')
})
