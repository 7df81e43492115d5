import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Checkpoint } from '../domain/ledger/checkpoint.ts'
import type { SignedMemory } from './ledger-signer.ts'
import { writePrivateFile } from './private-file.ts'

/**
 * The last signed tree in a file of two places, written in turn, each with its checksum: a write that was torn by a
 * crash leaves the other. `close` ends the use of the file.
 * @throws when the file is there and neither place can be read: what was signed is then not known.
 */
export async function openLedgerMemory(file: string): Promise<SignedMemory & { close(): Promise<void> }> {
  if (!existsSync(file)) writePrivateFile(file, ''.padEnd(2 * PLACE))
  const handle = await open(file, 'r+')
  let turn = 0
  return {
    async read() {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2 * PLACE), 0, 2 * PLACE, 0)
      const text = buffer.toString('latin1', 0, bytesRead)
      const places = [text.slice(0, PLACE), text.slice(PLACE)]
      const [newest] = places.flatMap((place) => readPlace(place) ?? []).sort((a, b) => b.turn - a.turn)
      // The very first write may have been torn: then nothing was signed.
      if (newest === undefined && places.some((place) => place.trim() === '')) return undefined
      if (newest === undefined) throw new Error(`${file} is damaged: which tree was signed last is not known`)
      turn = newest.turn
      const { origin, size, root } = newest
      return { origin, size, root: Buffer.from(root, 'base64') }
    },
    async write({ origin, size, root }) {
      const next = turn + 1
      const text = JSON.stringify({ turn: next, origin, size, root: Buffer.from(root).toString('base64') })
      const place = `${text}\n${checksum(text)}\n`.padEnd(PLACE)
      if (place.length !== PLACE) throw new RangeError('a tree head is too long to be kept')
      const { bytesWritten } = await handle.write(place, (next % 2) * PLACE, 'latin1')
      if (bytesWritten !== PLACE) throw new Error(`${file} took ${bytesWritten} bytes of ${PLACE}`)
      await handle.datasync()
      turn = next
    },
    close: () => handle.close(),
  }
}

/** Bytes of a place: one sector of most disks, and more than any origin needs. */
const PLACE = 512

interface Place {
  readonly turn: number
  readonly origin: Checkpoint['origin']
  readonly size: number
  readonly root: string
}

function readPlace(text: string): Place | undefined {
  const [json = '', sum] = text.split('\n')
  return sum === checksum(json) ? (JSON.parse(json) as Place) : undefined
}

const checksum = (text: string): string => createHash('sha256').update(text).digest('hex')
