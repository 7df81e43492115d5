import { createHash } from 'node:crypto'

/**
 * The channel binding `tls-server-end-point` (RFC 5929 section 4): a hash of the server's certificate, which both ends
 * of one TLS connection see alike, and the two ends of an interception differently.
 */
export const BINDING_TYPE = 'tls-server-end-point'

/** By the hash of the signature algorithm; MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 section 4.1). */
const HASH_OF: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'sha256'], // md5WithRSAEncryption
  ['1.2.840.113549.1.1.5', 'sha256'], // sha1WithRSAEncryption
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.10040.4.3', 'sha256'], // dsa-with-sha1
  ['2.16.840.1.101.3.4.3.1', 'sha224'], // dsa
  ['2.16.840.1.101.3.4.3.2', 'sha256'],
  ['1.2.840.10045.4.1', 'sha256'], // ecdsa-with-SHA1
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
])
const RSA_PSS = '1.2.840.113549.1.1.10'
/** Hashes by themselves, as the parameters of RSASSA-PSS name them. SHA-1 is what stands there when nothing does. */
const PSS_HASH: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha256'], // sha1
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
])

/**
 * What a certificate (DER) binds to. Undefined where the RFC leaves it undefined: signature algorithms without one hash
 * of their own, Ed25519 among them. Then channel binding is neither offered nor used.
 */
export function serverEndPoint(certificate: Buffer): Buffer | undefined {
  const hash = signatureHash(certificate)
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest()
}

function signatureHash(certificate: Buffer): string | undefined {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } (RFC 5280 section 4.1)
  const signed = parts(parts(certificate)[0]?.body)[1]
  const [algorithm, parameters] = parts(signed?.body)
  if (signed?.tag !== SEQUENCE || algorithm?.tag !== OID) return undefined
  const name = dotted(algorithm.body)
  if (name !== RSA_PSS) return HASH_OF.get(name)
  // RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, ... } (RFC 4055 section 3.1)
  const given = parts(parameters?.body).find(({ tag }) => tag === CONTEXT_0)
  if (given === undefined) return 'sha256'
  const [hash] = parts(parts(given.body)[0]?.body)
  return hash?.tag === OID ? PSS_HASH.get(dotted(hash.body)) : undefined
}

const SEQUENCE = 0x30
const OID = 0x06
const CONTEXT_0 = 0xa0

/** The values that stand one behind the other in `der`; those up to the first that is not whole. */
function parts(der: Buffer = Buffer.alloc(0)): readonly { readonly tag: number; readonly body: Buffer }[] {
  const found: { readonly tag: number; readonly body: Buffer }[] = []
  for (let at = 0; at + 2 <= der.length;) {
    const tag = der.readUInt8(at)
    const first = der.readUInt8(at + 1)
    const more = first < 0x80 ? 0 : first - 0x80
    const start = at + 2 + more
    if (more > 4 || start > der.length) break
    const length = more === 0 ? first : der.readUIntBE(at + 2, more)
    if (start + length > der.length) break
    found.push({ tag, body: der.subarray(start, start + length) })
    at = start + length
  }
  return found
}

/** An object identifier as people write it (X.690 section 8.19). */
function dotted(body: Buffer): string {
  const numbers: number[] = []
  let value = 0
  for (const byte of body) {
    value = value * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    numbers.push(value)
    value = 0
  }
  const [first = 0, ...rest] = numbers
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - 40 * top, ...rest].join('.')
}
