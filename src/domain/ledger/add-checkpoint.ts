import { fromBase64, toBase64 } from './base64.ts'
import { HASH_LENGTH } from './merkle.ts'

/** The body of `POST <witness>/add-checkpoint` (C2SP tlog-witness). */
export interface AddCheckpoint {
  /** The size that the witness cosigned last, 0 for none. */
  readonly old: number
  /** From `old` to the size of the checkpoint; empty when `old` is 0. */
  readonly proof: readonly Uint8Array[]
  /** The whole signed note. */
  readonly checkpoint: string
}

/** Hashes of a consistency proof at most. */
const LONGEST_PROOF = 63

export const formatAddCheckpoint = ({ old, proof, checkpoint }: AddCheckpoint): string =>
  `old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint}`

/** Undefined for a malformed body; the checkpoint in it is not looked at. */
export function parseAddCheckpoint(body: string): AddCheckpoint | undefined {
  const end = body.indexOf('\n\n')
  if (end < 0) return undefined
  const [first, ...lines] = body.slice(0, end).split('\n')
  const [, digits] = /^old (0|[1-9][0-9]{0,15})$/.exec(first ?? '') ?? []
  const proof = lines.map(fromBase64)
  const old = Number(digits)
  if (!Number.isSafeInteger(old) || proof.length > LONGEST_PROOF) return undefined
  if (!proof.every((hash): hash is Uint8Array => hash?.length === HASH_LENGTH)) return undefined
  return { old, proof, checkpoint: body.slice(end + 2) }
}
