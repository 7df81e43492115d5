import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, folder, verifyLedger, Wrong } from '../../../verify/holdpoint-verify.mjs'
import type { LedgerSource, VerifyReport } from '../../../verify/holdpoint-verify.mjs'
import { parseCheckpoint } from '../../domain/ledger/checkpoint.ts'
import { parseVerifierKey } from '../../domain/ledger/note.ts'
import type { Cli } from '../cli.ts'
import { EXIT, Stop, usage } from '../exit.ts'
import { exposeLines, oneLine } from '../exposed-text.ts'
import { keepCheckpoint, keptCheckpoint } from '../kept-checkpoints.ts'
import { liveLedger, textOf } from '../ledger-source.ts'
import { optional } from '../optional.ts'
import { reasonOf } from '../private-file.ts'

interface Input {
  readonly dir?: string
  readonly key?: readonly string[]
  readonly witness?: readonly string[]
  readonly checkpoint?: readonly string[]
  readonly at?: string
}

/**
 * Verifies the ledger of the server, or a copy of it. Of a server it keeps the checkpoint that it verified: the next
 * time, the log must go on from it.
 */
export async function run(cli: Cli, input: Input): Promise<number> {
  const keys = split(input.key).map((text) => keyOf(text, '--key', 1))
  const witnesses = split(input.witness).map((text) => keyOf(text, '--witness', 4))
  const given = (input.checkpoint ?? []).map((file) => noteIn(path.resolve(cli.terminal.cwd, file)))
  const live = input.dir === undefined ? await cli.server() : undefined
  const kept = live && keptCheckpoint(cli.terminal.env, live.origin)
  const source: LedgerSource =
    live === undefined ? folder(path.resolve(cli.terminal.cwd, input.dir ?? '')) : liveLedger(live.client)
  const now = input.at === undefined ? (live === undefined ? undefined : cli.now()) : timeOf(input.at)
  const known = kept === undefined ? given : [...given, kept]
  const found = await verified(source, { keys, witnesses, known, ...optional({ now }) })
  if (found instanceof Wrong) return wrong(cli, found, kept)

  if (live !== undefined) keepCheckpoint(cli.terminal.env, live.origin, textOf(await source.read('checkpoint')))
  if (cli.wantsJson) {
    cli.json({ verified: true, ...found })
    return EXIT.ok
  }
  cli.print(exposeLines(describe(found)).join('\n'))
  if (!found.keysGiven)
    cli.note(
      live === undefined
        ? 'The key came with the copy: compare it with what you were told, and give it with --key.'
        : 'The key came from the server: somebody who has replaced both would not be noticed. Give the one you know with --key.',
    )
  cli.print(cli.paint('green', 'verified'))
  return EXIT.ok
}

async function verified(
  source: LedgerSource,
  options: Parameters<typeof verifyLedger>[1],
): Promise<VerifyReport | Wrong> {
  try {
    return await verifyLedger(source, options)
  } catch (error) {
    if (error instanceof Wrong) return error
    throw error
  }
}

function wrong(cli: Cli, { what, message, index, path, size }: Wrong, kept: string | undefined): number {
  if (cli.wantsJson) cli.json({ verified: false, what, message, ...optional({ index, path, size }) })
  else {
    cli.terminal.err(`${cli.paint('red', 'WRONG:')} ${oneLine(message)}\n`)
    if (what === 'consistency' && kept !== undefined)
      cli.note(
        `What you verified last had ${parseCheckpoint(kept)?.checkpoint.size ?? 0} entries. Keep what you have, and ask who runs the server.`,
      )
  }
  return EXIT.failed
}

/** `"$(hp ledger keys)"` is several while a key is rotated. */
const split = (texts: readonly string[] = []): readonly string[] => texts.flatMap((text) => text.trim().split(/\s+/))

function keyOf(text: string, option: string, algorithm: 1 | 4): string {
  if (parseVerifierKey(text)?.algorithm !== algorithm)
    throw usage(
      `${option}: ${oneLine(text)} is no verifier key of a ${algorithm === 1 ? 'log' : 'witness'}`,
      'It is name+0a1b2c3d+base64, on one line.',
    )
  return text
}

function noteIn(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Stop(EXIT.usage, `${oneLine(file)} cannot be read: ${reasonOf(cause)}`, undefined, { cause })
  }
}

function timeOf(text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw usage(`--at: '${oneLine(text)}' is not a time`, 'As in 2026-03-01T00:00:00Z.')
  return at
}
