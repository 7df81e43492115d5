import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ledgerWorld } from '../../../test/support/ledger-world.ts'
import type { LedgerReplica, LedgerWorld } from '../../../test/support/ledger-world.ts'
import { verifyEd25519 } from '../../cli/witness/ed25519.ts'
import { openWitnessMemory } from '../../cli/witness/memory.ts'
import { witnessKey, witnessServer } from '../../cli/witness/serve.ts'
import { formatVerifierKey, parseNote, signersOf } from '../../domain/ledger/note.ts'
import { openWitnesses, WitnessError } from '../../integration/witnesses/open-witnesses.ts'
import { feedWitnesses } from './feed-witnesses.ts'
import { checkpointNote } from './read-ledger.ts'

let world: LedgerWorld
let parts: AsyncDisposableStack
beforeEach(async () => {
  parts = new AsyncDisposableStack()
  world = await ledgerWorld()
  parts.defer(() => world.close())
})
afterEach(() => parts.disposeAsync())

/** A witness as `hp ledger witness` runs one. */
async function witness(name: string) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hp-witness-'))
  parts.defer(() => rmSync(folder, { recursive: true }))
  const memory = openWitnessMemory(folder, name)
  parts.defer(() => memory.close())
  const key = witnessKey(memory)
  const server = witnessServer({ memory, keys: [world.key.key], now: () => Date.now(), say: () => undefined })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  parts.defer(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { key, memory, setting: `${formatVerifierKey(key)}@${url}` }
}

const feed = (replica: LedgerReplica, setting: string, lateMs = 60_000) => {
  const running = feedWitnesses({
    store: replica.opened.vital.ledger,
    witnesses: openWitnesses(setting),
    clock: replica.opened.clock,
    timer: {
      after(ms, run) {
        const handle = setTimeout(run, ms)
        return () => clearTimeout(handle)
      },
    },
    isMine: () => true,
    onFault: (_, error) => void replica.faults.push(error),
    say: (message) => void replica.said.push(message),
    everyMs: 20,
    lateMs,
  })
  parts.defer(() => running.stop())
  return running
}

test('witnesses are shown every new tree, and what they sign is kept and served', async () => {
  const [one, two] = [await witness('one.example/w'), await witness('two.example/w')]
  const replica = await world.replica()
  replica.start()
  feed(replica, `${one.setting}, ${two.setting}`)
  for (let n = 1; n <= 3; n++) {
    await replica.ledger.covered(await replica.append(`x/${n}`))
    await expect
      .poll(async () =>
        (await replica.opened.store.ledger.newestCosignatures()).map(({ witness, size }) => [witness, size]),
      )
      .toEqual([
        ['one.example/w', n + 1],
        ['two.example/w', n + 1],
      ])
  }
  const note = parseNote((await checkpointNote(replica.opened, 'newest cosigned')) ?? '')
  const keys = [world.key.key, one.key, two.key]
  expect(note && signersOf(note, keys, verifyEd25519)).toEqual(keys)
  expect(replica.faults).toEqual([])
})

test('a witness that lost its answer on the way, or another replica fed, is gone on with from where it is', async () => {
  const one = await witness('one.example/w')
  const replica = await world.replica()
  replica.start()
  const first = feed(replica, one.setting)
  await replica.ledger.covered(await replica.append('x/1'))
  await expect.poll(async () => (await replica.opened.store.ledger.newestCosignatures()).length).toBe(1)
  await first.stop()
  // As if what it signed had never arrived.
  await world.database.query('ALTER TABLE ledger_cosignature DISABLE TRIGGER ALL; DELETE FROM ledger_cosignature')
  await replica.ledger.covered(await replica.append('x/2'))
  feed(replica, one.setting)
  await expect
    .poll(async () => (await replica.opened.store.ledger.newestCosignatures()).map(({ size }) => size))
    .toEqual([3])
  expect(replica.faults).toEqual([])
})

test('one that is away holds up nobody, is said once, and is late after a while', async () => {
  const one = await witness('one.example/w')
  const away = one.setting.replace(/@http.*/, '@http://127.0.0.1:1')
  const replica = await world.replica()
  replica.start()
  const running = feed(replica, away, 50)
  await replica.ledger.covered(await replica.append('x/1'))
  await expect.poll(() => running.late()).toMatchObject({ names: ['one.example/w'] })
  await expect
    .poll(() => replica.said)
    .toEqual([expect.stringMatching(/^the witness one.example\/w has signed nothing/)])
  await expect.poll(() => replica.faults.length).toBe(1)
  await replica.ledger.covered(await replica.append('x/2'))
})

test('one that saw another history of this log signs nothing of this one', async () => {
  const one = await witness('one.example/w')
  one.memory.remember(world.origin, { size: 2, root: Buffer.alloc(32, 9) })
  const replica = await world.replica()
  replica.start()
  feed(replica, one.setting)
  for (let n = 1; n <= 3; n++) await replica.ledger.covered(await replica.append(`x/${n}`))
  await expect.poll(() => replica.faults.map(String)).toEqual([expect.stringMatching(/answered 422|not what it saw/)])
  expect(await replica.opened.store.ledger.newestCosignatures()).toEqual([])
})

test('settings that name no witness are refused', () => {
  expect(openWitnesses(undefined)).toEqual([])
  for (const bad of ['https://w.example', 'w.example/1+00000000+AAAA@https://w.example', 'x@y'])
    expect(() => openWitnesses(bad)).toThrow(WitnessError)
})
