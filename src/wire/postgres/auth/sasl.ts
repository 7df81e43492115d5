/** The two client messages that carry SASL inside PostgreSQL's `p` frame ("Message Formats", 54.7). */

export interface SaslInitialResponse {
  readonly mechanism: string
  readonly data: Buffer
}

/** Reads the body of a SASLInitialResponse; undefined when its lengths do not add up or it carries no data. */
export function readSaslInitialResponse(body: Buffer): SaslInitialResponse | undefined {
  const end = body.indexOf(0)
  if (end < 1 || body.length < end + 5) return undefined
  const length = body.readInt32BE(end + 1)
  if (length < 0 || end + 5 + length !== body.length) return undefined
  return { mechanism: body.toString('latin1', 0, end), data: body.subarray(end + 5) }
}

/** The body of a SASLInitialResponse. */
export function writeSaslInitialResponse(mechanism: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(data.length)
  return Buffer.concat([Buffer.from(`${mechanism}\0`), length, data])
}

/** The mechanisms in an AuthenticationSASL (after its code 10); undefined when the list is not closed. */
export function readMechanisms(body: Buffer): readonly string[] | undefined {
  const names = body.toString('latin1').split('\0')
  if (names.pop() !== '' || names.pop() !== '') return undefined
  return names
}
