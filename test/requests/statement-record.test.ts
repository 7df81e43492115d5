import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { SessionId } from '../../src/domain/ids.ts'
import { SegmentWriter } from '../../src/domain/session/segment.ts'
import type { StatementEntry } from '../../src/domain/session/session.ts'
import { instant } from '../../src/domain/time.ts'
import { connectClient, requestsWorld, value } from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
let process: Process
beforeEach(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
})
afterEach(() => world.close())

const entry = (session: SessionId, number: number, more: Partial<StatementEntry> = {}): StatementEntry => ({
  session,
  number,
  at: instant(1_000),
  verbs: ['read'],
  decision: 'allow',
  rules: ['reads'],
  text: 'SELECT ?',
  objects: ['public.carts'],
  rows: 1,
  durationMicros: 12.4,
  outcome: 'succeeded',
  ...more,
})
const count = async () => (await world.query<{ n: number }>('SELECT sum(count)::int AS n FROM statement_segment'))[0]?.n

it('writes what was run in batches, and what the target said of itself does no harm', async () => {
  const { session } = await connectClient(world, process, 'ana')
  for (let n = 1; n <= 1_200; n++) process.gateway.record(entry(session, n))
  process.gateway.record(
    entry(session, 1_201, {
      text: 'a\0b\ud800c',
      objects: ['x\0'],
      rows: 1e300,
      sqlstate: '\0\ud800',
      durationMicros: Number.NaN,
    }),
  )
  await process.gateway.background.flush()
  expect(await count()).toBe(1_201)
  const page = value(await world.app.listStatements(world.caller('olu'), session, { limit: 2 }))
  expect(page.items.map((s) => s.number)).toEqual([1, 2])
  const next = value(
    await world.app.listStatements(world.caller('olu'), session, { limit: 2, cursor: page.next ?? '' }),
  )
  expect(next.items.map((s) => s.number)).toEqual([3, 4])
  // An auditor's reading is itself recorded.
  expect((await world.kinds(`session/${session}`)).filter((k) => k === 'session.read')).toHaveLength(2)
  expect(process.gateway.background.state()).toEqual({ waiting: 0, lost: 0 })
  const last = value(await world.app.listStatements(world.caller('olu'), session, { limit: 500 }))
  expect(last.items.length).toBeLessThan(1_201)
})

it('every segment stands in the record by its digest, once, whatever the writing of it met', async () => {
  const { session } = await connectClient(world, process, 'ana')
  const kept: unknown[] = []
  for (const round of [1, 2]) {
    for (let n = 1; n <= 100; n++) process.gateway.record(entry(session, round * 1_000 + n))
    await process.gateway.background.flush()
    const segments = await world.query<{ first: string; last: string; digest: string }>(
      "SELECT first, last, encode(digest, 'hex') AS digest FROM statement_segment ORDER BY first",
    )
    kept.push(
      ...segments
        .slice(kept.length)
        .map((s) => ({ session, first: Number(s.first), last: Number(s.last), count: 100, digest: s.digest })),
    )
  }
  const said = await world.query<{ body: { body: unknown } }>(
    "SELECT convert_from(body, 'UTF8')::json AS body FROM record WHERE kind = 'segment.written' ORDER BY seq",
  )
  expect(said.map(({ body }) => body.body)).toEqual(kept)
  // The same segment again, as after a commit whose answer was lost.
  const writer = new SegmentWriter(session)
  writer.add(entry(session, 5_000))
  const segment = writer.seal()
  const again = () => world.store.transaction((tx) => tx.requests.insertSegments([segment]))
  expect(await again()).toMatchObject([{ first: 5_000, last: 5_000, count: 1 }])
  expect(await again()).toEqual([])
})

it('pages through segments that interleave', async () => {
  const { session } = await connectClient(world, process, 'ana')
  const shuffled =
    fc.sample(
      fc.shuffledSubarray(
        Array.from({ length: 60 }, (_, n) => n + 1),
        { minLength: 60 },
      ),
      1,
    )[0] ?? []
  for (let at = 0; at < 60; at += 5) {
    for (const n of shuffled.slice(at, at + 5)) process.gateway.record(entry(session, n))
    await process.gateway.background.flush()
  }
  const seen: number[] = []
  for (let cursor: string | undefined; ;) {
    const page = value(
      await world.app.listStatements(world.caller('olu'), session, {
        limit: 7,
        ...(cursor === undefined ? {} : { cursor }),
      }),
    )
    seen.push(...page.items.map((s) => s.number))
    if ((cursor = page.next) === undefined) break
  }
  expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
})

it('keeps every line as it was, however much they have in common', async () => {
  const { session } = await connectClient(world, process, 'ana')
  const list = fc.array(fc.constantFrom('a', 'b', '{"', "'"), { maxLength: 2 })
  const lines = fc.sample(
    fc.record({
      verbs: fc.constantFrom<StatementEntry['verbs']>(['read'], ['delete', 'read']),
      decision: fc.constantFrom<StatementEntry['decision']>('allow', 'hold'),
      rules: list,
      text: fc.constantFrom('SELECT ?', 'SELECT "x,{}"', ''),
      objects: list,
      rows: fc.option(fc.nat(), { nil: undefined }),
      durationMicros: fc.nat(),
      outcome: fc.constantFrom<StatementEntry['outcome']>('succeeded', 'failed'),
      sqlstate: fc.option(fc.constantFrom('42501', '25P02'), { nil: undefined }),
    }),
    300,
  )
  const given = lines.map(({ rows, sqlstate, ...line }, i): StatementEntry => {
    const { rows: _, ...one } = entry(session, i + 1, line)
    return { ...one, ...(rows === undefined ? {} : { rows }), ...(sqlstate === undefined ? {} : { sqlstate }) }
  })
  for (const line of given) process.gateway.record(line)
  await process.gateway.background.flush()
  const page = value(await world.app.listStatements(world.caller('olu'), session, { limit: 500 }))
  expect(page.items).toEqual(given.slice(0, page.items.length))
  expect(await count()).toBe(300)
  expect(page.items.length).toBeGreaterThan(100)
})

it('loses a segment that cannot be written, says so, and keeps the rest', async () => {
  const { session } = await connectClient(world, process, 'ana')
  const other = await connectClient(world, process, 'ana')
  for (let n = 1; n <= 20; n++) process.gateway.record(entry(session, n))
  process.gateway.record(entry(other.session, 0))
  for (let n = 21; n <= 40; n++) process.gateway.record(entry(session, n))
  while (process.gateway.background.state().waiting > 0) await process.gateway.background.flush()
  await process.gateway.background.flush()
  expect(await count()).toBe(40)
  expect(process.gateway.background.state().lost).toBe(1)
  expect(await world.kinds('statements')).toEqual(['statements.lost'])
})

it('keeps a bound when the store takes nothing', async () => {
  const { session } = await connectClient(world, process, 'ana')
  for (let n = 1; n <= 30_000; n++) process.gateway.record(entry(session, n))
  const { waiting, lost } = process.gateway.background.state()
  expect(waiting + lost).toBe(30_000)
  expect(waiting).toBeLessThanOrEqual(20_000)
})
