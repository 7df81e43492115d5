import { parseCheckpoint } from '../domain/ledger/checkpoint.ts'
import { textBytes } from '../domain/ledger/text-bytes.ts'
import type { Client } from '../contract/client.ts'

/** A log that is read from its server, in the layout of a copy. Takes one checkpoint, and nothing that is newer. */
export function liveLedger(client: Pick<Client, 'ledgerFile'>): {
  read(path: string): Promise<Uint8Array | undefined>
} {
  let newest: Promise<Uint8Array | undefined> | undefined
  const checkpoint = () => (newest ??= client.ledgerFile('checkpoint'))
  return {
    async read(path) {
      if (path === 'checkpoint') return checkpoint()
      return path === 'checkpoints' ? olderThan(client, sizeOf(await checkpoint())) : client.ledgerFile(path)
    },
  }
}

/** Page by page, up to `size` and without it. */
async function olderThan(client: Pick<Client, 'ledgerFile'>, size: number): Promise<Uint8Array> {
  const found: string[] = []
  for (let after = 0; ;) {
    const page = textOf(await client.ledgerFile(`checkpoints?after=${after}`))
      .split('\n')
      .filter((line) => line !== '')
    for (const line of page) {
      const at = parseCheckpoint(JSON.parse(line) as string)?.checkpoint.size ?? Number.NaN
      // Whatever cannot be read is for the verifier to name.
      if (at >= size) return textBytes(found.join(''))
      found.push(`${line}\n`)
      after = Math.max(after, at)
    }
    if (page.length === 0) return textBytes(found.join(''))
  }
}

/** Of a checkpoint; 0 for none. */
export const sizeOf = (note: Uint8Array | undefined): number => parseCheckpoint(textOf(note))?.checkpoint.size ?? 0

export const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)
