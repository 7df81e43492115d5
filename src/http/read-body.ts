import type { IncomingMessage } from 'node:http'
import { parseJson } from './json.ts'
import { Refused } from './problems.ts'

export const BODY_AT_MOST = 1024 * 1024
export const LARGE_BODY_AT_MOST = 4 * 1024 * 1024

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i
const CLOSE = { connection: 'close' }

/** Whether the message has a body (RFC 9112, section 6): a length above zero, or chunks. */
export const hasBody = (headers: IncomingMessage['headers']): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** Refuses a body that says itself that it is too large, before a byte of it is read. */
export function refuseDeclaredLength(headers: IncomingMessage['headers'], atMost: number): void {
  if (Number(headers['content-length'] ?? 0) > atMost)
    throw new Refused('too_large', { detail: `at most ${atMost} bytes` }, CLOSE)
}

/**
 * The parsed body; undefined when there is none. Keeps at most `atMost` bytes, whatever the client announced.
 * @throws Refused `unsupported_media_type`, `too_large`, `invalid_json`.
 */
export async function readBody(
  request: Request,
  headers: IncomingMessage['headers'],
  atMost: number,
): Promise<unknown> {
  refuseDeclaredLength(headers, atMost)
  if (!hasBody(headers)) return undefined
  if (!JSON_TYPE.test(headers['content-type'] ?? '') || (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new Refused('unsupported_media_type', {}, CLOSE)
  }
  const parsed = parseJson(await readWhole(request, atMost))
  if (!parsed.ok)
    throw new Refused('invalid_json', { detail: `the body ${parsed.message} (character ${parsed.at + 1})` })
  return parsed.value
}

async function readWhole(request: Request, atMost: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of request.body ?? []) {
      length += chunk.byteLength
      if (length > atMost) throw new Refused('too_large', { detail: `at most ${atMost} bytes` }, CLOSE)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof Refused) throw error
    // The client went away, or took too long: nobody is left to read this, and it is no fault of ours.
    throw new Refused('bad_request', { detail: 'the body broke off' }, CLOSE)
  }
  return Buffer.concat(chunks, length)
}
