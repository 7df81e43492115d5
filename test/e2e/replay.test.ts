import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hp } from '../cli/hp-process.ts'
import { installation, RULES, withClient } from '../support/installation.ts'
import type { Installation, Person } from '../support/installation.ts'

/** A session, read back: by API and command line, by those who may, and not unseen. */
let world: Installation
let home: string
beforeAll(async () => {
  const rules = RULES.replaceAll('allow: {}', 'allow: {record: full}').replace(
    'scope: once}',
    'scope: once, record: full}',
  )
  world = await installation({ documents: [rules] })
  home = await mkdtemp(path.join(tmpdir(), 'hp-replay-'))
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

async function replay(name: Person, id: string, ...more: readonly string[]) {
  const { text } = await world.as(name).call('issueToken', { body: { kind: 'api', scopes: ['read'] } })
  const env = { HOME: home, HP_SYSTEM_CONFIG: path.join(home, 'none.yaml'), HP_URL: world.running.url, HP_TOKEN: text }
  const process = hp(['session', 'replay', id, ...more], env)
  const code = await process.ended
  return { code, out: process.out(), err: process.err() }
}

test('a session is replayed from its beginning, with each text as it was, and the reading is recorded', async () => {
  const read = "SELECT note\nFROM carts\nWHERE note = 'caf\u00e9\u202e' -- tab\there"
  await withClient({ ...world.connection, application_name: 'notebook' }, async (client) => {
    await client.query(read)
    const held = client.query("INSERT INTO carts VALUES (7, 'seven')")
    await world.approve()
    await held
    await client.query('SELECT 1 FROM nowhere').catch(() => undefined)
    await client.query('CREATE ROLE lee').catch(() => undefined)
  })
  const id = async () => (await world.as('ana').call('listSessions', { query: { limit: '1' } })).items[0]?.id ?? ''
  const session = await id()
  const told = () => world.as('mia').call('replaySession', { params: { id: session } })
  await expect.poll(async () => (await told()).items.length, { timeout: 10_000 }).toBe(4)
  const { session: whole, items } = await told()
  expect(whole).toMatchObject({ id: session, principal: 'ana', resource: 'shop-db', client: 'notebook' })
  expect(
    items.map(({ number, text, outcome, rows, sqlstate }) => ({ number, text, outcome, rows, sqlstate })),
  ).toMatchObject([
    { number: 1, text: read, outcome: 'succeeded', rows: 0 },
    { number: 2, text: "INSERT INTO carts VALUES (7, 'seven')", outcome: 'succeeded', rows: 1 },
    { number: 3, text: 'SELECT 1 FROM nowhere', outcome: 'failed', sqlstate: '42P01' },
    { number: 4, text: 'CREATE ROLE lee', outcome: 'refused' },
  ])
  expect(items[1]?.request).toMatch(/^HP-\d+$/)
  const offsets = items.map(({ afterMs }) => afterMs)
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
  expect(items.map(({ at, afterMs }) => Date.parse(at) - Date.parse(whole.openedAt) - afterMs)).toEqual([0, 0, 0, 0])

  const shown = await replay('mia', session.toLowerCase())
  expect(shown).toMatchObject({ code: 0, err: '' })
  const [head = '', ...lines] = shown.out.trimEnd().split('\n')
  expect(head).toMatch(
    new RegExp(`^${session} {2}ana on shop-db/\\w+ from 127\\.0\\.0\\.1 with notebook, .*until .*\\(client_left\\)$`),
  )
  expect(lines.slice(0, 4)).toEqual([
    expect.stringMatching(/^ {3}1 {2}\+0:0\d\.\d{3} {2}read {2}succeeded {2}0 rows {2}\d+\.\d ms$/),
    '      SELECT note',
    '      FROM carts',
    // What cannot be seen is shown.
    expect.stringMatching(/^ {6}WHERE note = 'café⟨U\+202E⟩' -- tab⟨.*⟩here$/),
  ])
  expect(lines[4]).toMatch(/^ {3}2 {2}\+\d+:\d\d\.\d{3} {2}write {2}succeeded {2}1 row {2}\d+\.\d ms {2}HP-\d+$/)

  const json = (await replay('dev', session, '--json')).out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { v: number; session?: { id: string }; statement?: { text: string } })
  expect(json.map(({ v }) => v)).toEqual([1, 1, 1, 1, 1])
  expect(json[0]?.session?.id).toBe(session)
  expect(json[1]?.statement?.text).toBe(read)

  // Whoever ran it, and an administrator by role alone, read nothing of it.
  expect(await replay('ana', session)).toMatchObject({ code: 77, out: '' })
  expect(await replay('sam', session)).toMatchObject({ code: 77, out: '' })
  expect(await replay('mia', 'S-999')).toMatchObject({ code: 4, out: '' })
  const { items: record } = await world.as('sam').call('listRecord', { query: { subject: `session/${session}` } })
  const readers = record.filter(({ kind }) => kind === 'session.read').map(({ actor }) => actor)
  expect(new Set(readers)).toEqual(new Set(['mia', 'dev']))
})
