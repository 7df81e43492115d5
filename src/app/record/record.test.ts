import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGround } from '../../../test/support/app.ts'
import { accepted, ADDRESS, testGround } from '../../../test/support/app.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { openStore } from '../../store/open-store.ts'
import type { Caller } from '../app.ts'
import { createRefusalRecorder } from './record-refusals.ts'

let ground: TestGround
beforeAll(async () => {
  ground = await testGround()
})
afterAll(() => ground.close())

const seen = async (caller: Caller, filter: Parameters<TestGround['app']['listEntries']>[1] = {}) =>
  accepted(await ground.app.listEntries(caller, { limit: 500, ...filter })).items.map((entry) => entry.subject)

const note = (subject: string, extra: { actor?: string; resource?: string } = {}) =>
  ground.open.store.transaction((tx) => tx.record.append({ kind: 'test.noted', subject, body: {}, ...extra }))

test('whoever has no role reads what they did, their account, and the resources they own', async () => {
  const ana = await ground.caller('ana')
  const mia = await ground.caller('mia')
  await note('thing/of-mia', { actor: 'mia' })
  await note('thing/of-ana', { actor: 'ana' })
  await note('thing/on-shop-db', { actor: 'sam', resource: 'shop-db' })
  await note('thing/on-other-db', { actor: 'sam', resource: 'other-db' })
  const all = await seen(ground.sam)
  expect(all).toEqual(
    expect.arrayContaining(['thing/of-mia', 'thing/of-ana', 'thing/on-shop-db', 'thing/on-other-db', 'account/ana']),
  )
  expect(await seen(await ground.caller('olu', { roles: ['auditor'] }))).toEqual(expect.arrayContaining(all))
  const anas = await seen(ana)
  expect(anas).toEqual(expect.arrayContaining(['account/ana', 'thing/of-ana', `token/ana/${ana.token}`]))
  expect(
    anas.filter((subject) => !['account/ana', 'thing/of-ana'].includes(subject) && !subject.startsWith('token/ana/')),
  ).toEqual([])
  // Owning a resource shows what belongs to it, and nothing of another.
  ground.policy = {
    teams: new Map([['payments', { name: 'payments', members: ['mia'] }]]),
    resources: new Map([
      ['shop-db', { name: 'shop-db', owners: [{ layer: 'service', team: 'payments', decides: [] }] }],
    ]),
  } as unknown as Snapshot
  const mias = await seen(mia)
  expect(mias).toContain('thing/on-shop-db')
  expect(mias).not.toContain('thing/on-other-db')
  expect(await seen(mia, { resource: 'other-db' })).toEqual([])
  ground.policy = undefined
  expect(await seen(mia)).not.toContain('thing/on-shop-db')
})

test('services read nothing; agents what is their own', async () => {
  await ground.caller('ana')
  const service = await ground.caller('ci', { kind: 'service' })
  expect(await ground.app.listEntries(service, {})).toMatchObject({ refusal: 'not_permitted' })
  const bot = await ground.caller('bot', { kind: 'agent', sponsor: 'ana' })
  await note('thing/of-bot', { actor: 'bot' })
  expect(await seen(bot)).toEqual(expect.arrayContaining(['thing/of-bot']))
  expect(await seen(bot)).not.toContain('thing/of-ana')
})

test('pages follow one another without a gap or a repeat; a forged cursor is refused', async () => {
  const whole = await seen(ground.sam)
  const paged: string[] = []
  let after: string | undefined
  for (;;) {
    const page = accepted(
      await ground.app.listEntries(ground.sam, { limit: 3, ...(after === undefined ? {} : { after }) }),
    )
    if (page.items.length === 0) break
    paged.push(...page.items.map((entry) => entry.subject))
    after = page.cursor
  }
  expect(paged).toEqual(whole)
  expect(await ground.app.listEntries(ground.sam, { after: 'forged' })).toMatchObject({ refusal: 'invalid_input' })
  expect(await ground.app.listEntries(ground.sam, { after: '-1' })).toMatchObject({ refusal: 'invalid_input' })
})

test('a follower hears what comes, in order, from another replica too, and only what they may see', async () => {
  const ana = await ground.caller('ana')
  const replica = await openStore(ground.database.url, () => undefined)
  const stop = new AbortController()
  const heard: string[] = []
  const from = await ground.open.store.recorded.newest()
  const following = (async () => {
    for await (const entry of ground.app.followEntries(ana, from === undefined ? {} : { after: from }, stop.signal))
      heard.push(entry.subject)
  })()
  try {
    for (let n = 0; n < 5; n++) {
      await replica.store.transaction(async (tx) => {
        await tx.record.append({ kind: 'test.noted', subject: `live/${n}`, actor: 'ana', body: {} })
        await tx.record.append({ kind: 'test.noted', subject: `hidden/${n}`, actor: 'mia', body: {} })
      })
    }
    await expect.poll(() => heard).toEqual(['live/0', 'live/1', 'live/2', 'live/3', 'live/4'])
  } finally {
    stop.abort()
    await following
    await replica.close()
  }
})

test('following ends when the token does', async () => {
  const lee = await ground.caller('lee')
  const following = (async () => {
    const heard = []
    for await (const entry of ground.app.followEntries(lee, {}, new AbortController().signal)) heard.push(entry)
    return heard
  })()
  accepted(await ground.app.updatePerson(ground.sam, 'lee', { disabled: true }))
  await following
})

test('refusals are recorded: equal ones once with a count, and a flood does not fill the record', async () => {
  const ana = await ground.caller('ana')
  const recorder = createRefusalRecorder({ store: ground.open.store, log: () => undefined })
  for (let n = 0; n < 100; n++)
    recorder.record(ana, { what: 'PATCH /v1/requests/HP-1', refusal: 'read_only_field', sourceAddress: ADDRESS })
  for (let n = 0; n < 1000; n++)
    recorder.record(undefined, { what: `GET /${n}`, refusal: 'not_signed_in', sourceAddress: ADDRESS })
  await recorder.close()
  const anas = await ground.open.store.recorded.after(undefined, 500, { subject: 'access/ana' })
  expect(anas.map((entry) => entry.body)).toEqual([
    { what: 'PATCH /v1/requests/HP-1', refusal: 'read_only_field', sourceAddress: ADDRESS, count: 100 },
  ])
  const unknown = await ground.open.store.recorded.after(undefined, 500, { subject: 'access/unknown' })
  expect(unknown.length).toBe(200)
  expect(unknown.reduce((sum, entry) => sum + Number(entry.body['count']), 0)).toBe(1000)
})

test('a refusal that cannot be recorded harms nobody, and is said in the log', async () => {
  const broken = await openStore(ground.database.url, () => undefined)
  const said: string[] = []
  const recorder = createRefusalRecorder({ store: broken.store, log: (line) => said.push(line) })
  await broken.close()
  recorder.record(undefined, { what: 'x\uD800'.repeat(500), refusal: 'not_signed_in', sourceAddress: ADDRESS })
  await recorder.close()
  expect(said.join()).toMatch(/could not be recorded/)
})
