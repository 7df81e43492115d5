import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { copyOfLeaves, leavesOf, signer, sourceOf, story } from '../../../test/support/ledger-copy.ts'
import { verifyLedger } from '../../../verify/holdpoint-verify.mjs'
import { formatAddCheckpoint } from '../../domain/ledger/add-checkpoint.ts'
import { consistencyProof } from '../../domain/ledger/merkle.ts'
import type { NodeReader } from '../../domain/ledger/merkle.ts'
import { formatVerifierKey, parseNote, parseSignatureLines, signersOf } from '../../domain/ledger/note.ts'
import { nodesIn, tilePath } from '../../domain/ledger/tiles.ts'
import { verifyEd25519 } from './ed25519.ts'
import { openWitnessMemory } from './memory.ts'
import { witnessKey, witnessServer } from './serve.ts'

const log = signer('holdpoint/5e8f')
const sizes = [0, 1, 100, 300, 600]
const one = copyOfLeaves(log, leavesOf(story(700)), { sizes })
/** The same to entry 100, and then another. */
const fork = copyOfLeaves(log, leavesOf([...story(700).slice(0, 100), ...story(2_000).slice(1_000, 1_600)]), { sizes })
const noteAt = (copy: typeof one, size: number): string => copy.checkpoints[[...sizes, 700].indexOf(size)] ?? ''
const nodes = (copy: typeof one): NodeReader =>
  nodesIn(700, (at) => copy.files.get(tilePath(at)) ?? new Uint8Array(at.width * 32))
const body = (copy: typeof one, old: number, size: number): string => {
  const proof = old > 0 && old <= size ? consistencyProof(old, size, (l, i) => nodes(copy)(l, i)) : []
  return formatAddCheckpoint({ old, proof, checkpoint: noteAt(copy, size) })
}

const cleanup: (() => void)[] = []
afterEach(() => {
  for (const undo of cleanup.splice(0).toReversed()) undo()
})

function folder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'hp-witness-'))
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function witness(dir = folder(), name: string | undefined = 'witness.example/w1') {
  const memory = openWitnessMemory(dir, name)
  const said: string[] = []
  const server = witnessServer({
    memory,
    keys: [log.key],
    now: () => 1_800_000_000_500,
    say: (line) => said.push(line),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = (): void => {
    server.close()
    server.closeAllConnections()
    memory.close()
  }
  cleanup.push(stop)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const add = async (text: string) => {
    const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: text })
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
  }
  return { dir, key: witnessKey(memory), said, stop, url, add }
}

describe('a witness', () => {
  it('cosigns what goes on from what it saw, for as long as it lives and after', async () => {
    const first = await witness()
    for (const [old, size] of [
      [0, 1],
      [1, 100],
      [100, 100],
      [100, 300],
    ] as const) {
      const answer = await first.add(body(one, old, size))
      expect(answer.status).toBe(200)
      const note = parseNote(noteAt(one, size) + answer.text)
      expect(note && signersOf(note, [log.key, first.key], verifyEd25519)).toEqual([log.key, first.key])
    }
    first.stop()
    const again = await witness(first.dir)
    expect(again.key).toEqual(first.key)
    expect(await again.add(body(one, 0, 600))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '300\n' })
    expect((await again.add(body(one, 300, 600))).status).toBe(200)
  })

  it('gives what the verifier takes', async () => {
    const { add, key } = await witness()
    const note = noteAt(one, 700)
    const files = new Map(one.files).set('checkpoint', Buffer.from(note + (await add(body(one, 0, 700))).text))
    const report = await verifyLedger(sourceOf(files), { keys: [log.verifier], witnesses: [formatVerifierKey(key)] })
    expect(report.cosignedBy).toEqual([{ witness: formatVerifierKey(key), at: 1_800_000_000_000, size: 700 }])
  })

  it('never cosigns a fork, whatever is claimed, and keeps it', async () => {
    const { add, dir, said } = await witness()
    await add(body(one, 0, 300))
    expect((await add(body(fork, 300, 600))).status).toBe(422)
    expect(await add(body(fork, 300, 300))).toMatchObject({ status: 409, text: '300\n' })
    expect((await add(body(fork, 100, 600))).status).toBe(409)
    expect((await add(body(one, 600, 300))).status).toBe(400)
    expect((await add(body(one, 300, 600).replace(/\n[^\n]+=\n/, '\n'))).status).toBe(422)
    expect(readFileSync(path.join(dir, 'forks.txt'), 'utf8')).toContain(noteAt(fork, 600))
    expect(said.join('\n')).toContain('FORK?')
    expect((await add(body(one, 300, 600))).status).toBe(200)
  })

  it('cosigns one of two that arrive at once', async () => {
    const { add } = await witness()
    await add(body(one, 0, 100))
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => add(i % 2 === 0 ? body(one, 100, 300) : body(fork, 100, 300))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const winner = answers[0]?.status === 200 ? one : fork
    const cosigned = answers.find(({ status }) => status === 200)?.text ?? ''
    expect(parseSignatureLines(cosigned)).toHaveLength(1)
    expect((await add(body(winner === one ? fork : one, 300, 300))).status).toBe(409)
  })

  it('answers strangers and nonsense as tlog-witness says', async () => {
    const { add, url, key } = await witness()
    const stranger = copyOfLeaves(signer('holdpoint/other'), leavesOf(story(10)))
    const thief = copyOfLeaves(signer(log.key.name), leavesOf(story(10)))
    const send = (copy: typeof one) =>
      add(formatAddCheckpoint({ old: 0, proof: [], checkpoint: copy.checkpoints[0] ?? '' }))
    expect((await send(stranger)).status).toBe(404)
    expect((await send(thief)).status).toBe(403)
    expect((await add('old 0\n\nnonsense')).status).toBe(400)
    expect((await add('x'.repeat(100_000))).status).toBe(413)
    expect((await fetch(`${url}/add-checkpoint`)).status).toBe(405)
    expect((await fetch(`${url}/other`)).status).toBe(404)
    expect(await (await fetch(url)).text()).toBe(`${formatVerifierKey(key)}\n`)
  })
})

describe("a witness's folder", () => {
  it('is private, and used by one process at a time', async () => {
    const { dir } = await witness()
    expect(statSync(path.join(dir, 'witness.key')).mode & 0o777).toBe(0o600)
    writeFileSync(path.join(dir, 'lock.pid'), String(process.ppid))
    expect(() => openWitnessMemory(dir, undefined)).toThrow(/in use by process/)
  })

  it('without its memory, or with a damaged one, is not used again', async () => {
    const { dir, stop } = await witness()
    stop()
    const file = path.join(dir, 'witness.json')
    const whole = readFileSync(file, 'utf8')
    writeFileSync(file, whole.slice(0, -5), { mode: 0o600 })
    expect(() => openWitnessMemory(dir, undefined)).toThrow(/damaged/)
    rmSync(file)
    expect(() => openWitnessMemory(dir, 'witness.example/w1')).toThrow(/one is missing/)
    writeFileSync(file, whole, { mode: 0o600 })
    expect(() => openWitnessMemory(dir, 'another')).toThrow(/is witness.example\/w1/)
    openWitnessMemory(dir, undefined).close()
    expect(() => openWitnessMemory(folder(), undefined)).toThrow(/needs a --name/)
  })
})
