import { z } from 'zod'
import { Time, Words } from './scalars.ts'

const Size = z.string().regex(/^(?:0|[1-9][0-9]{0,14})$/, 'must be a whole number')
const Index = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const Base64 = z.string().meta({ description: 'Base64, RFC 4648' })

export const LedgerEntryParams = z.object({ index: Size })
export const ConsistencyQuery = z.object({ from: Size, to: Size })

/** How far the ledger is, and who signs it. */
export const LedgerStatus = z
  .object({
    origin: z.string().meta({ description: 'The name of the log: the first line of its checkpoints' }),
    keys: z.array(z.string()).meta({ description: 'Note verifier keys, oldest first' }),
    size: z.int().meta({ description: 'Of the newest checkpoint' }),
    checkpoint: z.string().optional().meta({ description: 'The newest, as a signed note' }),
    signedAt: Time.optional(),
    waiting: z.int().meta({ description: 'Entries that no checkpoint covers yet' }),
    cosigned: z.array(z.object({ witness: z.string(), size: z.int(), at: Time })),
  })
  .meta({ id: 'LedgerStatus' })

/** An entry of the ledger, and the way from it to a checkpoint. */
export const LedgerProof = z
  .object({
    index: Index,
    leaf: z.string().meta({ description: 'Canonical JSON (RFC 8785): its UTF-8 bytes are the leaf' }),
    salt: Base64.optional().meta({ description: 'Absent once the body is erased' }),
    entry: z
      .string()
      .optional()
      .meta({ description: 'Canonical JSON. SHA-256 of salt and these bytes is the commitment of the leaf' }),
    size: z.int(),
    checkpoint: z.string().meta({ description: 'The signed note of the tree of this size' }),
    proof: z.array(Base64).meta({ description: 'RFC 6962, section 2.1.1' }),
  })
  .meta({ id: 'LedgerProof' })

export const ConsistencyProof = z.object({
  from: z.int(),
  to: z.int(),
  proof: z.array(Base64).meta({ description: 'RFC 6962, section 2.1.2' }),
})

export const ErasureInput = z.object({
  indexes: z.array(Index).min(1).max(1_000),
  words: Words.meta({ description: 'Why, for whoever finds the body gone' }),
})
export const Erased = z.object({
  erased: z.array(Index),
  /** There was no body any more, or no such entry. */
  left: z.array(Index),
})
