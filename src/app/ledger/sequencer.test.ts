import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ledgerWorld } from '../../../test/support/ledger-world.ts'
import type { LedgerReplica, LedgerWorld } from '../../../test/support/ledger-world.ts'
import { parseCheckpoint } from '../../domain/ledger/checkpoint.ts'
import { consistencyProof, extendsTree, leafHash } from '../../domain/ledger/merkle.ts'
import { signersOf } from '../../domain/ledger/note.ts'
import type { NoteKey } from '../../domain/ledger/note.ts'
import { ledgerKey } from '../../store/ledger-keys.ts'
import { LedgerUnavailable, SignerRefusal } from '../ports/ledger.ts'
import type { LedgerStore } from '../ports/ledger.ts'
import { createLedger } from './create-ledger.ts'
import { overTree } from './over-tree.ts'

let world: LedgerWorld
beforeEach(async () => {
  world = await ledgerWorld()
})
afterEach(() => world.close())

const verifies = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
  return verify(null, message, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature)
}

/** Everything that an auditor would look at, past Holdpoint: indexes without a gap, roots by the definition, signatures. */
async function audit(keys: readonly NoteKey[] = [world.key.key]) {
  const leaves = await world.database.query<{ index: string; seq: string; leaf: Buffer; hash: Buffer }>(
    'SELECT index, seq, leaf, hash FROM ledger_leaf JOIN record USING (seq) ORDER BY index',
  )
  expect(leaves.map(({ index }) => Number(index))).toEqual(leaves.map((_, i) => i))
  expect(new Set(leaves.map(({ seq }) => seq)).size).toBe(leaves.length)
  const hashes = leaves.map(({ leaf }) => leafHash(leaf))
  expect(leaves.map(({ hash }) => hash.toString('hex'))).toEqual(
    hashes.map((hash) => Buffer.from(hash).toString('hex')),
  )
  const notes = await world.database.query<{ size: string; note: string }>(
    'SELECT size, note FROM ledger_checkpoint ORDER BY size',
  )
  for (const { size, note } of notes) {
    const parsed = parseCheckpoint(note)
    expect(parsed?.checkpoint.size).toBe(Number(size))
    expect(parsed && signersOf(parsed.note, keys, verifies)?.length).toBeGreaterThan(0)
    expect(Buffer.from(parsed?.checkpoint.root ?? []).toString('hex')).toBe(
      Buffer.from(merkle(hashes.slice(0, Number(size)))).toString('hex'),
    )
  }
  return { size: leaves.length, signed: Number(notes.at(-1)?.size ?? 0), leaves }
}

/** MTH of RFC 6962, section 2.1, as it is written there. */
function merkle(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes
  if (only === undefined) return createHash('sha256').digest()
  if (hashes.length === 1) return only
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  return createHash('sha256')
    .update('\x01')
    .update(merkle(hashes.slice(0, k)))
    .update(merkle(hashes.slice(k)))
    .digest()
}

const all = (positions: readonly number[], { ledger }: LedgerReplica) =>
  Promise.all(positions.map((position) => ledger.covered(position)))

test('many writers, three sequencers: every entry has one index, and every checkpoint signs the tree of its size', async () => {
  const replicas = await Promise.all([world.replica(), world.replica(), world.replica()])
  for (const replica of replicas) replica.start()
  const order: string[] = []
  await Promise.all(
    replicas.flatMap((replica, r) =>
      Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 0; n < 30; n++) {
          const position = await replica.append(`load/${r}.${writer}.${n}`)
          if (n % 10 === 0) await replica.ledger.covered(position)
          order.push(`load/${r}.${writer}.${n}`)
        }
        await replica.ledger.covered(await replica.append(`load/${r}.${writer}.last`))
      }),
    ),
  )
  const { size, signed, leaves } = await audit()
  expect(size).toBe(3 * 4 * 31 + 1)
  expect(signed).toBe(size)
  // What a writer wrote later stands later.
  const place = new Map(leaves.map(({ leaf }, i) => [(JSON.parse(leaf.toString()) as { subject: string }).subject, i]))
  for (let r = 0; r < 3; r++)
    for (let writer = 0; writer < 4; writer++) {
      const places = Array.from({ length: 30 }, (_, n) => place.get(`load/${r}.${writer}.${n}`) ?? -1)
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    }
  expect(replicas.flatMap(({ faults }) => faults)).toEqual([])
})

test('a sequencer that dies between the tree and its signature leaves neither gap nor duplicate: another signs', async () => {
  const [dying, other] = await Promise.all([world.replica(), world.replica()])
  let dies = false
  const died = Promise.withResolvers<undefined>()
  const over = Promise.withResolvers<never>()
  dying.start({
    signer: {
      keys: dying.signer.keys,
      get last() {
        return dying.signer.last
      },
      sign(...of) {
        if (!dies) return dying.signer.sign(...of)
        died.resolve(undefined)
        return over.promise
      },
    },
  })
  await dying.ledger.covered(await dying.append('before/1'))
  dies = true
  const position = await dying.append('torn/1')
  const waiting = dying.ledger.covered(position)
  await died.promise
  other.start()
  await waiting
  expect(await audit()).toMatchObject({ size: 3, signed: 3 })
  expect(other.said).toEqual([expect.stringMatching(/taking over/)])
  over.reject(new Error('dead'))
})

test('one that was paused in the middle of its turn extends nothing when it wakes', async () => {
  const [paused, other] = await Promise.all([world.replica(), world.replica()])
  const asleep = Promise.withResolvers<undefined>()
  const wake = Promise.withResolvers<undefined>()
  const moved: boolean[] = []
  const slow: LedgerStore = {
    ...paused.opened.vital.ledger,
    async extend(of) {
      asleep.resolve(undefined)
      await wake.promise
      moved.push(await paused.opened.vital.ledger.extend(of))
      return moved.at(-1) ?? false
    },
  }
  await paused.append('slow/1')
  paused.start({ store: slow })
  await asleep.promise
  other.start()
  await all([await other.append('quick/1')], other)
  wake.resolve(undefined)
  await expect.poll(() => moved).toEqual([false])
  await all([await other.append('quick/2')], other)
  expect(await audit()).toMatchObject({ size: 4, signed: 4 })
})

test('whoever waits is refused after a while when nobody signs, and nothing is lost for it', async () => {
  const replica = await world.replica()
  const { opened } = replica
  // Its timers run a hundred times as fast.
  const timer = {
    after(ms: number, run: () => void) {
      const handle = setTimeout(run, ms / 100)
      return () => clearTimeout(handle)
    },
  }
  const hasty = createLedger({
    store: opened.vital.ledger,
    wake: opened.wake,
    tell: (subjects) => opened.wake.tell(subjects),
    timer,
    onFault: () => undefined,
  })
  const position = await replica.append('waits/1')
  await expect(hasty.covered(position)).rejects.toThrow(LedgerUnavailable)
  await expect(hasty.coveredAbout([{ subject: 'waits/1', version: '' }])).rejects.toThrow(LedgerUnavailable)
  hasty.close()
  replica.start()
  await replica.ledger.covered(position)
  await replica.ledger.coveredAbout([{ subject: 'waits/1', version: '' }])
})

test('the signer refuses a tree that is smaller than, or no extension of, the one it signed; nothing is signed until then', async () => {
  const replica = await world.replica()
  const sequencer = replica.start()
  for (let n = 0; n < 5; n++) await all([await replica.append(`old/${n}`)], replica)
  await sequencer.stop()
  // Somebody owns the database, and takes the last two entries out of the tree.
  await world.database
    .query(`ALTER TABLE ledger_leaf DISABLE TRIGGER ALL; ALTER TABLE ledger_checkpoint DISABLE TRIGGER ALL;
    ALTER TABLE ledger_head DISABLE TRIGGER ALL;
    DELETE FROM ledger_checkpoint WHERE size > 4; DELETE FROM ledger_leaf WHERE index >= 4;
    UPDATE ledger_head SET size = 4, root = (SELECT root FROM ledger_checkpoint WHERE size = 4), sequencer = NULL`)
  const again = replica.start()
  // Nobody waits for anything yet.
  await expect.poll(() => again.failure()).toMatch(/holds a tree of 4 entries, and one of 6 was signed/)
  await replica.append('new/1')
  expect(replica.faults.at(-1)).toBeInstanceOf(SignerRefusal)
  expect((await world.database.query('SELECT size FROM ledger_checkpoint WHERE size > 4')).length).toBe(0)
})

test('a leaf that was changed in the database does not pass for the tree that was signed', async () => {
  const replica = await world.replica()
  const sequencer = replica.start()
  for (let n = 0; n < 5; n++) await all([await replica.append(`old/${n}`)], replica)
  await sequencer.stop()
  await world.database.query(`ALTER TABLE ledger_leaf DISABLE TRIGGER ALL;
    UPDATE ledger_leaf SET hash = sha256('forged') WHERE index = 2`)
  const other = await world.replica()
  const again = other.start()
  await other.append('new/1')
  await expect.poll(() => again.failure()).toMatch(/damaged/)
  expect(await other.opened.store.ledger.newestCheckpoint()).toMatchObject({ size: 6 })
})

test('entries from before the ledger are taken into it', async () => {
  const replica = await world.replica()
  await world.database
    .query(`ALTER TABLE record DROP CONSTRAINT record_has_leaf, DROP CONSTRAINT record_salted_unless_erased;
    WITH old AS (INSERT INTO record (at, kind, subject, body)
      SELECT 5, 'review.given', 'request/HP-' || n, convert_to('{"at":5,"body":{"request":"HP-' || n || '","words":"no"},"kind":"review.given","subject":"request/HP-' || n || '"}', 'UTF8')
      FROM generate_series(1, 300) n RETURNING seq)
    INSERT INTO ledger_queue SELECT seq FROM old`)
  replica.start()
  await replica.ledger.covered(await replica.append('new/1'))
  const { size, leaves } = await audit()
  expect(size).toBe(302)
  expect(JSON.parse(leaves[2]?.leaf.toString() ?? '')).toMatchObject({ at: 5, facts: { request: 'HP-2' } })
  const [row] = await world.database.query<{
    same: boolean
  }>(`SELECT bool_and(convert_from(leaf, 'UTF8')::json->>'commitment'
    = encode(sha256(salt || body), 'base64')) AS same FROM record`)
  expect(row?.same).toBe(true)
})

test('a new key is named in the log under the old one, and both sign; a replica with neither does not', async () => {
  const first = await world.replica()
  const sequencer = first.start()
  await first.ledger.covered(await first.append('old/1'))
  await sequencer.stop()
  const next = ledgerKey(world.origin, randomBytes(32))
  const rotated = await world.replica({ keys: [next, world.key] })
  expect(rotated.refused).toBeUndefined()
  rotated.start()
  await rotated.ledger.covered(await rotated.append('new/1'))
  const note = parseCheckpoint((await rotated.opened.store.ledger.newestCheckpoint())?.note ?? '')
  expect(note && signersOf(note.note, [next.key, world.key.key], verifies)).toEqual([next.key, world.key.key])
  const [entry] = await rotated.opened.store.recorded
    .after(undefined, 10, { kinds: ['key.rotated'] })
    .then((e) => e.slice(1))
  expect(entry?.body).toEqual({ key: expect.stringMatching(/^holdpoint\/test\+/), previous: expect.any(String) })
  await audit([world.key.key])
  const stranger = await world.replica({ keys: [ledgerKey(world.origin, randomBytes(32))] })
  expect(stranger.refused).toMatch(/keyring/)
})

test('any two checkpoints of a log of a few thousand are consistent by what the store gives', async () => {
  const replica = await world.replica()
  replica.start()
  const { store } = replica.opened
  for (let n = 0; n < 8; n++)
    await replica.ledger.covered(
      await store.transaction(async (tx) => {
        let last = 0
        for (let i = 0; i < 90; i++)
          last = await tx.record.append({ kind: 'test.noted', subject: `x/${n}`, body: { i } })
        return last
      }),
    )
  const { size } = await audit()
  expect(size).toBe(721)
  const found = await world.database.query<{ size: string; root: Buffer }>('SELECT size, root FROM ledger_checkpoint')
  for (const first of found)
    for (const second of found) {
      const [a, b] = [
        { size: Number(first.size), root: first.root },
        { size: Number(second.size), root: second.root },
      ]
      if (a.size > b.size) continue
      const proof = await overTree(store.ledger, b.size, (node) => consistencyProof(a.size, b.size, node))
      expect(extendsTree(a, b, proof)).toBe(true)
    }
})
