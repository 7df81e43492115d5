import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts'
import { parseCheckpoint, signedCheckpoint, checkpointText } from './checkpoint.ts'
import { cosignedMessage, decodeCosignature, encodeCosignature } from './cosignature.ts'
import {
  formatNote,
  formatVerifierKey,
  noteKey,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  signersOf,
} from './note.ts'
import type { NoteAlgorithm, VerifyEd25519 } from './note.ts'
import { textBytes } from './text-bytes.ts'

const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const verifies: VerifyEd25519 = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  )

function keyPair(name: string, algorithm: NoteAlgorithm = 1) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
  return { key: noteKey(name, algorithm, raw), sign: (message: Uint8Array) => sign(null, message, privateKey) }
}

const root = Buffer.alloc(32, 7)
const checkpoint = { origin: 'holdpoint/1f2e', size: 42, root }

describe('signed notes', () => {
  it('of the Go project verify: the golden note of golang.org/x/mod/sumdb/note', () => {
    const key = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
    const note = parseNote(
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
        '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
    )
    if (key === undefined || note === undefined) throw new Error('not read')
    expect(signersOf(note, [key], verifies)).toEqual([key])
    expect(signersOf({ ...note, text: note.text.replace('your', 'my') }, [key], verifies)).toBeUndefined()
    expect(formatVerifierKey(key)).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
  })

  it('pass over unknown keys, and fall whole when a known one does not verify', () => {
    const [log, other, witness] = [keyPair(checkpoint.origin), keyPair('other.example'), keyPair('w.example/1', 4)]
    const text = checkpointText(checkpoint)
    const cosigned = witness.sign(cosignedMessage(text, 1_800_000_000))
    const signatures = [
      { name: log.key.name, keyId: log.key.id, bytes: log.sign(textBytes(text)) },
      { name: other.key.name, keyId: other.key.id, bytes: Buffer.alloc(64) },
      { name: witness.key.name, keyId: witness.key.id, bytes: encodeCosignature(1_800_000_000, cosigned) },
    ]
    const note = parseNote(formatNote({ text, signatures }))
    if (note === undefined) throw new Error('not a note')
    expect(signersOf(note, [log.key, witness.key], verifies)).toEqual([log.key, witness.key])
    expect(signersOf(note, [keyPair(checkpoint.origin).key], verifies)).toEqual([])
    expect(signersOf(note, [log.key, other.key], verifies)).toBeUndefined()
    // A cosignature is bound to its time.
    const later = { ...note, signatures: [{ ...signatures[2], bytes: encodeCosignature(1_800_000_001, cosigned) }] }
    expect(signersOf(later as typeof note, [witness.key], verifies)).toBeUndefined()
    expect(decodeCosignature(encodeCosignature(7, cosigned))).toEqual({
      seconds: 7,
      signature: new Uint8Array(cosigned),
    })
  })

  it('that are malformed are no notes', () => {
    const good = signedCheckpoint(checkpoint, keyPair('l').key, Buffer.alloc(64))
    expect(parseNote(good)).toBeDefined()
    for (const bad of [
      '',
      '\n',
      'text\n',
      'text\n\n',
      good.slice(0, -1),
      `${good}\n`,
      good.replace('— ', '- '),
      good.replace('42', '4\u00002'),
      good.replace('42', '\r42'),
      good.replace('\n\n', '\n'),
      good.replace('— l ', '— l  '),
      `${good}— x AAAA=\n`,
      good.replace('— l', '— l+'),
      `${good}— x AAAA\n`,
      `${'x'.repeat(70_000)}${good}`,
    ])
      expect(parseNote(bad)).toBeUndefined()
    expect(parseSignatureLines('')).toBeUndefined()
  })
})

describe('checkpoints', () => {
  it('read back as written', () => {
    const { key, sign } = keyPair(checkpoint.origin)
    const note = signedCheckpoint(checkpoint, key, sign(textBytes(checkpointText(checkpoint))))
    const read = parseCheckpoint(note)
    expect(read?.checkpoint).toEqual({ ...checkpoint, root: new Uint8Array(root) })
    expect(read && signersOf(read.note, [key], verifies)).toEqual([key])
  })

  it('with another spelling of the size, a short root or more lines are none', () => {
    const { key } = keyPair('l')
    const note = (text: string) =>
      formatNote({ text, signatures: [{ name: 'l', keyId: key.id, bytes: Buffer.alloc(64) }] })
    const hash = root.toString('base64')
    expect(parseCheckpoint(note(`l\n0\n${hash}\n`))).toBeDefined()
    for (const text of [
      `l\n042\n${hash}\n`,
      `l\n-1\n${hash}\n`,
      `l\n1e3\n${hash}\n`,
      `l\n42\n${hash.slice(4)}\n`,
      `\n42\n${hash}\n`,
      `l\n42\n${hash}\nmore\n`,
      `l\n9999999999999999\n${hash}\n`,
    ])
      expect(parseCheckpoint(note(text))).toBeUndefined()
  })
})

describe('what is sent to a witness', () => {
  it('reads back as written, with any number of hashes up to 63', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
        (old, proof) => {
          const body = { old, proof, checkpoint: 'l\n1\nx\n\n— l x\n' }
          expect(parseAddCheckpoint(formatAddCheckpoint(body))).toEqual(body)
        },
      ),
    )
    const hash = root.toString('base64')
    for (const bad of [
      '',
      'old 1\n',
      'old 01\n\nx',
      'old -1\n\nx',
      'new 1\n\nx',
      `old 1\n${hash.slice(4)}\n\nx`,
      `old 1\n${`${hash}\n`.repeat(64)}\nx`,
    ])
      expect(parseAddCheckpoint(bad)).toBeUndefined()
  })
})
