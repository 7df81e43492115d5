import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeBundle } from '../src/domain/ledger/bundle.ts'
import { checkpointText, signedCheckpoint } from '../src/domain/ledger/checkpoint.ts'
import { HASH_LENGTH, rootOf } from '../src/domain/ledger/merkle.ts'
import { textBytes } from '../src/domain/ledger/text-bytes.ts'
import { bundlePath, nodesIn, TILE_WIDTH, tilePath, tilesOf } from '../src/domain/ledger/tiles.ts'
import { leavesOf, oneRequest, signer } from '../test/support/ledger-copy.ts'

const VERIFIER = fileURLToPath(new URL('../verify/holdpoint-verify.mjs', import.meta.url))
const LEAVES = 1_000_000
const CHECKPOINTS = 1_000

/** Seconds in which the file that auditors run verifies a copy of a million leaves: whole requests, a thousand checkpoints. */
export function measureVerify(): number {
  const dir = mkdtempSync(path.join(tmpdir(), 'hp-bench-ledger-'))
  try {
    const key = writeCopy(dir)
    const from = performance.now()
    const { status, stderr } = spawnSync(process.execPath, [VERIFIER, dir, '--key', key], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the copy was not verified: ${stderr}`)
    return (performance.now() - from) / 1_000
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** Its verifier key. The leaves of one request, numbered anew a hundred thousand times. */
function writeCopy(dir: string): string {
  const log = signer('holdpoint/bench')
  const write = (file: string, bytes: string | Uint8Array): void => {
    const target = path.join(dir, file)
    mkdirSync(path.dirname(target), { recursive: true })
    writeFileSync(target, bytes)
  }
  const one = leavesOf(oneRequest(1)).map((leaf) => Buffer.from(leaf).toString())
  const leaf = (i: number): Buffer =>
    Buffer.from((one[i % one.length] ?? '').replaceAll(/\b(HP|G|S)-1\b/g, `$1-${1 + Math.floor(i / one.length)}`))
  const prefixed = (kind: number, bytes: Uint8Array): Buffer =>
    hash('sha256', Buffer.concat([Buffer.of(kind), bytes]), 'buffer')

  const levels: Buffer[] = [Buffer.alloc(LEAVES * HASH_LENGTH)]
  for (let first = 0; first < LEAVES; first += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, LEAVES - first)
    const leaves = Array.from({ length: width }, (_, i) => leaf(first + i))
    for (const [i, bytes] of leaves.entries())
      prefixed(0, bytes).copy(levels[0] ?? Buffer.of(), (first + i) * HASH_LENGTH)
    write(bundlePath({ index: first / TILE_WIDTH, width }), encodeBundle(leaves))
  }
  const rootOfTile = (hashes: Buffer): Buffer => {
    let row = Array.from({ length: TILE_WIDTH }, (_, i) => hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH))
    while (row.length > 1)
      row = Array.from({ length: row.length / 2 }, (_, i) => prefixed(1, Buffer.concat(row.slice(2 * i, 2 * i + 2))))
    return row[0] ?? Buffer.of()
  }
  const tile = TILE_WIDTH * HASH_LENGTH
  for (let below = levels[0]; below !== undefined && below.length >= tile; below = levels.at(-1)) {
    const from = below
    const full = Math.floor(from.length / tile)
    levels.push(
      Buffer.concat(Array.from({ length: full }, (_, n) => rootOfTile(from.subarray(n * tile, (n + 1) * tile)))),
    )
  }
  const hashesOf = ({ level, index, width }: { level: number; index: number; width: number }): Buffer =>
    (levels[level] ?? Buffer.of()).subarray(index * tile, index * tile + width * HASH_LENGTH)
  for (const at of tilesOf(LEAVES)) write(tilePath(at), hashesOf(at))

  const notes = Array.from({ length: CHECKPOINTS }, (_, i) => {
    const size = ((i + 1) * LEAVES) / CHECKPOINTS
    const checkpoint = { origin: log.key.name, size, root: rootOf(size, nodesIn(size, hashesOf)) }
    return signedCheckpoint(checkpoint, log.key, log.sign(textBytes(checkpointText(checkpoint))))
  })
  write('checkpoint', notes.at(-1) ?? '')
  write(
    'checkpoints',
    notes
      .slice(0, -1)
      .map((note) => `${JSON.stringify(note)}\n`)
      .join(''),
  )
  return log.verifier
}
