import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLedgerUseCases } from '../../src/app/ledger/create-ledger-use-cases.ts'
import type { Caller } from '../../src/app/app.ts'
import { parseTilePath } from '../../src/domain/ledger/tiles.ts'
import { verifyLedger, Wrong } from '../../verify/holdpoint-verify.mjs'
import { liveLedger } from '../../src/cli/ledger-source.ts'
import { formatVerifierKey, signatureLine } from '../../src/domain/ledger/note.ts'
import { parseCheckpoint } from '../../src/domain/ledger/checkpoint.ts'
import { cosignedMessage, encodeCosignature } from '../../src/domain/ledger/cosignature.ts'
import { ledgerWorld } from '../support/ledger-world.ts'
import type { LedgerReplica, LedgerWorld } from '../support/ledger-world.ts'
import { oneRequest, signer } from '../support/ledger-copy.ts'
import type { PrincipalId, TokenId } from '../../src/domain/ids.ts'

let world: LedgerWorld
let replica: LedgerReplica
beforeEach(async () => {
  world = await ledgerWorld()
  replica = await world.replica()
})
afterEach(() => world.close())

const person = (id: string, roles: Caller['principal']['roles']): Caller => ({
  principal: { id: id as PrincipalId, kind: 'user', displayName: id, roles, disabled: false },
  token: 'T' as TokenId,
  scopes: ['all'],
  sourceAddress: '127.0.0.1',
})
const [olu, ana, sam] = [person('olu', ['auditor']), person('ana', []), person('sam', ['admin'])]

const useCases = () =>
  createLedgerUseCases({
    store: replica.opened.store,
    policy: () => undefined,
    origin: world.origin,
  })

/** What the server answers below /ledger/, and `hp` reads. */
const served = (caller = olu) => {
  const app = useCases()
  const bytes = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text))
  return liveLedger({
    async ledgerFile(path) {
      if (path === 'checkpoint') return bytes(await app.ledgerCheckpoint('newest'))
      if (path === 'keys') return bytes(await app.ledgerKeys())
      const after = /^checkpoints\?after=([0-9]+)$/.exec(path)?.[1]
      if (after !== undefined) return bytes(await app.ledgerCheckpoints(Number(after)))
      const at = parseTilePath(path.replace(/^bodies/, 'tile/entries'))
      if (at === undefined) return undefined
      if (at.level !== undefined) return app.ledgerTile({ ...at, level: at.level })
      const answer = path.startsWith('bodies') ? await app.ledgerBodies(caller, at) : await app.ledgerBundle(caller, at)
      return answer.ok ? (typeof answer.value === 'string' ? bytes(answer.value) : answer.value) : undefined
    },
  })
}

const found = async (options = {}): Promise<Wrong> => {
  try {
    await verifyLedger(served(), { keys: [formatVerifierKey(world.key.key)], ...options })
  } catch (error) {
    if (error instanceof Wrong) return error
    throw error
  }
  throw new Error('it was verified')
}

/** Three hundred entries of whole requests, signed. The first entry is the key's. */
async function story(): Promise<void> {
  const sequencer = replica.start()
  let last = 0
  for (let n = 1; n <= 30; n++) {
    last = await replica.opened.store.transaction(async (tx) => {
      let position = 0
      for (const { entry } of oneRequest(n, tx.now)) position = await tx.record.append(entry)
      return position
    })
    if (n % 5 === 0) await replica.ledger.covered(last)
  }
  await replica.ledger.covered(last)
  await sequencer.stop()
}

/** Somebody who owns the database. */
const asOwner = async (sql: string): Promise<void> => {
  await world.database.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`)
}

test('what a server serves is verified, to the last body', async () => {
  await story()
  const report = await verifyLedger(served(), { keys: [formatVerifierKey(world.key.key)] })
  expect(report).toMatchObject({ size: 301, bodies: 301, requests: 30, executions: 30, grants: { ended: 30, live: 0 } })
  expect(report.checkpoints).toBeGreaterThan(1)
  await expect(verifyLedger(served(ana))).rejects.toThrow(/entries 0 to 255 are missing/)
})

test('an erasure breaks no proof; a body that is gone without one is named', async () => {
  await story()
  const app = useCases()
  await app.eraseBodies(sam, { indexes: [12, 300], words: 'asked for' })
  const sequencer = replica.start()
  await replica.ledger.covered(await replica.append('x'))
  await sequencer.stop()
  expect(await verifyLedger(served())).toMatchObject({ size: 304, bodies: 302, erased: 2 })
  await asOwner("UPDATE record SET body = '', salt = NULL FROM ledger_leaf l WHERE l.seq = record.seq AND index = 20")
  expect(await found()).toMatchObject({ what: 'body', index: 20 })
})

test('whoever owns the database changes nothing unseen', async () => {
  await story()
  const leafOf = (index: number, change: string): string =>
    `UPDATE record SET ${change} FROM ledger_leaf l WHERE l.seq = record.seq AND index = ${index}`
  const { checkpoint } = parseCheckpoint(String(await useCases().ledgerCheckpoint('newest'))) ?? {}
  expect(checkpoint?.size).toBe(301)

  await asOwner(leafOf(23, "body = convert_to(replace(convert_from(body, 'UTF8'), 'mia', 'dev'), 'UTF8')"))
  expect(await found()).toMatchObject({ what: 'body', index: 23 })
  await asOwner(leafOf(13, "leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'mia', 'dev'), 'UTF8')"))
  expect(await found()).toMatchObject({ what: 'leaf_hash', index: 13 })
  await asOwner("UPDATE ledger_leaf SET hash = sha256('\\x00' || leaf) FROM record WHERE record.seq = ledger_leaf.seq")
  expect((await found()).what).toBe('leaf_hash')
  await asOwner('DELETE FROM ledger_leaf WHERE index = 300')
  expect(['missing', 'leaf_hash']).toContain((await found()).what)
})

test('checkpoints that were cosigned are served with who cosigned them, and a witness is told by them', async () => {
  await story()
  const witness = signer('witness.example/w1', 4)
  const { store } = replica.opened
  const cosigned = await store.ledger.checkpointAt(200)
  if (cosigned === undefined) throw new Error('no checkpoint')
  const bytes = encodeCosignature(
    1_800_000_000,
    witness.sign(cosignedMessage(`${cosigned.note.split('\n\n')[0]}\n`, 1_800_000_000)),
  )
  const line = signatureLine({ name: witness.key.name, keyId: witness.key.id, bytes })
  await store.ledger.addCosignature({ size: cosigned.size, witness: witness.key.name, line }, cosigned.at)
  const report = await verifyLedger(served(), { witnesses: [witness.verifier] })
  expect(report.cosignedBy).toEqual([{ witness: witness.verifier, at: 1_800_000_000_000, size: cosigned.size }])
  expect(await found({ witnesses: [signer('witness.example/w1', 4).verifier] })).toMatchObject({ what: 'cosignature' })
})
