import serialize from 'canonicalize'

/**
 * Canonical JSON (RFC 8785): one text for one value, whatever the order its keys were written in.
 * A key whose value is undefined is left out.
 * @throws for what JSON cannot say (NaN, infinities, cycles, lone surrogates; RFC 8785 section 3.2.2.2): make text well-formed first.
 */
export function canonical(value: unknown): string {
  const text = serialize(value)
  if (text === undefined) throw new TypeError('this value has no canonical JSON')
  return text
}

const utf8 = new TextEncoder()
/** The UTF-8 bytes of the canonical JSON: what is hashed, signed and recorded. */
export const canonicalBytes = (value: unknown): Uint8Array => utf8.encode(canonical(value))
