import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { SignerRefusal } from '../app/ports/ledger.ts'
import { EMPTY_EDGE, extendTree } from '../domain/ledger/extend.ts'
import { consistencyProof, leafHash } from '../domain/ledger/merkle.ts'
import type { NodeReader } from '../domain/ledger/merkle.ts'
import { completeRoot } from '../domain/ledger/tiles.ts'
import { parseKeyring, KeyringError } from './keyring.ts'
import { ledgerKey, readLedgerKeys } from './ledger-keys.ts'
import { openLedgerMemory } from './ledger-memory.ts'
import { createLedgerSigner } from './ledger-signer.ts'

const origin = 'holdpoint/test'
const key = ledgerKey(origin, randomBytes(32))
const parts: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const undo of parts.splice(0).toReversed()) await undo()
})
function memoryFile(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'hp-signer-'))
  parts.push(() => rmSync(dir, { recursive: true }))
  return path.join(dir, 'ledger-signed')
}
async function signerAt(file: string, keys = [key]) {
  const memory = await openLedgerMemory(file)
  parts.push(() => memory.close())
  return createLedgerSigner(origin, keys, memory)
}

/** A tree over the leaves a0, a1, ... up to the fork, and b after it. */
const hashes = (size: number, fork = size): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`${i < fork ? 'a' : 'b'}${i}`)))
const headOf = (size: number, fork = size) => ({ origin, ...extendTree(EMPTY_EDGE, hashes(size, fork)).edge })
const proofOf = (from: number, size: number, fork = size): readonly Uint8Array[] => {
  const leaves = Buffer.concat(hashes(size, fork))
  const node: NodeReader = (level, index) => completeRoot(leaves, index * 2 ** level, 2 ** level)
  return consistencyProof(from, size, node)
}

test('what goes on from the last tree is signed, and nothing else: not smaller, not another of the same size, not a fork', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 40 }),
      async (first, second, fork) => {
        const file = memoryFile()
        const signer = await signerAt(file)
        await signer.sign(headOf(first), [])
        const proof = second < first ? [] : proofOf(first, second, Math.min(fork, second))
        const answer = await signer.sign(headOf(second, Math.min(fork, second)), proof).then(
          (note) => note.split('\n', 2).join(' '),
          (error: unknown) => error instanceof SignerRefusal,
        )
        const goesOn = second >= first && Math.min(fork, second) >= first
        expect(answer).toBe(goesOn ? `${origin} ${second}` : true)
        expect(signer.last.size).toBe(goesOn ? second : first)
        // Started again it remembers.
        expect((await signerAt(file)).last).toEqual(signer.last)
      },
    ),
    { numRuns: 60 },
  )
})

test('a tree of the same size is signed again, to the byte', async () => {
  const signer = await signerAt(memoryFile())
  expect(await signer.sign(headOf(7), [])).toBe(await signer.sign(headOf(7), []))
})

test('a signature that the disk did not take is not given', async () => {
  let full = false
  const written: number[] = []
  const signer = await createLedgerSigner(origin, [key], {
    read: () => Promise.resolve(undefined),
    write({ size }) {
      if (full) return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
      written.push(size)
      return Promise.resolve()
    },
  })
  await signer.sign(headOf(3), [])
  full = true
  await expect(signer.sign(headOf(5), proofOf(3, 5))).rejects.toThrow('no space left')
  expect(signer.last.size).toBe(3)
  full = false
  await signer.sign(headOf(6), proofOf(3, 6))
  expect(written).toEqual([3, 6])
})

test('a write that was torn leaves the tree before it; both places spoilt are a fault, and so is another log', async () => {
  const file = memoryFile()
  const signer = await signerAt(file)
  await signer.sign(headOf(3), [])
  const three = readFileSync(file)
  await signer.sign(headOf(5), proofOf(3, 5))
  const five = readFileSync(file)
  for (let at = 0; at < five.length; at++) {
    if (three[at] === five[at]) continue
    const torn = Buffer.concat([five.subarray(0, at), three.subarray(at)])
    writeFileSync(file, torn)
    expect([3, 5]).toContain((await signerAt(file)).last.size)
  }
  writeFileSync(file, Buffer.concat([Buffer.from('x'), five.subarray(1, 512), Buffer.from('y'), five.subarray(513)]))
  await expect(signerAt(file)).rejects.toThrow(/damaged/)
  writeFileSync(file, five)
  const memory = await openLedgerMemory(file)
  parts.push(() => memory.close())
  await expect(createLedgerSigner('holdpoint/other', [key], memory)).rejects.toThrow(SignerRefusal)
})

test('keys come from the keyring, or from where they are named; what is no key is refused', () => {
  const keyring = parseKeyring('c9a2cf4d5392d048:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 'the tests')
  const [made] = readLedgerKeys(origin, keyring, {})
  expect(made?.key).toEqual(readLedgerKeys(origin, keyring, {})[0]?.key)
  const [old, next] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
  const named = readLedgerKeys(origin, keyring, { HP_LEDGER_KEY: `# in use\n${next}\n\n${old}\n` })
  expect(named.map((one) => one.key)).toEqual(
    [next, old].map((seed) => ledgerKey(origin, Buffer.from(seed, 'base64')).key),
  )
  expect(named[0]?.key.id).not.toBe(made?.key.id)
  for (const bad of ['x', next.slice(4), `${next}=`, '# none'])
    expect(() => readLedgerKeys(origin, keyring, { HP_LEDGER_KEY: bad })).toThrow(KeyringError)
})
