/** The two bodies that carry SASL's first step between PostgreSQL and a client ("Message Formats", 54.7). */

/** The body of a SASLInitialResponse, which travels in a `p` message. */
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
