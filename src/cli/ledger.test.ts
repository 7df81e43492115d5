import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeCopy, signer, story } from '../../test/support/ledger-copy.ts'
import type { Files, Told } from '../../test/support/ledger-copy.ts'
import type { Client } from '../contract/client.ts'
import { createCli } from './cli.ts'
import type { Cli } from './cli.ts'
import { run as exportLedger } from './commands/ledger-export.ts'
import { run as printKeys } from './commands/ledger-keys.ts'
import { run as verify } from './commands/ledger-verify.ts'
import { readSettings } from './settings.ts'
import type { Terminal } from './terminal.ts'

const log = signer('holdpoint/5e8f')
const told = story(600)
/** Later than every grant of the story. */
const NOW = (told.at(-1)?.at ?? 0) + 3_600_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'hp-ledger-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Somebody at a server that serves this log. */
function at(files: Files, options: { readonly json?: boolean } = {}) {
  let [out, err] = ['', '']
  const asked: string[] = []
  const terminal: Terminal = {
    env: { HOME: folder, XDG_CONFIG_HOME: path.join(folder, 'config') },
    cwd: folder,
    stdin: Readable.from([]),
    inIsTerminal: false,
    outIsTerminal: false,
    errIsTerminal: false,
    colour: false,
    columns: undefined,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    now: () => NOW,
    onInterrupt: () => () => undefined,
  }
  const client: Pick<Client, 'ledgerFile'> = {
    ledgerFile(file) {
      asked.push(file)
      const after = /^checkpoints\?after=([0-9]+)$/.exec(file)?.[1]
      if (after === undefined) return Promise.resolve(files.get(file))
      const later = Buffer.from(files.get('checkpoints') ?? [])
        .toString()
        .split('\n')
        .filter((line) => line !== '' && Number(line.split('\\n')[1]) > Number(after))
      return Promise.resolve(
        Buffer.from(
          later
            .slice(0, 2)
            .map((line) => `${line}\n`)
            .join(''),
        ),
      )
    },
  }
  const server = { client: client as Client, origin: 'http://localhost:7400', as: 'signed_in' as const }
  const cli: Cli = createCli(terminal, options, readSettings(terminal, options), () => Promise.resolve(server))
  return { cli, asked, said: () => out + err }
}

const served = (entries: readonly Told[], size = entries.length): Files =>
  makeCopy(log, entries, { sizes: Array.from({ length: size / 100 }, (_, i) => (i + 1) * 100) }).files

test('the ledger of a server is verified, and what was verified is kept: it may grow, and nothing else', async () => {
  const first = at(served(told.slice(0, 300)))
  expect(await verify(first.cli, { key: [log.verifier] })).toBe(0)
  expect(first.said()).toMatch(/300 entries[^]*verified\n/)
  expect(await verify(at(served(told)).cli, {})).toBe(0)

  const shrunk = at(served(told.slice(0, 500)))
  expect(await verify(shrunk.cli, {})).toBe(1)
  expect(shrunk.said()).toContain('WRONG: the log has 500 entries, and had 600')
  expect(shrunk.said()).toContain('What you verified last had 600 entries.')

  const other = at(served([...told.slice(0, 200), ...story(1_000).slice(500, 1_000)]), { json: true })
  expect(await verify(other.cli, {})).toBe(1)
  expect(JSON.parse(other.said())).toMatchObject({ v: 1, verified: false, what: 'consistency', size: 600 })
  expect(await verify(at(served(told)).cli, {})).toBe(0)
})

test('a key of somebody else, or none at all, is said', async () => {
  const stranger = at(served(told.slice(0, 100)))
  expect(await verify(stranger.cli, { key: [signer('holdpoint/5e8f').verifier] })).toBe(1)
  expect(stranger.said()).toContain('not signed by a key that you trust')
  const unasked = at(served(told.slice(0, 100)))
  await verify(unasked.cli, {})
  expect(unasked.said()).toContain('The key came from the server')
  await expect(verify(unasked.cli, { key: ['x'] })).rejects.toThrow(/no verifier key of a log/)
  await expect(verify(unasked.cli, { witness: [log.verifier] })).rejects.toThrow(/no verifier key of a witness/)
})

test('a copy is fetched once, goes on where it was, and verifies by itself', async () => {
  const dir = path.join(folder, 'copy')
  await exportLedger(at(served(told.slice(0, 300))).cli, { dir })
  const again = at(served(told))
  await exportLedger(again.cli, { dir })
  expect(again.asked).not.toContain('tile/entries/000')
  expect(again.asked).toContain('tile/entries/002.p/88')
  expect(again.said()).toContain('600 entries')
  const alone = at(new Map())
  expect(await verify(alone.cli, { dir, key: [log.verifier] })).toBe(0)
  expect(alone.said()).toMatch(/600 are what was recorded[^]*60 ended/)
  expect(readFileSync(path.join(dir, 'holdpoint-verify.mjs'), 'utf8')).toContain('verifyLedger')

  const file = path.join(dir, 'tile', 'entries', '001')
  writeFileSync(file, readFileSync(file, 'latin1').replace('"mia"', '"ana"'), 'latin1')
  const tampered = at(new Map())
  expect(await verify(tampered.cli, { dir })).toBe(1)
  expect(tampered.said()).toMatch(/WRONG: entry 2[0-9]{2} \(.*\) is not the one whose hash is in the tree/)
})

test('a copy is never mixed with another log, an older one, or other files', async () => {
  const dir = path.join(folder, 'copy')
  await exportLedger(at(served(told)).cli, { dir, bodies: false })
  await expect(exportLedger(at(served(told.slice(0, 300))).cli, { dir })).rejects.toThrow(
    /has 600 entries, and the server shows 300/,
  )
  const other = makeCopy(signer('holdpoint/other'), told).files
  await expect(exportLedger(at(other).cli, { dir })).rejects.toThrow(/a copy of another log/)
  await expect(exportLedger(at(served(told)).cli, { dir: '.' })).rejects.toThrow(/is not empty/)
  await expect(exportLedger(at(new Map()).cli, { dir: 'new' })).rejects.toThrow(/signed nothing yet/)
  const broken = served(told)
  broken.delete('tile/0/001')
  await expect(exportLedger(at(broken).cli, { dir: 'broken' })).rejects.toThrow(/has no tile\/0\/001/)
})

test('the keys are printed, one a line', async () => {
  const asked = at(served(told.slice(0, 100)))
  await printKeys(asked.cli)
  expect(asked.said()).toBe(`${log.verifier}\n`)
})
