import type { Witness } from '../../app/ports/ledger.ts'
import { parseVerifierKey } from '../../domain/ledger/note.ts'

const WITHIN_MS = 5_000
/** A cosignature line is far shorter. */
const LONGEST_ANSWER = 16 * 1024

/** A setting that names no witness. The message is for the operator. */
export class WitnessError extends Error {
  override readonly name = 'WitnessError'
}

/**
 * The witnesses of `HP_WITNESSES`: `KEY@URL`, separated by commas or spaces, with the verifier key of their cosignatures
 * and the address below which `/add-checkpoint` is (C2SP tlog-witness).
 * @throws WitnessError
 */
export function openWitnesses(setting: string | undefined): readonly Witness[] {
  return (setting ?? '')
    .split(/[\s,]+/)
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.lastIndexOf('@')
      const key = parseVerifierKey(part.slice(0, at))
      const url = URL.parse(part.slice(at + 1))
      if (key?.algorithm !== 4)
        throw new WitnessError(`HP_WITNESSES: '${part}' has no verifier key of a witness before @`)
      if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '')
        throw new WitnessError(`HP_WITNESSES: the address of ${key.name} is not an http or https address`)
      return { key, add: addTo(`${url.href.replace(/\/+$/, '')}/add-checkpoint`) }
    })
}

const addTo =
  (url: string): Witness['add'] =>
  async (body) => {
    const answer = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'error',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      signal: AbortSignal.timeout(WITHIN_MS),
    })
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of answer.body ?? []) {
      length += chunk.length
      if (length > LONGEST_ANSWER) throw new Error('the witness answered too much')
      chunks.push(chunk)
    }
    return { status: answer.status, body: Buffer.concat(chunks).toString('utf8') }
  }
