import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGround } from '../../../test/support/app.ts'
import { accepted, ADDRESS, testGround } from '../../../test/support/app.ts'
import { testDatabase } from '../../../test/support/database.ts'
import type { Snapshot } from '../../domain/policy/snapshot.ts'
import { openStore } from '../../store/open-store.ts'
import type { Caller } from '../app.ts'
import type { RecordedEntry } from '../ports/store.ts'
import { createRefusalRecorder } from './record-refusals.ts'

let ground: TestGround
beforeAll(async () => {
  ground = await testGround()
})
afterAll(() => ground.close())

/** Mia's team owns shop-db, and nobody owns anything else. */
const OWNED = {
  revision: 0,
  teams: new Map([['payments', { name: 'payments', members: ['mia'] }]]),
  resources: new Map([['shop-db', { name: 'shop-db', owners: [{ layer: 'service', team: 'payments', decides: [] }] }]]),
} as unknown as Snapshot
const NOTHING_OWNED = { revision: 0, teams: new Map(), resources: new Map() } as unknown as Snapshot

/** Follows in the background; `end` stops it and waits. */
function follow(caller: Caller, after: string) {
  const stop = new AbortController()
  const heard: RecordedEntry[] = []
  const following = (async () => {
    for await (const entry of ground.app.followEntries(caller, { after }, stop.signal)) heard.push(entry)
  })()
  return {
    heard,
    subjects: () => heard.map((entry) => entry.subject),
    async end() {
      stop.abort()
      await following
    },
  }
}

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
  ground.policy = OWNED
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
  // Where the store stands is no cursor: only what was signed for this reader is.
  const unsigned = await ground.open.store.recorded.settled()
  expect(await ground.app.listEntries(ground.sam, { after: unsigned })).toMatchObject({ refusal: 'invalid_input' })
  const stop = AbortSignal.abort()
  await expect(
    ground.app.followEntries(ground.sam, { after: unsigned }, stop)[Symbol.asyncIterator]().next(),
  ).rejects.toThrow(RangeError)
})

test('a follower hears what comes, in order, from another replica too, and only what they may see', async () => {
  const ana = await ground.caller('ana')
  const replica = await openStore(ground.database.url, () => undefined)
  const stop = new AbortController()
  const heard: string[] = []
  const after = accepted(await ground.app.settledCursor(ana))
  ground.policy = NOTHING_OWNED
  const following = (async () => {
    for await (const entry of ground.app.followEntries(ana, { after }, stop.signal)) heard.push(entry.subject)
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

test('nothing is passed over while nobody can tell what the follower owns', async () => {
  const mia = await ground.caller('mia')
  const after = accepted(await ground.app.settledCursor(mia))
  ground.policy = undefined
  const follower = follow(mia, after)
  try {
    await note('doubt/owned', { actor: 'sam', resource: 'shop-db' })
    await note('doubt/own', { actor: 'mia' })
    // A policy that is older than the one in force is as good as none.
    await expect.poll(() => ground.refreshes).toBeGreaterThan(1)
    expect(follower.heard).toEqual([])
    ground.policy = OWNED
    await expect.poll(follower.subjects).toEqual(['doubt/owned', 'doubt/own'])
  } finally {
    ground.policy = undefined
    await follower.end()
  }
})

test('what was under way when following began is heard, though it began before', async () => {
  const sam = ground.sam
  const inside = Promise.withResolvers<undefined>()
  const goOn = Promise.withResolvers<undefined>()
  const slow = ground.open.store.transaction(async (tx) => {
    await tx.record.append({ kind: 'test.noted', subject: 'slow/1', body: {} })
    inside.resolve(undefined)
    await goOn.promise
  })
  await inside.promise
  await note('quick/1')
  const after = accepted(await ground.app.settledCursor(sam))
  const follower = follow(sam, after)
  try {
    goOn.resolve(undefined)
    await slow
    await expect.poll(follower.subjects).toEqual(['slow/1', 'quick/1'])
  } finally {
    await follower.end()
  }
})

test('another database of the same server, and readers of ours, may sit in a transaction: entries come all the same', async () => {
  const beside = await testDatabase()
  const reader = new pg.Client({ connectionString: ground.database.url })
  const writer = new pg.Client({ connectionString: beside.url })
  await Promise.all([reader.connect(), writer.connect()])
  const follower = follow(ground.sam, accepted(await ground.app.settledCursor(ground.sam)))
  try {
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM record')
    await writer.query('BEGIN; CREATE TABLE t (); SELECT pg_current_xact_id()')
    await note('beside/1')
    await expect.poll(follower.subjects).toEqual(['beside/1'])
  } finally {
    await follower.end()
    await Promise.all([reader.end(), writer.end()])
    await beside.close()
  }
})

test('under many transactions of different lengths every follower hears what they may see: in order, once, and on after coming back', async () => {
  ground.policy = OWNED
  const people = {
    ana: await ground.caller('ana'),
    mia: await ground.caller('mia'),
    olu: await ground.caller('olu', { roles: ['auditor'] }),
    sam: ground.sam,
  }
  const replica = await openStore(ground.database.url, () => undefined)
  const followers = await Promise.all(
    Object.entries(people).map(async ([name, caller]) => {
      const after = accepted(await ground.app.settledCursor(caller))
      return { name, caller, after, whole: follow(caller, after) }
    }),
  )
  const begin = accepted(await ground.app.settledCursor(people.mia))
  // One who comes back again and again with the last cursor, as a browser does.
  const restless: string[] = []
  const leave = new AbortController()
  const comingBack = (async () => {
    for (let last = begin; !leave.signal.aborted;) {
      const stop = AbortSignal.any([leave.signal, AbortSignal.timeout(40)])
      for await (const entry of ground.app.followEntries(people.mia, { after: last }, stop)) {
        restless.push(entry.subject)
        last = entry.cursor
        if (restless.length % 7 === 0) break
      }
    }
  })()
  try {
    await Promise.all(
      Array.from({ length: 12 }, async (_, writer) => {
        const { store } = writer % 2 === 0 ? ground.open : replica
        for (let n = 0; n < 12; n++)
          await store.transaction(async (tx) => {
            const actor = ['ana', 'mia', 'sam'][(writer + n) % 3] ?? 'sam'
            const resource = ['shop-db', 'other-db'][n % 2] ?? 'shop-db'
            const entry = { kind: 'test.noted', actor, resource, body: {} }
            await tx.record.append({ ...entry, subject: `stress/${writer}.${n}.first` })
            await new Promise((resolve) => setTimeout(resolve, ((writer * 7 + n * 13) % 10) * 3))
            await tx.record.append({ ...entry, subject: `stress/${writer}.${n}.second` })
          })
      }),
    )
    for (const { name, caller, after, whole } of followers) {
      const wanted = (await seen(caller, { after })).filter((subject) => subject.startsWith('stress/'))
      expect([name, wanted.length > 90]).toEqual([name, true])
      await expect.poll(() => whole.subjects().filter((s) => s.startsWith('stress/'))).toEqual(wanted)
      const cursors = whole.heard.map((entry) => entry.cursor)
      expect(cursors).toEqual([...new Set(cursors)].toSorted())
    }
    const mias = (await seen(people.mia, { after: begin })).filter((subject) => subject.startsWith('stress/'))
    await expect.poll(() => restless.filter((s) => s.startsWith('stress/'))).toEqual(mias)
  } finally {
    leave.abort()
    await Promise.all([comingBack, ...followers.map(({ whole }) => whole.end())])
    await replica.close()
    ground.policy = undefined
  }
})

test('following ends when the token does', async () => {
  const lee = await ground.caller('lee')
  const after = accepted(await ground.app.settledCursor(lee))
  const following = (async () => {
    const heard = []
    for await (const entry of ground.app.followEntries(lee, { after }, new AbortController().signal)) heard.push(entry)
    return heard
  })()
  accepted(await ground.app.updatePerson(ground.sam, 'lee', { disabled: true }))
  await following
})

test('the last of the record: the newest that one may see, oldest first, and a cursor to go on from', async () => {
  const ana = await ground.caller('ana')
  for (let n = 0; n < 5; n++) {
    await note(`thing/last-${n}`, { actor: 'ana' })
    await note(`thing/unseen-${n}`, { actor: 'dev' })
  }
  const page = accepted(await ground.app.listEntries(ana, { last: 3 }))
  expect(page.items.map((entry) => entry.subject)).toEqual(['thing/last-2', 'thing/last-3', 'thing/last-4'])
  await note('thing/last-5', { actor: 'ana' })
  const { cursor = '' } = page
  expect(await seen(ana, { after: cursor })).toEqual(['thing/last-5'])
  expect(
    accepted(await ground.app.listEntries(ground.sam, { last: 2, subject: 'thing/unseen-4' })).items.map(
      (entry) => entry.subject,
    ),
  ).toEqual(['thing/unseen-4'])
  for (const more of [{ after: cursor }, { limit: 3 }])
    expect(await ground.app.listEntries(ana, { last: 3, ...more })).toMatchObject({ refusal: 'invalid_input' })
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
