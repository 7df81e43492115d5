import { describe, expect, it } from 'vitest'
import { decodeBundle, encodeBundle } from '../../src/domain/ledger/bundle.ts'
import { bundlePath, TILE_WIDTH } from '../../src/domain/ledger/tiles.ts'
import { verifyLedger, Wrong } from '../../verify/holdpoint-verify.mjs'
import type { VerifyOptions } from '../../verify/holdpoint-verify.mjs'
import { copyOfLeaves, leavesOf, makeCopy, oneRequest, signer, sourceOf, story } from '../support/ledger-copy.ts'
import type { Files } from '../support/ledger-copy.ts'

/** A thousand entries, signed every hundred and cosigned by a witness. */
const SIZE = 1_000
const log = signer('holdpoint/5e8f')
const witness = signer('witness.example/w1', 4)
const told = story(SIZE)
const sizes = Array.from({ length: SIZE / 100 }, (_, i) => i * 100)
const whole = makeCopy(log, told, { sizes, witness })
const { leaves, checkpoints } = whole
/** Without the bodies, which are a test of their own. */
const files: Files = new Map([...whole.files].filter(([path]) => !path.startsWith('bodies/')))
const trusting = { keys: [log.verifier], witnesses: [witness.verifier] }

/** What is found first. Fails the test when nothing is. */
async function found(copy: Files, options: VerifyOptions = trusting): Promise<Wrong> {
  try {
    await verifyLedger(sourceOf(copy), options)
  } catch (error) {
    if (error instanceof Wrong) return error
    throw error
  }
  throw new Error('the tampered copy was verified')
}

const bundleOf = (index: number) => ({
  index: Math.floor(index / TILE_WIDTH),
  width: Math.min(TILE_WIDTH, SIZE - Math.floor(index / TILE_WIDTH) * TILE_WIDTH),
})

/** Somebody who can write files, and changes one bundle of entries. */
function inEntries(index: number, change: (leaves: Uint8Array[]) => void): Files {
  const at = bundleOf(index)
  const all = [...(decodeBundle(files.get(bundlePath(at)) ?? new Uint8Array()) ?? [])]
  change(all)
  return new Map(files).set(bundlePath(at), encodeBundle(all))
}

/** Somebody who owns the database, and makes every tile anew; the signatures alone are out of reach. */
const rebuilt = (changed: readonly Uint8Array[]): Files =>
  new Map([...copyOfLeaves(log, changed).files, ...[...files].filter(([path]) => !path.startsWith('tile/'))])

type Json = Record<string, unknown>
const parse = (leaf: Uint8Array): Json => JSON.parse(Buffer.from(leaf).toString()) as Json
const write = (leaf: Json): Uint8Array => Buffer.from(JSON.stringify(leaf))

/** One other value for the field: another number, another text. */
const other = (value: unknown): unknown =>
  typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value.slice(0, -1)}~` : [value]

/** Each leaf with one field changed, for every field that it has. */
function* edits(leaf: Uint8Array): Generator<Uint8Array> {
  const whole = parse(leaf)
  for (const name of Object.keys(whole)) if (name !== 'facts') yield write({ ...whole, [name]: other(whole[name]) })
  const facts = whole['facts'] as Json
  for (const name of Object.keys(facts)) {
    yield write({ ...whole, facts: { ...facts, [name]: other(facts[name]) } })
    const { [name]: _, ...without } = facts
    yield write({ ...whole, facts: without })
  }
  yield write({ ...whole, facts: { ...facts, more: 1 } })
}

// Thousands of verifications: a few seconds on a quiet machine.
describe('a log of a thousand entries', { timeout: 240_000 }, () => {
  it('verifies, with nothing but its files and keys', async () => {
    const report = await verifyLedger(sourceOf(whole.files), trusting)
    expect(report).toMatchObject({
      size: SIZE,
      checkpoints: 11,
      bodies: SIZE,
      requests: 100,
      grants: { ended: 100, live: 0 },
    })
  })

  it('shows which entry was edited: every single one, whatever the field', async () => {
    for (const [i, leaf] of leaves.entries()) {
      const all = [...edits(leaf)]
      // Every field of the first requests and of the borders of bundles; one in turn of all others.
      const tried = i < 20 || i % TILE_WIDTH === 255 ? all : all.slice(i % all.length, (i % all.length) + 1)
      for (const edited of tried)
        expect(await found(inEntries(i, (bundle) => void (bundle[i % TILE_WIDTH] = edited)))).toMatchObject({
          what: 'leaf_hash',
          index: i,
        })
    }
  })

  it('shows between which checkpoints it was edited when every hash was made anew', async () => {
    for (let i = 0; i < SIZE; i += 17) {
      const all = [...edits(leaves[i] ?? new Uint8Array())]
      const changed = leaves.with(i, all[i % all.length] ?? new Uint8Array())
      const from = Math.floor(i / 100) * 100
      expect(await found(rebuilt(changed))).toMatchObject({ what: 'root', index: from, size: from + 100 })
    }
  })

  it('shows what was taken out, put in, or put elsewhere', async () => {
    for (let i = 0; i < SIZE; i += 37) {
      const at = i % TILE_WIDTH
      const last = at === bundleOf(i).width - 1
      const without = inEntries(i, (bundle) => void bundle.splice(at, 1))
      expect(await found(without)).toMatchObject({ what: last ? 'missing' : 'leaf_hash', index: i })
      const twice = inEntries(i, (bundle) => void bundle.splice(at, 0, bundle[at] ?? new Uint8Array()))
      expect(await found(twice)).toMatchObject({ what: last ? 'missing' : 'leaf_hash', index: i + 1 })
      if (!last) {
        const swapped = inEntries(
          i,
          (bundle) => void bundle.splice(at, 2, bundle[at + 1] ?? new Uint8Array(), bundle[at] ?? new Uint8Array()),
        )
        // oxlint-disable-next-line vitest/no-conditional-expect
        expect(await found(swapped)).toMatchObject({ what: 'leaf_hash', index: i })
      }
      const from = Math.floor(i / 100) * 100
      const rest = leaves.toSpliced(i, 1)
      expect(await found(rebuilt(rest))).toMatchObject(i < 700 ? { what: 'root', index: from } : { what: 'missing' })
      const filled = [...rest, leaves[0] ?? new Uint8Array()]
      expect(await found(rebuilt(filled))).toMatchObject({ what: 'root', index: from })
      const moved = leaves.toSpliced(i, 1).toSpliced((i + 500) % SIZE, 0, leaves[i] ?? new Uint8Array())
      expect((await found(rebuilt(moved))).what).toBe('root')
    }
  })

  it('shows where it was cut off', async () => {
    for (const length of [0, 1, 255, 256, 257, 512, 999]) {
      const at = bundleOf(length)
      const cut = inEntries(length, (bundle) => void bundle.splice(length % TILE_WIDTH))
      expect(await found(cut)).toMatchObject({ what: 'missing', index: length })
      const gone = new Map(files)
      gone.delete(bundlePath(at))
      expect(await found(gone)).toMatchObject({ what: 'missing', index: at.index * TILE_WIDTH, path: bundlePath(at) })
      const half = files.get(bundlePath(at)) ?? new Uint8Array()
      expect(await found(new Map(files).set(bundlePath(at), half.subarray(0, -3)))).toMatchObject({
        what: 'missing',
        index: at.index * TILE_WIDTH + at.width - 1,
      })
    }
  })

  it('shows a hash that was changed in any tile', async () => {
    for (const [path, hashes] of files) {
      if (!/^tile\/[0-9]/.test(path)) continue
      for (let at = 0; at < hashes.length; at += 32 * 17) {
        const changed = Uint8Array.from(hashes)
        changed[at] = (changed[at] ?? 0) ^ 1
        expect((await found(new Map(files).set(path, changed))).what).toMatch(/^(leaf_hash|tile)$/)
      }
      const gone = new Map(files)
      gone.delete(path)
      expect(await found(gone)).toMatchObject({ path })
    }
  })

  it('shows a checkpoint that was changed, or signed by somebody else', async () => {
    const newest = checkpoints.at(-1) ?? ''
    const changed = [
      newest.replace('\n1000\n', '\n900\n'),
      newest.replace('\n1000\n', '\n1001\n'),
      newest.replace('5e8f\n', '5e8e\n'),
      newest.replace(/\n.{43}=\n/, `\n${Buffer.alloc(32).toString('base64')}\n`),
      newest.slice(0, -10),
      '',
    ]
    for (const note of changed)
      expect((await found(new Map(files).set('checkpoint', Buffer.from(note)))).what).toMatch(
        /^(signature|checkpoint)$/,
      )

    const thief = signer(log.key.name)
    const forged = copyOfLeaves(thief, leavesOf(told.slice(0, 990))).files
    expect(await found(forged, { keys: [log.verifier] })).toMatchObject({ what: 'signature' })
    expect(await found(copyOfLeaves(log, leaves).files)).toMatchObject({ what: 'cosignature' })
    for (let i = 0; i < checkpoints.length - 1; i++) {
      const note = (checkpoints[i] ?? '').replace(/\n.{43}=\n/, `\n${Buffer.alloc(32).toString('base64')}\n`)
      const older = checkpoints
        .slice(0, -1)
        .with(i, note)
        .map((one) => `${JSON.stringify(one)}\n`)
      expect(await found(new Map(files).set('checkpoints', Buffer.from(older.join(''))))).toMatchObject({
        what: 'signature',
        size: i * 100,
      })
    }
  })

  it('shows a body that is not the one it was, or is gone without an entry that says so', async () => {
    const path = 'bodies/001'
    const lines = Buffer.from(whole.files.get(path) ?? [])
      .toString()
      .split('\n')
    const line = JSON.parse(lines[7] ?? '') as { salt: string; body: string }
    const edited = Buffer.from(line.body, 'base64')
      .toString()
      .replace(/HP-[0-9]+/, 'HP-999')
    const changes: readonly unknown[] = [
      { ...line, body: Buffer.from(edited).toString('base64') },
      { ...line, salt: Buffer.alloc(16).toString('base64') },
      {},
      null,
    ]
    for (const change of changes) {
      const copy = new Map(whole.files).set(path, Buffer.from(lines.with(7, JSON.stringify(change)).join('\n')))
      expect(await found(copy)).toMatchObject({ what: 'body', index: 263 })
    }
    const gone = new Map(whole.files)
    gone.delete(path)
    expect(await found(gone)).toMatchObject({ what: 'body', index: 256 })
  })
})

describe('what a log cannot tell by itself', () => {
  // Whoever holds the signing key makes a second log that agrees with the first up to entry 600.
  const fork = makeCopy(log, [...told.slice(0, 600), ...story(2_000).slice(1_000, 1_500)], { sizes })

  it('is that there is another; a checkpoint that was kept tells, and says where', async () => {
    await expect(verifyLedger(sourceOf(fork.files), { keys: [log.verifier] })).resolves.toBeDefined()
    const options = { keys: [log.verifier], known: [checkpoints[5] ?? '', checkpoints[9] ?? ''] }
    await expect(verifyLedger(sourceOf(files), options)).resolves.toBeDefined()
    expect(await found(fork.files, options)).toMatchObject({ what: 'consistency', index: 500, size: 900 })
  })

  it('is that it is an old copy; a checkpoint that was kept tells', async () => {
    const old = copyOfLeaves(log, leaves.slice(0, 700))
    await expect(verifyLedger(sourceOf(old.files), { keys: [log.verifier] })).resolves.toBeDefined()
    expect(await found(old.files, { keys: [log.verifier], known: [checkpoints[9] ?? ''] })).toMatchObject({
      what: 'consistency',
      index: 700,
      size: 900,
    })
  })

  it('is that it is the one which is watched; a witness tells', async () => {
    expect(await found(fork.files)).toMatchObject({ what: 'cosignature' })
  })
})

describe('erased bodies', () => {
  const erase = (index: number, commitment: unknown) => ({
    entry: { kind: 'body.erased', subject: 'request/HP-2', actor: 'sam', body: { index, commitment } },
    at: (told.at(-1)?.at ?? 0) + 1,
  })
  const commitment = parse(leaves[11] ?? new Uint8Array())['commitment']

  it('leave every proof as it was, and are said by an entry', async () => {
    const copy = makeCopy(log, [...told, erase(11, commitment)], { erased: [11] })
    expect(await verifyLedger(sourceOf(copy.files), { keys: [log.verifier] })).toMatchObject({
      bodies: SIZE,
      erased: 1,
    })
  })

  it('that no entry speaks of, or that an entry names wrongly, are shown', async () => {
    const silent = makeCopy(log, told, { erased: [11] })
    expect(await found(silent.files, {})).toMatchObject({ what: 'body', index: 11 })
    const wrong = makeCopy(log, [...told, erase(12, commitment)], { erased: [11] })
    expect(await found(wrong.files, {})).toMatchObject({ what: 'body', index: 11 })
    const invented = makeCopy(log, [...told, erase(11, 'x')], {})
    expect(await found(invented.files, {})).toMatchObject({ what: 'body', index: SIZE })
  })
})

describe('keys that changed', () => {
  it('are trusted as far as the log says under a key that is', async () => {
    const before = signer(log.key.name)
    const rotated = {
      entry: { kind: 'key.rotated', subject: 'ledger', body: { key: log.verifier, previous: before.verifier } },
      at: told[0]?.at ?? 0,
    }
    const first = copyOfLeaves(before, leavesOf(oneRequest(1)))
    const all = [...oneRequest(1), rotated, ...oneRequest(2)]
    const copy = makeCopy(log, all).files.set('checkpoints', Buffer.from(`${JSON.stringify(first.checkpoints[0])}\n`))
    await expect(verifyLedger(sourceOf(copy), { keys: [log.verifier] })).resolves.toMatchObject({ checkpoints: 2 })
    const silent = makeCopy(log, [...oneRequest(1), ...oneRequest(2)]).files.set(
      'checkpoints',
      Buffer.from(`${JSON.stringify(first.checkpoints[0])}\n`),
    )
    expect(await found(silent, { keys: [log.verifier] })).toMatchObject({ what: 'signature', size: 10 })
  })
})
