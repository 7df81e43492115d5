import { fromBase64, toBase64 } from './base64.ts'
import { HASH_LENGTH } from './merkle.ts'
import type { TreeHead } from './merkle.ts'
import { formatNote, parseNote } from './note.ts'
import type { Note, NoteKey } from './note.ts'

/** A tree head under the name of its log (C2SP tlog-checkpoint). */
export interface Checkpoint extends TreeHead {
  readonly origin: string
}

/** The text of the note: what the log signs. Three lines, no extensions. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string => `${origin}\n${size}\n${toBase64(root)}\n`

/** The signed note: the text of a checkpoint and the log's Ed25519 signature over its bytes. */
export const signedCheckpoint = (checkpoint: Checkpoint, key: NoteKey, signature: Uint8Array): string =>
  formatNote({ text: checkpointText(checkpoint), signatures: [{ name: key.name, keyId: key.id, bytes: signature }] })

/** Undefined for what is not a checkpoint. Extension lines are refused: ours has none, and nobody audits them. */
export function parseCheckpoint(note: string): { readonly checkpoint: Checkpoint; readonly note: Note } | undefined {
  const parsed = parseNote(note)
  const [, origin, digits, hash] = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([^\n]+)\n$/u.exec(parsed?.text ?? '') ?? []
  const root = fromBase64(hash ?? '')
  const size = Number(digits)
  if (parsed === undefined || origin === undefined || root?.length !== HASH_LENGTH || !Number.isSafeInteger(size))
    return undefined
  return { checkpoint: { origin, size, root }, note: parsed }
}
