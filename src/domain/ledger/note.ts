import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64, toBase64 } from './base64.ts'
import { cosignedMessage, decodeCosignature } from './cosignature.ts'
import { textBytes } from './text-bytes.ts'

/*
 * Signed notes (C2SP signed-note): a text, an empty line, and lines `— name base64(key id ‖ signature)`. Signing and
 * checking Ed25519 belong to the caller, for the key may stand in a KMS.
 */

/** 1: Ed25519 over the text. 4: a witness's cosignature (`cosignature.ts`). */
export type NoteAlgorithm = 1 | 4

/** A public key under the name it signs notes with. The id is computed from the rest. */
export interface NoteKey {
  readonly name: string
  readonly id: number
  readonly algorithm: NoteAlgorithm
  /** Ed25519, 32 bytes (RFC 8032). */
  readonly publicKey: Uint8Array
}

export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  /** What follows the key id. */
  readonly bytes: Uint8Array
}

export interface Note {
  /** With its last newline: what is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** Whether `signature` is that of `publicKey` over `message` (Ed25519). */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

const KEY_LENGTH = 32
const LONGEST = 64 * 1024
/** Neither spaces nor `+`, which part a verifier key. */
export const isKeyName = (name: string): boolean => name.isWellFormed() && /^[^\s+\p{Cc}]+$/u.test(name)

/** @throws RangeError for a name or a key that cannot be one. */
export function noteKey(name: string, algorithm: NoteAlgorithm, publicKey: Uint8Array): NoteKey {
  if (!isKeyName(name) || publicKey.length !== KEY_LENGTH) throw new RangeError('not a name and key of notes')
  const hash = sha256
    .create()
    .update(textBytes(`${name}\n`))
    .update(Uint8Array.of(algorithm))
    .update(publicKey)
    .digest()
  return { name, id: new DataView(hash.buffer, hash.byteOffset).getUint32(0), algorithm, publicKey }
}

/** `name+0a1b2c3d+base64(algorithm ‖ key)`: how a key is handed to those who verify. */
export const formatVerifierKey = ({ name, id, algorithm, publicKey }: NoteKey): string =>
  `${name}+${id.toString(16).padStart(8, '0')}+${toBase64(Uint8Array.of(algorithm, ...publicKey))}`

/** Undefined for anything but a verifier key of Ed25519 or cosignatures whose id is right. */
export function parseVerifierKey(text: string): NoteKey | undefined {
  const [, name, id, material] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text) ?? []
  const bytes = fromBase64(material ?? '')
  const algorithm = bytes?.[0]
  if (name === undefined || !isKeyName(name) || bytes?.length !== KEY_LENGTH + 1) return undefined
  if (algorithm !== 1 && algorithm !== 4) return undefined
  const key = noteKey(name, algorithm, bytes.slice(1))
  return key.id === Number.parseInt(id ?? '', 16) ? key : undefined
}

export const formatNote = (note: Note): string => `${note.text}\n${note.signatures.map(signatureLine).join('')}`

/** With its newline. */
export function signatureLine({ name, keyId, bytes }: NoteSignature): string {
  const all = new Uint8Array(4 + bytes.length)
  new DataView(all.buffer).setUint32(0, keyId)
  all.set(bytes, 4)
  return `— ${name} ${toBase64(all)}\n`
}

/** Undefined for what is not a note. Nothing is verified: whoever reads `text` looks at `signersOf` first. */
export function parseNote(note: string): Note | undefined {
  const end = note.lastIndexOf('\n\n')
  if (note.length > LONGEST || !note.isWellFormed() || /[\p{Cc}--\n]/v.test(note) || end < 0) return undefined
  const lines = note.slice(end + 2)
  const signatures = parseSignatureLines(lines)
  return signatures === undefined ? undefined : { text: note.slice(0, end + 1), signatures }
}

/** Lines as `signatureLine` writes them, at least one: what a witness answers. Undefined if any is malformed. */
export function parseSignatureLines(text: string): readonly NoteSignature[] | undefined {
  if (!text.endsWith('\n')) return undefined
  const signatures: NoteSignature[] = []
  for (const line of text.slice(0, -1).split('\n')) {
    const [, name, encoded] = /^— ([^ ]+) ([^ ]+)$/u.exec(line) ?? []
    const bytes = fromBase64(encoded ?? '')
    if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined
    signatures.push({ name, keyId: new DataView(bytes.buffer).getUint32(0), bytes: bytes.slice(4) })
  }
  return signatures
}

/** Whether this is a signature by `key`, going by its name and id alone. */
export const isBy = (signature: NoteSignature, key: NoteKey): boolean =>
  signature.name === key.name && signature.keyId === key.id

/**
 * Which of these keys have signed the note. Signatures of other keys are passed over; undefined when one that claims
 * to be by a known key does not verify, and then nothing of the note may be believed (signed-note, "Signatures").
 */
export function signersOf(note: Note, keys: readonly NoteKey[], verify: VerifyEd25519): readonly NoteKey[] | undefined {
  const signers: NoteKey[] = []
  for (const signature of note.signatures)
    for (const key of keys) {
      if (!isBy(signature, key)) continue
      if (!holds(note.text, signature.bytes, key, verify)) return undefined
      if (!signers.includes(key)) signers.push(key)
    }
  return signers
}

function holds(text: string, bytes: Uint8Array, key: NoteKey, verify: VerifyEd25519): boolean {
  if (key.algorithm === 1) return bytes.length === 64 && verify(key.publicKey, textBytes(text), bytes)
  const cosigned = decodeCosignature(bytes)
  return cosigned !== undefined && verify(key.publicKey, cosignedMessage(text, cosigned.seconds), cosigned.signature)
}
