import type { LedgerSigner } from '../app/ports/ledger.ts'
import { SignerRefusal } from '../app/ports/ledger.ts'
import { checkpointText } from '../domain/ledger/checkpoint.ts'
import type { Checkpoint } from '../domain/ledger/checkpoint.ts'
import { EMPTY_ROOT, extendsTree } from '../domain/ledger/merkle.ts'
import type { TreeHead } from '../domain/ledger/merkle.ts'
import { formatNote } from '../domain/ledger/note.ts'
import type { LedgerKey } from './ledger-keys.ts'

/** Where the signer keeps the last tree that it signed: anywhere but in the database that it watches. */
export interface SignedMemory {
  /** Undefined when it never signed. */
  read(): Promise<Checkpoint | undefined>
  /** On disk when it resolves. */
  write(checkpoint: Checkpoint): Promise<void>
}

/**
 * Signs the trees of one log, each an extension of the one before. One call at a time.
 * INVARIANT: what is signed is on disk before a signature exists. A crash between the two leaves a memory of a tree
 * that was committed before, so the next signature over it, or over what extends it, is given.
 */
export async function createLedgerSigner(
  origin: string,
  keys: readonly LedgerKey[],
  memory: SignedMemory,
): Promise<LedgerSigner> {
  const remembered = await memory.read()
  if (remembered !== undefined && remembered.origin !== origin)
    throw new SignerRefusal(
      `this data folder has signed for the ledger ${remembered.origin}, and the database holds ${origin}. If the store was restored on another machine, move the file ledger-signed of this data folder away`,
    )
  const headOf = ({ size, root }: TreeHead): TreeHead => ({ size, root: Uint8Array.from(root) })
  let last = headOf(remembered ?? { size: 0, root: EMPTY_ROOT })
  return {
    keys: keys.map(({ key }) => key),
    get last() {
      return last
    },
    async sign(checkpoint, proof) {
      if (checkpoint.origin !== origin) throw new SignerRefusal(`${checkpoint.origin} is not the ledger ${origin}`)
      if (checkpoint.size < last.size)
        throw new SignerRefusal(
          `the database holds a tree of ${checkpoint.size} entries, and one of ${last.size} was signed: entries were taken away, or an older database was restored`,
        )
      if (!extendsTree(last, checkpoint, proof))
        throw new SignerRefusal(
          `the tree of ${checkpoint.size} entries is no extension of the one of ${last.size} that was signed: entries were changed`,
        )
      if (checkpoint.size !== last.size) {
        await memory.write(checkpoint)
        last = headOf(checkpoint)
      }
      const text = checkpointText(checkpoint)
      const message = Buffer.from(text)
      const signatures = await Promise.all(
        keys.map(async (one) => ({ name: one.key.name, keyId: one.key.id, bytes: await one.sign(message) })),
      )
      return formatNote({ text, signatures })
    },
  }
}
