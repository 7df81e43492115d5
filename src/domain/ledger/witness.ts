import { parseAddCheckpoint } from './add-checkpoint.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { extendsTree, sameHash } from './merkle.ts'
import type { TreeHead } from './merkle.ts'
import { signersOf } from './note.ts'
import type { NoteKey, VerifyEd25519 } from './note.ts'

/** What a witness answers to `add-checkpoint` (C2SP tlog-witness), by HTTP status. */
export type WitnessAnswer =
  /** Remember it, then cosign `text`. */
  | { readonly status: 200; readonly checkpoint: Checkpoint; readonly text: string }
  /** The client is behind: `size` is what the witness cosigned last. */
  | { readonly status: 409; readonly size: number; readonly fork?: string }
  | { readonly status: 400 | 403 | 404; readonly why: string }
  /** `fork`: the log has signed two trees of which neither is the beginning of the other. */
  | { readonly status: 422; readonly why: string; readonly fork?: string }

/**
 * Whether a checkpoint goes on from the last one that was cosigned of its log. Pure: the caller must have answered one
 * request before it asks about the next, and must have remembered a 200 before it sends the signature.
 */
export function consider(
  body: string,
  of: {
    readonly keys: readonly NoteKey[]
    readonly lastOf: (origin: string) => TreeHead | undefined
    readonly verify: VerifyEd25519
  },
): WitnessAnswer {
  const asked = parseAddCheckpoint(body)
  const parsed = asked && parseCheckpoint(asked.checkpoint)
  if (asked === undefined || parsed === undefined) return { status: 400, why: 'not an add-checkpoint request' }
  const { checkpoint, note } = parsed
  const keys = of.keys.filter((key) => key.name === checkpoint.origin && key.algorithm === 1)
  if (keys.length === 0) return { status: 404, why: 'this log is not known here' }
  const signers = signersOf(note, keys, of.verify)
  if (signers === undefined || signers.length === 0)
    return { status: 403, why: 'not signed by a key of this log that is known here' }
  if (asked.old > checkpoint.size) return { status: 400, why: 'the old size is larger than the new one' }

  const last = of.lastOf(checkpoint.origin)
  if (asked.old !== (last?.size ?? 0)) return { status: 409, size: last?.size ?? 0 }
  if (last === undefined || last.size === 0)
    return asked.proof.length === 0
      ? { status: 200, checkpoint, text: note.text }
      : { status: 422, why: 'nothing is to be proven from an empty tree' }
  if (last.size === checkpoint.size && !sameHash(last.root, checkpoint.root))
    return { status: 409, size: last.size, fork: asked.checkpoint }
  // A proof may be wrong by mistake; with the log's signature under the checkpoint it is worth keeping.
  if (!extendsTree(last, checkpoint, asked.proof))
    return {
      status: 422,
      why: 'the proof does not show that the tree goes on from the last one',
      fork: asked.checkpoint,
    }
  return { status: 200, checkpoint, text: note.text }
}
