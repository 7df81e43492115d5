import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeBundle } from '../src/domain/ledger/bundle.ts'
import { parseCheckpoint } from '../src/domain/ledger/checkpoint.ts'
import { extendsTree, includes, leafHash } from '../src/domain/ledger/merkle.ts'
import { installation, withClient } from './support/installation.ts'
import type { Installation, Person } from './support/installation.ts'

/* The ledger of a whole installation, as an auditor and a person meet it. */

let world: Installation
beforeAll(async () => {
  world = await installation()
})
afterAll(() => world[Symbol.asyncDispose]())

const get = (path: string, token?: string): Promise<Response> =>
  fetch(`${world.running.url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
const newest = async () => {
  const parsed = parseCheckpoint(await (await get('/ledger/checkpoint')).text())
  if (parsed === undefined) throw new Error('not a checkpoint')
  return parsed.checkpoint
}
const apiToken = async (who: Person): Promise<string> =>
  (await world.as(who).call('issueToken', { body: { kind: 'api', scopes: ['read'] } })).text
const decoded = (proof: readonly string[]): Uint8Array[] => proof.map((hash) => Buffer.from(hash, 'base64'))
const bytesOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(await response.arrayBuffer())

/** The newest entry of this kind that has its place. */
async function indexed(kind: string, who: Person = 'sam') {
  for (;;) {
    const { items } = await world.as(who).call('listRecord', { query: { last: '100' } })
    const found = items.findLast((item) => item.kind === kind)
    if (found?.index !== undefined && found.index < (await newest()).size) return { ...found, index: found.index }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

async function runHeld(): Promise<void> {
  await withClient(world.connection, async (client) => {
    const running = client.query('INSERT INTO carts VALUES (1, $1)', ['note'])
    await world.approve()
    await running
  })
}

test('what was approved stands in the ledger, under a checkpoint that covers it, before it ran', async () => {
  await runHeld()
  // At once: what has run was covered before.
  const { size } = await newest()
  const { items } = await world.as('sam').call('listRecord', { query: { last: '100' } })
  for (const kind of ['session.opened', 'request.opened', 'review.given', 'grant.active', 'execution.started'])
    expect({ kind, index: items.findLast((item) => item.kind === kind)?.index }).toEqual({
      kind,
      index: expect.toSatisfy((index: number) => index < size),
    })
})

test('an entry comes with the way to a checkpoint, and its leaf commits to it', async () => {
  await runHeld()
  const { index } = await indexed('review.given')
  const { leaf, salt, entry, size, checkpoint, proof } = await world
    .as('mia')
    .call('getLedgerEntry', { params: { index: String(index) } })
  const { root } = parseCheckpoint(checkpoint)?.checkpoint ?? { root: new Uint8Array() }
  expect(includes({ leaf: leafHash(Buffer.from(leaf)), index, size, root, proof: decoded(proof) })).toBe(true)
  const commitment = createHash('sha256')
    .update(Buffer.from(salt ?? '', 'base64'))
    .update(entry ?? '')
    .digest('base64')
  expect(JSON.parse(leaf)).toMatchObject({ kind: 'review.given', actor: 'mia', commitment })
  // What is not one's own is not found.
  const own = await indexed('account.created')
  await expect(world.as('ana').call('getLedgerEntry', { params: { index: '1' } })).rejects.toMatchObject({
    problem: { status: 404 },
  })
  await expect(
    world.as('ana').call('getLedgerEntry', { params: { index: String(own.index - 1) } }),
  ).rejects.toMatchObject({ problem: { status: 404 } })
  await expect(world.as('sam').call('getLedgerEntry', { params: { index: '999999' } })).rejects.toMatchObject({
    problem: { status: 404 },
  })
})

test('checkpoints are consistent with each other', async () => {
  const first = await newest()
  await runHeld()
  const second = await newest()
  const query = { from: String(first.size), to: String(second.size) }
  const { proof } = await world.as('ana').call('getConsistency', { query })
  expect(extendsTree(first, second, decoded(proof))).toBe(true)
  for (const [from, to] of [
    ['9', '3'],
    ['1', '999999'],
  ] as const)
    await expect(world.as('ana').call('getConsistency', { query: { from, to } })).rejects.toMatchObject({
      problem: { status: 400 },
    })
})

test('tiles are there for everybody, entries for those who read the whole record, and what is not signed for nobody', async () => {
  await runHeld()
  const { size } = await newest()
  const hashes = await get(`/ledger/tile/0/000.p/${size}`)
  expect(hashes.headers.get('cache-control')).toMatch(/immutable/)
  const tile = await bytesOf(hashes)
  expect(tile.length).toBe(32 * size)
  const token = await apiToken('sam')
  const leaves = decodeBundle(await bytesOf(await get(`/ledger/tile/entries/000.p/${size}`, token))) ?? []
  expect(leaves.map((leaf) => Buffer.from(leafHash(leaf)).toString('hex'))).toEqual(
    leaves.map((_, i) => Buffer.from(tile.subarray(32 * i, 32 * i + 32)).toString('hex')),
  )
  expect(leaves.length).toBe(size)
  const status = async (path: string, as?: string) => (await get(path, as)).status
  expect(await status(`/ledger/tile/entries/000.p/${size}`)).toBe(401)
  expect(await status(`/ledger/tile/entries/000.p/${size}`, await apiToken('ana'))).toBe(403)
  for (const path of [
    '0/000.p/255',
    '0/000',
    '1/000.p/1',
    '0/001.p/1',
    '64/000',
    '0/0',
    '0/000.p/0',
    '0/000.p/256',
    'x/000',
    '0/000/extra',
    'entries/../0/000.p/1',
  ])
    expect({ path, status: await status(`/ledger/tile/${path}`, token) }).toEqual({
      path,
      status: path.startsWith('entries') ? 200 : 404,
    })
  expect((await fetch(`${world.running.url}/ledger/checkpoint`, { method: 'POST' })).status).toBe(405)
  expect(await status('/ledger/cosigned')).toBe(404)
})

test('a body is erased for good: the record says so, every proof stays, and not even a guess can be confirmed', async () => {
  await withClient(world.connection, async (client) => {
    const running = client.query('INSERT INTO carts VALUES (2, $1)', ['note']).catch(() => undefined)
    await world.deny('because of somebody by name')
    await running
  })
  const { index } = await indexed('request.denied')
  const before = await world.as('sam').call('getLedgerEntry', { params: { index: String(index) } })
  const input = { indexes: [index, 999_999], words: 'asked for by the person' }
  for (const who of ['ana', 'mia'] as const)
    await expect(world.as(who).call('eraseBodies', { body: input })).rejects.toMatchObject({ problem: { status: 403 } })
  expect(await world.as('sam').call('eraseBodies', { body: input })).toEqual({ erased: [index], left: [999_999] })
  expect(await world.as('sam').call('eraseBodies', { body: input })).toMatchObject({ erased: [] })

  const after = await world.as('sam').call('getLedgerEntry', { params: { index: String(index) } })
  expect({ ...after, size: 0, checkpoint: '', proof: [] }).toEqual({
    index,
    leaf: before.leaf,
    size: 0,
    checkpoint: '',
    proof: [],
  })
  const { root } = parseCheckpoint(after.checkpoint)?.checkpoint ?? { root: new Uint8Array() }
  const of = { leaf: leafHash(Buffer.from(after.leaf)), index, size: after.size, root, proof: decoded(after.proof) }
  expect(includes(of)).toBe(true)
  const { items } = await world.as('sam').call('listRecord', { query: { last: '20' } })
  expect(items.find((item) => item.index === index)).toMatchObject({ kind: 'request.denied', body: { erased: true } })
  expect(items.findLast((item) => item.kind === 'body.erased')).toMatchObject({
    actor: 'sam',
    body: { index, words: 'asked for by the person' },
  })
  const [left] = await world.store.query<{ n: string }>(
    "SELECT count(*) AS n FROM record WHERE kind = 'request.denied' AND (length(body) > 0 OR salt IS NOT NULL)",
  )
  expect(left?.n).toBe('0')
})

test('the record gives up a body and nothing else, whoever asks the database', async () => {
  for (const attempt of [
    "UPDATE record SET leaf = 'x'",
    "UPDATE record SET body = 'x', salt = NULL WHERE length(body) > 0",
    "UPDATE record SET body = '', salt = NULL, kind = 'x'",
    'UPDATE ledger_leaf SET seq = seq + 1',
    'DELETE FROM ledger_tile',
    'DELETE FROM ledger_checkpoint',
    "UPDATE ledger_checkpoint SET note = 'x'",
    'UPDATE ledger_head SET size = 0',
    'TRUNCATE ledger_leaf',
  ])
    await expect(world.store.query(attempt)).rejects.toThrow(/append-only|refused|only grows|check constraint/)
})

test('while nobody can sign, nothing that needs an approval runs, and no session opens; revoking goes on', async () => {
  const breaks = 'CREATE TRIGGER full_disk BEFORE INSERT ON ledger_checkpoint EXECUTE FUNCTION full_disk()'
  const mends = 'DROP TRIGGER full_disk ON ledger_checkpoint'
  await world.store.query(
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'full'; END $$",
  )
  await withClient(world.connection, async (client) => {
    const held = client.query("INSERT INTO carts VALUES (11, 'never')").then(
      () => 'it ran',
      (error: unknown) => String(error),
    )
    await world.pending()
    await world.store.query(breaks)
    const { id } = await world.approve()
    // What is allowed outright in an open session waits for nothing; a new session is not opened.
    await expect(withClient(world.connection, () => Promise.resolve())).rejects.toThrow(
      /could not be opened \(failure\): the ledger could not be signed/,
    )
    expect(await held).toMatch(/the ledger could not be signed within 5 s \(failure\); nothing reached the database/)
    expect((await client.query('SELECT count(*)::int AS n FROM carts WHERE id = 11')).rows).toEqual([{ n: 0 }])
    const stands = async () => {
      const { grant, execution } = await world.as('ana').call('getRequest', { params: { id } })
      return [grant?.state, execution?.state]
    }
    await expect.poll(stands).toEqual(['ended', 'failed'])
    const ended = new Promise((resolve) => client.once('end', () => resolve('cut')))
    const open = async () => (await world.as('sam').call('listSessions', { query: { open: 'true' } })).items
    // The one that was refused is closed by now, or soon.
    await expect.poll(async () => (await open()).length, { timeout: 10_000 }).toBe(1)
    const [session] = await open()
    await world.as('sam').call('cutSession', { params: { id: session?.id ?? '' } })
    expect(await ended).toBe('cut')
  })
  await world.store.query(mends)
  await runHeld()
})

test('the status names the log, its key and how far it is', async () => {
  const { origin, keys, size, checkpoint } = await world.as('ana').call('getLedger', {})
  expect(origin).toMatch(/^holdpoint\/[0-9a-f]{16}$/)
  expect(keys).toEqual([expect.stringContaining(`${origin}+`)])
  expect(parseCheckpoint(checkpoint ?? '')?.checkpoint).toMatchObject({ origin, size })
})
