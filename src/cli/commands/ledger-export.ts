import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCheckpoint } from '../../domain/ledger/checkpoint.ts'
import { bundlePath, TILE_WIDTH, tilePath, tilesOf } from '../../domain/ledger/tiles.ts'
import type { TileAt } from '../../domain/ledger/tiles.ts'
import type { Cli } from '../cli.ts'
import { EXIT, Stop } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { liveLedger, sizeOf, textOf } from '../ledger-source.ts'

/** Files that are asked for at once. */
const AT_ONCE = 8
const VERIFIER = fileURLToPath(new URL('../../../verify/holdpoint-verify.mjs', import.meta.url))

/**
 * Copies the whole ledger into a folder, with the program that verifies it. Into an earlier copy of the same log only what
 * is new is fetched. The checkpoint is written last: a copy that broke off is the earlier copy.
 */
export async function run(cli: Cli, input: { readonly dir: string; readonly bodies?: boolean }): Promise<void> {
  const dir = path.resolve(cli.terminal.cwd, input.dir)
  const source = liveLedger((await cli.server()).client)
  const checkpoint = await source.read('checkpoint')
  const size = sizeOf(checkpoint)
  if (checkpoint === undefined || size === 0) throw new Stop(EXIT.notFound, 'the server has signed nothing yet')
  refuseOther(dir, textOf(checkpoint))

  let fetched = 0
  const fetch = async (file: string, again = false): Promise<void> => {
    const target = path.join(dir, file)
    if (!again && existsSync(target)) return
    const bytes = await source.read(file)
    if (bytes === undefined) throw new Stop(EXIT.failed, `the server has no ${file}, which its checkpoint covers`)
    write(target, bytes)
    fetched++
  }
  await inTurns(tilesOf(size), async (at) => {
    await fetch(tilePath(at))
    if (at.level > 0) return
    await fetch(bundlePath(at))
    // A body may have been erased since.
    if (input.bodies !== false) await fetch(bundlePath(at).replace('tile/entries', 'bodies'), true)
  })
  for (const file of ['checkpoints', 'keys']) await fetch(file, true)
  copyFileSync(VERIFIER, path.join(dir, 'holdpoint-verify.mjs'))
  writeFileSync(path.join(dir, 'README.txt'), readme(textOf(checkpoint)))
  write(path.join(dir, 'checkpoint'), checkpoint)
  if (cli.wantsJson) return cli.json({ entries: size, files: fetched, dir })
  cli.print(`${size.toLocaleString('en')} entries in ${oneLine(dir)} (${fetched.toLocaleString('en')} files fetched)`)
  cli.note(
    `Verify it anywhere: node ${oneLine(path.join(input.dir, 'holdpoint-verify.mjs'))} ${oneLine(input.dir)} --key ...`,
  )
}

/** An empty folder, or a copy of this log. */
function refuseOther(dir: string, checkpoint: string): void {
  mkdirSync(dir, { recursive: true })
  if (readdirSync(dir).length === 0) return
  const stored = path.join(dir, 'checkpoint')
  const here = existsSync(stored) ? parseCheckpoint(readFileSync(stored, 'utf8'))?.checkpoint : undefined
  const there = parseCheckpoint(checkpoint)?.checkpoint
  if (here === undefined && !existsSync(path.join(dir, 'tile')))
    throw new Stop(EXIT.failed, `${oneLine(dir)} is not empty, and holds no copy of a ledger`, 'Choose another folder.')
  if (here === undefined || there === undefined) return
  if (here.origin !== there.origin)
    throw new Stop(
      EXIT.failed,
      `${oneLine(dir)} holds a copy of another log: ${oneLine(here.origin)}`,
      'Choose another folder.',
    )
  if (here.size > there.size)
    throw new Stop(
      EXIT.failed,
      `the copy has ${here.size} entries, and the server shows ${there.size}: it is another log, or an old one`,
      'Keep the copy: it is the proof.',
    )
}

function write(file: string, bytes: Uint8Array): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(`${file}.tmp`, bytes)
  renameSync(`${file}.tmp`, file)
}

async function inTurns(all: Iterable<TileAt>, work: (at: TileAt) => Promise<void>): Promise<void> {
  const rest = all[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

const readme = (
  checkpoint: string,
): string => `A copy of the Holdpoint ledger ${checkpoint.split('\n')[0]}, in the layout of c2sp.org/tlog-tiles.

Verify it with Node 20.12 or newer, and with the key that you were given by somebody you trust, not the one in keys:

  node holdpoint-verify.mjs . --key 'holdpoint/...+0a1b2c3d+A...'

What is checked, and what no log can tell by itself, stands at the top of holdpoint-verify.mjs (${TILE_WIDTH} leaves to a file).
`
